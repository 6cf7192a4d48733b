//! The trees of the gates, made when they are needed, and the packer under test.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use fixtures::{Fixture, Profile};
use harness::gate::expected::Expected;
use harness::gate::{Budget, ExactFindings, ExactGates, Tree};
use harness::plan::Case;
use harness::record::SampleLog;
use harness::run::{Places, Processes, ScratchDir};
use packer::Compression;

use crate::cli::{ProgressLine, make_fixture, repository, scratch_or_default};

/// The tree of the exact gates.
const EXACT: (Profile, &str) = (Profile::DebianBase, "0.4");

/// The tree of the further sizes.
const FURTHER: (Profile, &str) = (Profile::AlpineMini, "1");

/// The tree that is timed, 0.3 GB. Where a pack of it takes less than two seconds, a unit of time is more than one run.
pub(crate) const TIMED: (Profile, &str) = (Profile::DebianBase, "2.5");

/// A small input and a large one, 64 and 512 MiB.
const INPUTS: [(Profile, &str); 2] = [(Profile::OneBig, "0.125"), (Profile::OneBig, "1")];

/// How the further tree is compressed: levels from all over, of all codecs that are built in.
const LEVELS: [&str; 15] = [
    "none", "gzip:1", "gzip:5", "gzip:6", "gzip:9", "gzip:12", "zstd:1", "zstd:3", "zstd:6", "zstd:9", "zstd:13",
    "zstd:16", "zstd:19", "xz:0", "xz:6",
];

/// The memory budget of each compression with two threads, in MiB.
const BUDGETS: [(&str, u64); 3] = [("none", 64), ("gzip:5", 64), ("zstd:3", 128)];

/// How much of every exact gate is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// All.
    Whole,
    /// Enough to show faults that do not depend on the level: a level of each codec, and the memory of the default one.
    Faults,
    /// Two cases that differ in all, and no memory, whose inputs take most of the time.
    Quick,
}

impl Depth {
    fn cases(self) -> Vec<Case> {
        match self {
            Depth::Whole | Depth::Faults => Case::all(&[Compression::None, Compression::GZIP, Compression::ZSTD], 2),
            Depth::Quick => [(Compression::None, 1), (Compression::GZIP, 2)]
                .map(|(compression, threads)| Case { compression: compression.to_string(), threads })
                .to_vec(),
        }
    }

    fn levels(self) -> &'static [&'static str] {
        match self {
            Depth::Whole => &LEVELS,
            Depth::Faults | Depth::Quick => &["none", "gzip:5", "zstd:3", "xz:0"],
        }
    }

    fn budgets(self) -> impl Iterator<Item = (&'static str, u64)> {
        BUDGETS.into_iter().filter(move |(compression, _)| match self {
            Depth::Whole => true,
            Depth::Faults => *compression == "gzip:5",
            Depth::Quick => false,
        })
    }
}

/// The faults that waste a fifth more processor time, each in one step.
pub(crate) const SLOW_DOWNS: [&str; 5] = ["slow-walk", "slow-frame", "slow-encode", "slow-hash", "slow-write"];

/// The options of a pack with a fault.
pub(crate) fn injecting(fault: &str) -> [&str; 2] {
    ["--inject-fault", fault]
}

/// One owner makes images equal, whichever user made the trees.
const ONE_OWNER: [&str; 2] = ["--owner", "0:0"];
const OWNER: (u32, u32) = (0, 0);

/// The timed cases: the usual codecs, each on as many threads as the machines of the gates have cores. So a step that wastes
/// processor time shows, whichever thread it is on.
pub(crate) fn timed() -> [Case; 2] {
    [Compression::GZIP, Compression::ZSTD].map(|compression| Case { compression: compression.to_string(), threads: 2 })
}

/// The packer under test, and the directory of its trees.
pub(crate) struct GateTrees {
    /// The command.
    pub(crate) onepass: PathBuf,
    scratch: ScratchDir,
}

impl GateTrees {
    /// A directory of our own in `scratch`, or in the one for temporary files.
    pub(crate) fn take(onepass: PathBuf, scratch: Option<&Path>) -> Result<Self> {
        Ok(GateTrees { onepass, scratch: ScratchDir::create(&scratch_or_default(scratch))? })
    }

    /// What the gates run with: their trees are in the scratch directory.
    pub(crate) fn places(&self) -> Places<'_> {
        let scratch = self.scratch();
        Places { scratch, tree: scratch, onepass: &self.onepass, repository: repository() }
    }

    /// The directory.
    pub(crate) fn scratch(&self) -> &Path {
        self.scratch.path()
    }

    /// Makes a tree unless it exists; returns its name, and a runner that packs it with these options.
    pub(crate) fn tree(&self, (profile, scale): (Profile, &str), options: &[&str]) -> Result<(String, Processes)> {
        let fixture = Fixture::new(profile).scale(scale.parse()?);
        let name = fixture.to_string();
        let rootfs = self.scratch().join(name.replace(' ', "-"));
        if !rootfs.exists() {
            make_fixture(fixture, &rootfs)?;
        }
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        let (onepass, scratch) = (self.onepass.clone(), self.scratch().to_owned());
        Ok((name, Processes { onepass, rootfs, scratch, options, ..Processes::default() }))
    }

    /// Runs the exact gates, each pack with these options, too.
    pub(crate) fn exact(
        &self,
        depth: Depth,
        options: &[&str],
        expected: &Expected,
        log: &mut SampleLog<'_>,
    ) -> Result<ExactFindings> {
        let options = [&ONE_OWNER, options].concat();
        let mut trees = Vec::new();
        for tree in [EXACT, FURTHER].into_iter().chain(INPUTS) {
            trees.push(self.tree(tree, &options)?);
        }
        let mut trees =
            trees.iter_mut().map(|(name, runner)| Tree { name: name.clone(), rootfs: runner.rootfs.clone(), runner });
        let mut next = || trees.next().context("a gate has no tree");
        let exact = ExactGates {
            owner: OWNER,
            tree: next()?,
            cases: depth.cases(),
            further: next()?,
            compressions: depth.levels().iter().map(|level| (*level).to_owned()).collect(),
            inputs: [next()?, next()?],
            budgets: depth
                .budgets()
                .map(|(compression, most)| Budget { compression: compression.into(), most: most << 20 })
                .collect(),
            expected,
        };
        Ok(exact.run(log, &mut ProgressLine::new()))
    }
}

/// The table.
pub(crate) fn expected() -> Result<Expected> {
    let path = expected_path();
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
    text.parse().map_err(|why: String| anyhow!("`{}`: {why}", path.display()))
}

pub(crate) fn expected_path() -> PathBuf {
    repository().join("harness/expected.txt")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Accepted sizes and recorded times of a name are of one tree.
    #[test]
    fn every_tree_of_the_gates_is_locked() {
        for (profile, scale) in [EXACT, FURTHER, TIMED].into_iter().chain(INPUTS) {
            let fixture = Fixture::new(profile).scale(scale.parse().unwrap());
            assert!(fixture.locked().is_some(), "{fixture} has no lock");
        }
    }
}
