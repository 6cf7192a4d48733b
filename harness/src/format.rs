//! Figures as people read them. Three significant digits are as many as these measurements have.

/// Bytes in decimal units.
pub(crate) fn bytes(count: u64) -> String {
    let value = count as f64;
    match count {
        0 => "0".into(),
        1..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{} kB", three(value / 1e3)),
        1_000_000..1_000_000_000 => format!("{} MB", three(value / 1e6)),
        _ => format!("{} GB", three(value / 1e9)),
    }
}

/// Nanoseconds as seconds or milliseconds.
pub(crate) fn time(nanoseconds: f64) -> String {
    if nanoseconds < 1e9 {
        format!("{} ms", three(nanoseconds / 1e6))
    } else {
        format!("{} s", three(nanoseconds / 1e9))
    }
}

/// A share of one, as a change: `−34 %`.
pub(crate) fn change(ratio: f64) -> String {
    let percent = (ratio - 1.0) * 100.0;
    let sign = if percent < 0.0 { "−" } else { "+" };
    format!("{sign}{:.1} %", percent.abs())
}

/// A number with three significant digits.
pub(crate) fn three(value: f64) -> String {
    match value.abs() {
        0.0..9.995 => format!("{value:.2}"),
        9.995..99.95 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// How much larger or smaller a size is than another; three digits of both would hide a tenth of a per cent.
pub(crate) fn beside(size: u64, other: u64) -> String {
    let part = (size as f64 / other as f64 - 1.0) * 100.0;
    match part.abs() {
        0.0..0.005 => "as large".into(),
        far if part < 0.0 => format!("{far:.2} % smaller"),
        far => format!("{far:.2} % larger"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_that_look_alike_are_told_apart() {
        assert_eq!(beside(414_313_148, 413_564_207), "0.18 % larger");
        assert_eq!(beside(413_092_634, 413_564_207), "0.11 % smaller");
        assert_eq!([beside(7, 7), beside(1_412_754_432, 1_412_802_560)], ["as large", "as large"]);
    }

    #[test]
    fn figures_have_three_digits_and_a_unit() {
        assert_eq!([bytes(0), bytes(999), bytes(1_234), bytes(48_985_429)], ["0", "999 B", "1.23 kB", "49.0 MB"]);
        assert_eq!([time(3.15e8), time(1.2345e9), time(4.95e10)], ["315 ms", "1.23 s", "49.5 s"]);
        assert_eq!([change(0.89), change(1.0), change(1.005)], ["−11.0 %", "+0.0 %", "+0.5 %"]);
    }
}
