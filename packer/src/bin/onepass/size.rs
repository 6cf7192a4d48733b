//! Sizes as people write them.

use std::str::FromStr;

/// A number of bytes: plain, or in units of 1,024, as `512`, `64K`, `64KiB`, `10G`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bytes(pub(crate) u64);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(digits);
        let power = match unit {
            "" => Some(0),
            "K" | "KiB" => Some(10),
            "M" | "MiB" => Some(20),
            "G" | "GiB" => Some(30),
            "T" | "TiB" => Some(40),
            _ => None,
        };
        let bytes = power.zip(number.parse::<u64>().ok()).and_then(|(power, number)| number.checked_mul(1 << power));
        bytes
            .map(Bytes)
            .ok_or_else(|| "a size is a number of bytes, or of K, M, G or T, which are powers of 1,024".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_written() {
        for (text, bytes) in
            [("0", 0), ("512", 512), ("64K", 65_536), ("64KiB", 65_536), ("3G", 3 << 30), ("2TiB", 2 << 40)]
        {
            assert_eq!(text.parse(), Ok(Bytes(bytes)));
        }
        for text in ["", "K", "-1", "1.5G", "1 G", "1GB", "1k", "99999999999999999999", "18014398509481984K"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }
}
