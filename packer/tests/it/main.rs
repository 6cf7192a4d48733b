//! The laws that images keep, tried on random trees, on fixtures, and through the command.

mod bad_input;
mod cancel;
mod changes;
mod corners;
mod corners_golden;
mod corners_tree;
mod faults;
mod framing;
mod images;
mod kills;
mod laws;
mod limits;
mod listing;
mod mutations;
mod options;
mod power_cut;
mod progress;
mod races;
mod readme;
mod rules;
mod same_bytes;
mod small_disks;
mod snapshot;
mod sparse;
mod sweep;
mod trees;

/// How many cases a property is tried with: the usual number, unless `PROPTEST_CASES` says otherwise.
fn cases(usual: u32) -> proptest::test_runner::Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => proptest::test_runner::Config::default(),
        None => proptest::test_runner::Config::with_cases(usual),
    }
}
