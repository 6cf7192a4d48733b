//! G4: the size of every image, to the byte, against the accepted table.
//!
//! Only of compressions that are built in: another version of an installed program makes other images.

use super::expected::Expected;
use super::image_size::Size;
use crate::verify::{Finding, Gate, GateVerdict};

/// Judges sizes by the table.
pub(super) fn judge(sizes: &[Size], expected: &Expected) -> Finding {
    let pinned: Vec<&Size> = sizes.iter().filter(|size| !size.compression.starts_with("external:")).collect();
    let (known, unknown): (Vec<&Size>, Vec<&Size>) =
        pinned.iter().partition(|size| expected.size(&size.fixture, &size.compression).is_some());
    let figures = format!("{} images", pinned.len());
    let missing = unknown.first().map(|first| {
        let Size { fixture, compression, .. } = first;
        let of = format!("{fixture} with {compression}");
        GateVerdict::NotMeasured(format!("no size was accepted of {} images, as of {of}", unknown.len()))
    });
    let verdicts = known.into_iter().filter_map(|size| one(size, expected)).chain(missing);
    Finding::gather(Gate::Sizes, verdicts.map(|verdict| (verdict, figures.clone())))
}

/// Judges a size; nothing if none was accepted.
fn one(size: &Size, expected: &Expected) -> Option<GateVerdict> {
    let Size { fixture, compression, bytes, encoder } = size;
    let accepted = expected.size(fixture, compression)?;
    if accepted == *bytes {
        return Some(GateVerdict::Passed);
    }
    let by = if encoder.is_empty() { String::new() } else { format!(" by {encoder}") };
    let change = *bytes as f64 / accepted as f64 * 100.0 - 100.0;
    let found = format!("{bytes}{by}, {change:+.3} %");
    Some(GateVerdict::broken(format!("{fixture} with {compression}: {accepted} bytes"), found))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_the_accepted_one_or_broken_or_unknown() {
        let expected: Expected = "size | a tree | gzip:5 | 1000".parse().unwrap();
        let judged = |compression: &str, bytes| {
            let (fixture, compression, encoder) = ("a tree".into(), compression.into(), "libdeflate 1".into());
            judge(&[Size { fixture, compression, bytes, encoder }], &expected).verdict
        };
        assert_eq!(judged("gzip:5", 1000), GateVerdict::Passed);
        let broken = GateVerdict::broken("a tree with gzip:5: 1000 bytes", "1001 by libdeflate 1, +0.100 %");
        assert_eq!(judged("gzip:5", 1001), broken);
        assert!(matches!(judged("gzip:6", 1000), GateVerdict::NotMeasured(_)));
        assert!(matches!(judged("external:gzip", 7), GateVerdict::NotMeasured(_)), "nothing is left to look at");
    }
}
