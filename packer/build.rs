//! Builds faults in (`src/fault.rs`) where the variable `ONEPASS_FAULTS` is 1. No feature does, so no dependant can. Tells whoever
//! measures a build, in cargo's messages, which flags the compiler got: from a file of cargo's as well, which shows nowhere else.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fault_injection)");
    println!("cargo::rerun-if-env-changed=ONEPASS_FAULTS");
    println!("cargo::rerun-if-changed=build.rs");
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    println!("cargo::rustc-env=ONEPASS_RUSTFLAGS={flags}");
    if std::env::var_os("ONEPASS_FAULTS").is_some_and(|value| value == "1") {
        println!("cargo::rustc-cfg=fault_injection");
    }
}
