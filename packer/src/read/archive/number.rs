//! Numbers as archives write them: decimal in extended headers, octal or base-256 in header fields.

/// Parses a decimal number without a sign. `None` for anything else, or beyond 64 bits.
pub(crate) fn decimal(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

/// Parses a header field of at most twelve bytes: octal digits between spaces and NULs, nothing at all for 0, or GNU's base-256.
pub(crate) fn octal_or_base256(field: &[u8]) -> Option<i128> {
    if let Some((first, rest)) = field.split_first().filter(|(first, _)| **first & 0x80 != 0) {
        // Two's complement without the highest bit; the next one is the sign.
        let start = i128::from((*first << 1) as i8 >> 1);
        return Some(rest.iter().fold(start, |value, byte| value << 8 | i128::from(*byte)));
    }
    let field = field.trim_ascii_start();
    let digits = field.iter().position(|byte| !(b'0'..=b'7').contains(byte)).unwrap_or(field.len());
    let (digits, rest) = field.split_at(digits);
    let blank = rest.iter().all(|byte| matches!(byte, 0 | b' '));
    blank.then(|| digits.iter().fold(0, |value, digit| value << 3 | i128::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_octal_or_base_256() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b"   644 \0", Some(0o644)),
            (b"  644\0\0\0", Some(0o644)),
            (b"77777777", Some(0o77_777_777)),
            (b"\0\0\0\0\0\0\0\0", Some(0)),
            (b"        ", Some(0)),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (b"644\0junk", None),
            (b"0x00000\0", None),
            (b"\x80\0\0\0\0\x20\0\0", Some(2_097_152)),
            (b"\x80\0\0\0\xff\xff\xff\xfe", Some(4_294_967_294)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\xbf\xff\xff\xff\xff\xff\xff\xff", Some((1 << 62) - 1)),
            (b"\xc0\0\0\0\0\0\0\0", Some(-(1 << 62))),
            (b"\x80\0\0\0\0\0\0\x02\0\0\0\0", Some(8 << 30)),
        ] {
            assert_eq!(octal_or_base256(field), expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn decimals_have_no_sign_and_fit_64_bits() {
        for (text, expected) in [
            (&b"0"[..], Some(0)),
            (b"007", Some(7)),
            (b"18446744073709551615", Some(u64::MAX)),
            (b"18446744073709551616", None),
            (b"", None),
            (b"+1", None),
            (b"-1", None),
            (b" 1", None),
        ] {
            assert_eq!(decimal(text), expected, "{}", text.escape_ascii());
        }
    }
}
