//! The size of segments, which grows with the archive.

/// A segment size is used once this many segments of it have passed.
const SEGMENTS_BEFORE: u64 = 16;

/// The framed sizes that segments have on average, in bytes: powers of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sizes {
    /// At the start of the archive.
    pub(crate) first: u64,
    /// The upper bound.
    pub(crate) largest: u64,
}

impl Sizes {
    /// The segment size behind `bytes` bytes of the archive.
    pub(crate) fn behind(self, bytes: u64) -> u64 {
        let share = bytes / SEGMENTS_BEFORE;
        let power = share.checked_ilog2().map_or(0, |exponent| 1 << exponent);
        power.clamp(self.first, self.largest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_double_when_sixteen_of_the_new_one_have_passed() {
        let sizes = Sizes { first: 4, largest: 16 };
        for (passed, size) in [(0, 4), (127, 4), (128, 8), (255, 8), (256, 16), (511, 16), (512, 16), (u64::MAX, 16)] {
            assert_eq!(sizes.behind(passed), size, "behind {passed}");
        }
        assert_eq!(Sizes { first: 1, largest: 1 }.behind(0), 1);
    }
}
