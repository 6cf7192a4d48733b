//! The two tiers of tests: the same code with smaller or larger numbers, behind one switch.

use std::sync::LazyLock;

/// Whether `ONEPASS_DEEP` asks for the deep tier.
pub fn is_deep() -> bool {
    static DEEP: LazyLock<bool> = LazyLock::new(|| std::env::var_os("ONEPASS_DEEP").is_some_and(|value| value != "0"));
    *DEEP
}

/// The first number in the fast tier, the second in the deep one.
pub fn sized<Number>(fast: Number, deep: Number) -> Number {
    if is_deep() { deep } else { fast }
}

/// Whether a test that belongs to the deep tier alone is to run; if not, the log of the run has it.
pub fn runs_deep() -> bool {
    if !is_deep() {
        crate::log::deep_only();
    }
    is_deep()
}
