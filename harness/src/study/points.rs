//! The points of the studies.

use super::{Point, Tool};
use crate::cases::Case;
use crate::peers::{TAR, installed};

/// A compressor that is put behind `tar`: what it is called, how it is called, and at which levels.
type Program = (&'static str, &'static str, &'static [u8]);

const PROGRAMS: [Program; 4] = [
    ("gzip", "gzip -n", &[1, 3, 6, 9]),
    ("pigz", "pigz -n", &[1, 3, 6, 9]),
    ("zstd -T0", "zstd -q -T0", &[1, 3, 6, 9, 12, 15, 19]),
    ("xz -T0", "xz -q -T0", &[0, 3, 6]),
];

/// Every level of ours with `threads` threads, and some of other tools, on one tree. Tools that are not installed have no
/// points.
#[must_use]
pub fn curve(threads: usize) -> Vec<Point> {
    let ours = |codec: &'static str, levels: std::ops::RangeInclusive<u8>| {
        levels.map(move |level| Point {
            name: format!("onepass {codec}:{level}"),
            series: format!("onepass {codec}"),
            subject: 0,
            tool: Tool::Onepass(Case { compression: format!("{codec}:{level}"), threads }),
        })
    };
    let theirs = |(name, command, levels): Program| {
        levels.iter().map(move |level| Point {
            name: format!("{name} -{level}"),
            series: name.into(),
            subject: 0,
            tool: Tool::Script(format!(
                "{TAR} | {command} -{level} | tee \"$OUT/image\" | sha256sum && sync \"$OUT/image\""
            )),
        })
    };
    let there = PROGRAMS.into_iter().filter(|(_, command, _)| installed(command.split(' ').next().unwrap_or(command)));
    ours("gzip", 1..=12).chain(ours("zstd", 1..=19)).chain(there.flat_map(theirs)).collect()
}

/// The usual compressions on each of the trees with these names.
#[must_use]
pub fn scaling(trees: &[&str], threads: usize) -> Vec<Point> {
    let point = |(subject, tree): (usize, &&str)| {
        let tree = (*tree).to_owned();
        ["none", "gzip:5", "zstd:3"].map(|compression| Point {
            name: format!("{tree}, {compression}"),
            series: compression.into(),
            subject,
            tool: Tool::Onepass(Case { compression: compression.into(), threads }),
        })
    };
    trees.iter().enumerate().flat_map(point).collect()
}
