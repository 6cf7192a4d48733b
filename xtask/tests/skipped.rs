//! Lists the tests that a run of `cargo test --workspace` has skipped: the last of its test binaries.

use std::io::{self, Write};

fn main() -> io::Result<()> {
    // `cargo xtask test` has its own list, and other runners ask for the names of tests first.
    if std::env::var_os("ONEPASS_TEST_LOG").is_some() || std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    let skipped = testkit::log::skipped();
    if skipped.is_empty() {
        return Ok(());
    }
    let mut out = io::stdout().lock();
    writeln!(out, "\n{} skipped:", skipped.len())?;
    for (test, reason) in skipped {
        writeln!(out, "  {test}: {reason}")?;
    }
    Ok(())
}
