//! The points of the studies.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cases::Case;
use super::peer::HashProgram;
use super::peers::{TAR, TEE};
use crate::programs::installed;

/// One thing that is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// Its name in the samples; no other has it.
    pub name: String,
    /// The line that it is a part of.
    pub series: String,
    /// The codec: points of one are compared. Empty in older records.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub codec: String,
    /// The number of its tree in [`Study::subjects`](crate::record::Study::subjects).
    pub subject: usize,
    /// The tool.
    pub tool: PointTool,
}

/// The tool of a point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PointTool {
    /// Ours, in one stream.
    Onepass(Case),
    /// A script for bash; `$ROOTFS` is the tree, `$OUT` the scratch directory.
    Script(String),
}

/// The codecs whose levels a curve shows; other tools' xz is shown with all of them.
pub const CODECS: [&str; 2] = ["gzip", "zstd"];

/// A compressor behind `tar`.
#[derive(Clone, Copy)]
struct Program {
    name: &'static str,
    /// Without its level. `THREADS` stands for a number.
    command: &'static str,
    /// Our codec of the same format.
    codec: &'static str,
    levels: &'static [u8],
}

const PROGRAMS: [Program; 4] = [
    Program { name: "gzip", command: "gzip -n", codec: "gzip", levels: &[1, 3, 6, 9] },
    Program { name: "pigz", command: "pigz -n -p THREADS", codec: "gzip", levels: &[1, 3, 6, 9] },
    Program { name: "zstd", command: "zstd -q -TTHREADS", codec: "zstd", levels: &[1, 3, 6, 9, 12, 15, 19] },
    Program { name: "xz", command: "xz -q -TTHREADS", codec: "xz", levels: &[0, 3, 6] },
];

/// Every level of our gzip and zstd with `threads` threads, and some of other tools with as many, on one tree; if
/// `codecs` names some of [`CODECS`], only those. Tools that are not installed have no points.
#[must_use]
pub fn curve(threads: usize, codecs: &[String]) -> Vec<Point> {
    let hash = HashProgram::detect();
    let wanted = |codec: &str| codecs.is_empty() || codecs.iter().any(|wanted| wanted == codec);
    let ours = |codec: &'static str, levels: std::ops::RangeInclusive<u8>| {
        levels.map(move |level| Point {
            name: format!("onepass {codec}:{level}"),
            series: format!("onepass {codec}"),
            codec: codec.into(),
            subject: 0,
            tool: PointTool::Onepass(Case { compression: format!("{codec}:{level}"), threads }),
        })
    };
    let theirs = |program: Program| {
        let Program { name, command, codec, levels } = program;
        let command = command.replace("THREADS", &threads.to_string());
        levels.iter().map(move |level| Point {
            name: format!("{name} -{level}"),
            series: name.into(),
            codec: codec.into(),
            subject: 0,
            tool: PointTool::Script(hash.fill(&format!("{TAR} | {command} -{level} | {TEE}"))),
        })
    };
    let there = |program: &Program| wanted(program.codec) && installed(program.name);
    let own = [("gzip", 1..=12), ("zstd", 1..=19)].into_iter().filter(|(codec, _)| wanted(codec));
    let own = own.flat_map(|(codec, levels)| ours(codec, levels));
    own.chain(PROGRAMS.into_iter().filter(there).flat_map(theirs)).collect()
}

/// The usual compressions on each of the trees with these names.
#[must_use]
pub fn scaling(trees: &[&str], threads: usize) -> Vec<Point> {
    let point = |(subject, tree): (usize, &&str)| {
        let tree = (*tree).to_owned();
        ["none", "gzip:5", "zstd:3"].map(|compression| Point {
            name: format!("{tree}, {compression}"),
            series: compression.into(),
            codec: compression.split(':').next().unwrap_or(compression).into(),
            subject,
            tool: PointTool::Onepass(Case { compression: compression.into(), threads }),
        })
    };
    trees.iter().enumerate().flat_map(point).collect()
}
