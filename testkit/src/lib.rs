//! What tests share: their tiers, the log of skipped tests, noise, handmade archives, and a reader of archives that is not the
//! packer's.
//!
//! Only tests depend on this crate. It knows no other crate of the workspace.

pub mod cases;
pub mod handmade;
pub mod listing;
pub mod log;
pub mod tier;

/// Runs a check of many cases in a thread for each: for those that wait more than they work.
///
/// # Panics
///
/// If any of them does.
pub fn at_once<Case: Send>(cases: impl IntoIterator<Item = Case>, check: impl Fn(usize, Case) + Sync) {
    std::thread::scope(|scope| {
        for (number, case) in cases.into_iter().enumerate() {
            let check = &check;
            scope.spawn(move || check(number, case));
        }
    });
}
