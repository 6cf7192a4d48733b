//! Builds faults in (`src/fault.rs`) where the variable `ONEPASS_FAULTS` is 1. No feature does, so no dependant can.

fn main() {
    println!("cargo::rustc-check-cfg=cfg(fault_injection)");
    println!("cargo::rerun-if-env-changed=ONEPASS_FAULTS");
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("ONEPASS_FAULTS").is_some_and(|value| value == "1") {
        println!("cargo::rustc-cfg=fault_injection");
    }
}
