//! `cargo xtask bench`: the main job. Builds the packer, makes or takes a tree, and lets the harness do the rest.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use fixtures::{Fixture, Profile};
use harness::bench::Bench;
use harness::inspect::Listing;
use harness::plan::{CODECS, Case, Counterpart, HashProgram, Maker, PEERS, Peer, Suite};
use harness::record::{Journal, PackedTree, PeerRecord, Run, SCHEMA};
use harness::report::Report;
use harness::run::{Container, Lxd, Places, Processes, ScratchDir};
use packer::Compression;

use super::studies::{self, Options};
use crate::builds;
use crate::cli::{
    InputTree, ProgressLine, command_line, display_path, print, print_verdict, repository, results_or_default,
    scratch_or_default, this_program, today, topic, warn,
};
use crate::fidelity;

/// Measure one stream against two passes and other tools, on one tree
///
/// Builds the packer, makes the fixture `debian-base` unless --rootfs is given, verifies that both strategies make the
/// same image, measures, prints tables and writes a report. The quick suite takes less than five minutes on two cores.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  cargo xtask bench --rootfs /srv/rootfs --compression zstd:3\n  cargo xtask bench --curve --codec zstd"
)]
pub(crate) struct Arguments {
    /// Measure this tree instead of the fixture; the tree is only read
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// Instead: size against speed, for every level of our gzip and zstd and some of other tools
    #[arg(long, conflicts_with_all = ["suite", "compression", "scaling"])]
    curve: bool,
    /// With --curve: only this codec; may be repeated [default: all]
    #[arg(long = "codec", value_name = "CODEC", requires = "curve",
        value_parser = clap::builder::PossibleValuesParser::new(CODECS))]
    codecs: Vec<String>,
    /// Instead: cost against size, for trees of 0.1 to 4 GB and of 10,000 to 1,000,000 entries; needs 25 GB of scratch
    /// space
    #[arg(long, conflicts_with_all = ["suite", "compression", "rootfs"])]
    scaling: bool,
    /// Suite: smoke (a check that everything works), quick, full (also external compressors and a running LXD, on a
    /// larger fixture)
    #[arg(long, default_value_t = Suite::Quick)]
    suite: Suite,
    /// Compare this compression, with one thread and with all cores; may be repeated [default: the suite's]
    #[arg(long, value_name = "SPEC")]
    compression: Vec<Compression>,
    /// Pairs of runs for each case [default: 12, smoke: 2]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..),
        conflicts_with_all = ["curve", "scaling"])]
    pairs: Option<usize>,
    /// Rounds of each peer, and of each point of --curve and --scaling [default: 3, full: 7, smoke: 1]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    rounds: Option<usize>,
    /// Seed of the order of the runs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parent of the scratch directory [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Parent of the record's directory [default: results/local, which git ignores]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Name of the record, after the date [default: the suite]
    #[arg(long, value_name = "NAME", value_parser = topic)]
    topic: Option<String>,
    /// Name of the tree of --rootfs in the report
    #[arg(long, value_name = "NAME", default_value = "a tree of the user's")]
    subject: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let scratch = ScratchDir::create(&scratch_or_default(arguments.scratch.as_deref()))?;
    let open = |rootfs: &PathBuf| InputTree::open(rootfs, &arguments.subject, scratch.path());
    let given = arguments.rootfs.as_ref().map(open).transpose()?;
    let onepass = builds::release()?;
    if arguments.scaling {
        return studies::scaling(&arguments.study(onepass, scratch.path()));
    }
    let make = || {
        let fixture = fixture(arguments)?;
        InputTree::make(fixture, scratch.path().join("rootfs"), format!("the fixture {fixture}"))
    };
    let tree = given.map_or_else(make, Ok)?;
    if arguments.curve {
        return studies::curve(&arguments.study(onepass, scratch.path()), tree, &arguments.codecs);
    }
    bench(arguments, onepass, scratch.path(), tree)
}

fn bench(arguments: &Arguments, onepass: PathBuf, scratch: &Path, tree: InputTree) -> Result<ExitCode> {
    let InputTree { rootfs, subject } = tree;
    let container = match arguments.suite {
        Suite::Full => container(&onepass, &rootfs, scratch),
        Suite::Smoke | Suite::Quick => Err("not asked for".into()),
    };
    let repository = repository();
    let places = Places { scratch, tree: &rootfs, onepass: &onepass, repository };
    let run = plan(arguments, subject, places, &container)?;
    let mut journal = Journal::create(&results_or_default(arguments.results.as_deref()), &run.date, &run.topic)?;
    let widest = |case: &&Case| case.threads == run.environment.cores && !case.compression.starts_with("external");
    let floors = run.cases.iter().filter(widest).cloned().collect();
    let peer_rounds = arguments.rounds.unwrap_or_else(|| arguments.suite.peer_rounds());
    let tree = Listing::of_tree(&rootfs).context("cannot read the tree")?;
    let bench = Bench { run, tree, peer_rounds, floors };
    let (helper, scratch, container) = (Some(this_program()?), scratch.to_owned(), container.ok());
    let mut runner = Processes { onepass, rootfs, scratch, helper, container, ..Processes::default() };
    let record = bench.run(&mut runner, &mut journal, &mut ProgressLine::new())?;
    runner.container.take().map_or(Ok(()), Container::remove)?;
    let report = Report::new(&record);
    report.write(journal.directory())?;
    print_verdict(&report.verdict)?;
    print(format!("\n{}\n{}", report.comparison.text(), report.peers.text()))?;
    if let Some(floor) = &report.floor {
        print(floor.text())?;
    }
    print(format!("Report: {}", display_path(&journal.directory().join("report.html"))))?;
    Ok(if record.run.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Arguments {
    /// The options of a study.
    fn study<'a>(&'a self, onepass: PathBuf, scratch: &'a Path) -> Options<'a> {
        Options {
            onepass,
            scratch,
            results: results_or_default(self.results.as_deref()),
            topic: self.topic.as_deref(),
            rounds: self.rounds,
            seed: self.seed,
        }
    }
}

fn fixture(arguments: &Arguments) -> Result<Fixture> {
    Ok(Fixture::new(Profile::DebianBase).scale(arguments.suite.scale().parse()?))
}

/// The tree in the LXD of this machine, or the reason why not. LXD's own message may name places, and is not for the
/// record.
fn container(onepass: &Path, rootfs: &Path, scratch: &Path) -> std::result::Result<Container, String> {
    let lxd = Lxd::find(|name| std::env::var_os(name), scratch)?;
    lxd.take(onepass, rootfs, scratch).map_err(|error| {
        warn(error);
        "LXD did not take the tree".into()
    })
}

/// Why a peer cannot be run, if it cannot.
fn missing(peer: &Peer, hash: HashProgram, container: &std::result::Result<Container, String>) -> Option<String> {
    match (peer.maker, container) {
        (Maker::Pipeline, _) => peer.missing(hash).map(String::from),
        (Maker::Lxd, Err(why)) => Some(why.clone()),
        (Maker::Lxd, Ok(_)) => peer.missing(hash).map(|tool| format!("{tool} is not installed")),
    }
}

/// The peers of a suite beside these cases.
fn peers(suite: Suite, cases: &[Case], container: &std::result::Result<Container, String>) -> Vec<PeerRecord> {
    let hash = HashProgram::detect();
    // Only peers of a measured codec say something. A squashfs is shown without a comparison.
    let measured = |like: Counterpart| cases.iter().any(|case| case.compression == like.compression().to_string());
    let beside = |peer: &&Peer| peer.like == Counterpart::Squashfs || measured(peer.like);
    let peers = PEERS.iter().filter(|peer| peer.is_in(suite)).filter(beside);
    peers.map(|peer| PeerRecord::planned(peer, hash, missing(peer, hash, container))).collect()
}

fn plan(
    arguments: &Arguments,
    subject: PackedTree,
    places: Places<'_>,
    container: &std::result::Result<Container, String>,
) -> Result<Run> {
    let mut environment = builds::environment(places)?;
    environment.tools.extend(container.iter().map(|container| ("lxd".to_owned(), container.version().to_owned())));
    let cases = match &arguments.compression[..] {
        [] => arguments.suite.cases(environment.cores),
        chosen => Case::all(chosen, environment.cores),
    };
    let peers = peers(arguments.suite, &cases, container);
    Ok(Run {
        schema: SCHEMA,
        date: today()?,
        topic: arguments.topic.clone().unwrap_or_else(|| arguments.suite.name().into()),
        suite: arguments.suite,
        command: command_line(),
        pairs: arguments.pairs.unwrap_or_else(|| arguments.suite.pairs()),
        seed: arguments.seed,
        subject,
        likeness: match (&arguments.rootfs, arguments.suite) {
            (None, Suite::Full) => fidelity::likeness(&fixture(arguments)?, places.scratch)?,
            _ => Vec::new(),
        },
        environment,
        cases,
        peers,
        checks: Vec::new(),
        complete: false,
        comparisons: Vec::new(),
        peer_comparisons: Vec::new(),
    })
}
