//! What properties and tests with chance in them share; the library's own tests have it, too.

use proptest::test_runner::Config;

use crate::tier::sized;

/// How many times as many cases a property has in the deep tier.
const DEEPER: u32 = 8;

/// The number of cases of a property: this in the fast tier, a multiple in the deep one, or what `PROPTEST_CASES` says.
pub fn usually(count: u32) -> Config {
    cases(count, DEEPER * count)
}

/// The number of cases of a property in the fast tier and in the deep one, unless `PROPTEST_CASES` says otherwise.
pub fn cases(fast: u32, deep: u32) -> Config {
    match std::env::var_os("PROPTEST_CASES") {
        Some(_) => Config::default(),
        None => Config::with_cases(sized(fast, deep)),
    }
}

/// Numbers that look random and are the same for the same seed (Knuth's linear congruential generator; the high bits are
/// the good ones).
#[derive(Clone, Debug)]
pub struct Noise(pub u64);

impl Iterator for Noise {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Some(self.0)
    }
}

impl Noise {
    /// The next number, from 0 up to below 2²⁴.
    pub fn number(&mut self) -> u64 {
        self.by_ref().next().map_or(0, |number| number >> 40)
    }

    /// The next number, from 0 up to below 1.
    pub fn fraction(&mut self) -> f64 {
        self.number() as f64 / f64::from(1 << 24)
    }

    /// Bytes that nothing compresses.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        self.by_ref().map(|number| (number >> 56) as u8).take(count).collect()
    }
}
