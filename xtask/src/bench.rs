//! `cargo xtask bench`: the main job. Builds the packer, makes or takes a tree, and lets the harness do the rest.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use fixtures::{Fixture, Profile};
use harness::bench::{Audience, Bench};
use harness::cases::{self, Case, Suite};
use harness::environment::Environment;
use harness::lease::Lease;
use harness::lxd::{Container, Lxd};
use harness::peers::{Like, Maker, PEERS, Peer};
use harness::record::{Journal, PeerRecord, Run, SCHEMA, Subject};
use harness::report::Report;
use harness::runner::{Listing, Processes};
use harness::study::Kind;
use indicatif::{ProgressBar, ProgressStyle};
use packer::Compression;

pub(crate) use crate::builds::release as build;
use crate::{asked, repository, say, study, today, trees};

/// Pack a tree both ways, prove one fingerprint, and show what single-stream saves
///
/// Without arguments: builds the packer, makes the fixture `debian-base`, verifies, measures, prints a table and writes a
/// report, in less than five minutes on two cores.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Measure this tree instead of the fixture; it is only read
    #[arg(long, value_name = "DIR")]
    rootfs: Option<PathBuf>,
    /// Instead: every level of our gzip and zstd and some of other tools, size against speed
    #[arg(long, conflicts_with_all = ["suite", "compression", "scaling"])]
    curve: bool,
    /// Of --curve only this codec, by ours and by other tools; may be given several times [default: all]
    #[arg(long = "codec", value_name = "CODEC", requires = "curve",
        value_parser = clap::builder::PossibleValuesParser::new(harness::study::CODECS))]
    pub(crate) codecs: Vec<String>,
    /// Instead: trees of 0.1 to 4 GB and of 10,000 to 1,000,000 entries; needs 25 GB of scratch space
    #[arg(long, conflicts_with_all = ["suite", "compression", "rootfs"])]
    scaling: bool,
    /// How much: smoke (does it work), quick, full (external compressors and a running LXD too, a larger
    /// fixture)
    #[arg(long, default_value_t = Suite::Quick)]
    suite: Suite,
    /// Compare this compression, with one thread and with all cores; may be given several times [default: the suite's]
    #[arg(long, value_name = "SPEC")]
    compression: Vec<Compression>,
    /// Pairs of runs for each case [default: 12, smoke: 2]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..),
        conflicts_with_all = ["curve", "scaling"])]
    pairs: Option<usize>,
    /// Rounds of each peer, and of each point of --curve and --scaling [default: 3, full: 7, smoke: 1]
    #[arg(long, value_name = "N", value_parser = clap::builder::RangedU64ValueParser::<usize>::new().range(1..))]
    pub(crate) rounds: Option<usize>,
    /// What the order of the runs is shuffled with
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Where images are written and removed [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub(crate) scratch: Option<PathBuf>,
    /// Where the record goes
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// What the record is called, after the date [default: the suite]
    #[arg(long, value_name = "NAME")]
    pub(crate) topic: Option<String>,
    /// What the tree of --rootfs is called in the report
    #[arg(long, value_name = "NAME", default_value = "a tree of the user's")]
    subject: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.curve {
        return study::run(arguments, Kind::Curve);
    }
    if arguments.scaling {
        return study::run(arguments, Kind::Scaling);
    }
    let onepass = build()?;
    let parent = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
    let scratch = Lease::take(&parent)?;
    let (rootfs, subject) = taken(arguments, scratch.path())?;
    let container = match arguments.suite {
        Suite::Full => container(&onepass, &rootfs, scratch.path()),
        Suite::Smoke | Suite::Quick => Err("not asked for".into()),
    };
    let run = plan(arguments, subject, scratch.path(), &container)?;
    let mut journal = Journal::create(&results(arguments), &run.date, &run.topic)?;
    let there = |planned: &PeerRecord, peer: &Peer| planned.name == peer.name && planned.missing.is_none();
    let peers = |peer: &&Peer| run.peers.iter().any(|planned| there(planned, peer));
    let peers: Vec<&Peer> = PEERS.iter().filter(peers).collect();
    let widest = |case: &&Case| case.threads == run.environment.cores && !case.compression.starts_with("external");
    let floors = run.cases.iter().filter(widest).cloned().collect();
    let peer_rounds = arguments.rounds.unwrap_or_else(|| arguments.suite.peer_rounds());
    let tree = Listing::of_tree(&rootfs).context("cannot list the tree")?;
    let bench = Bench { run, tree, peers, peer_rounds, floors };
    let helper = Some(std::env::current_exe().context("cannot find this program")?);
    let scratch = scratch.path().to_owned();
    let container = container.ok();
    let mut runner = Processes { onepass, rootfs, scratch, helper, container, ..Processes::default() };
    let record = bench.run(&mut runner, &mut journal, &mut Line::new())?;
    runner.container.take().map_or(Ok(()), Container::remove)?;
    let report = Report::new(&record);
    report.write(journal.directory())?;
    for sentence in &report.verdict {
        say(format!("* {sentence}"))?;
    }
    say(format!("\n{}\n{}", report.comparison.text(), report.peers.text()))?;
    if let Some(floor) = &report.floor {
        say(floor.text())?;
    }
    say(format!("Report: {}", shown(&journal.directory().join("report.html"))))?;
    Ok(if record.run.complete { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where records go.
pub(crate) fn results(arguments: &Arguments) -> PathBuf {
    arguments.results.clone().unwrap_or_else(|| repository().join("results"))
}

/// The tree to pack, and what is said of it.
pub(crate) fn taken(arguments: &Arguments, scratch: &Path) -> Result<(PathBuf, Subject)> {
    let named = |name: String| Subject { name, entries: 0, tar_size: 0, diff_id: String::new() };
    if let Some(rootfs) = &arguments.rootfs {
        let rootfs = rootfs.canonicalize().with_context(|| format!("cannot open the tree `{}`", rootfs.display()))?;
        if scratch.starts_with(&rootfs) {
            bail!(
                "the scratch directory is in the tree `{}`, and would be packed as well: give another with --scratch",
                rootfs.display()
            );
        }
        return Ok((rootfs, named(arguments.subject.clone())));
    }
    let fixture = fixture(arguments)?;
    let rootfs = scratch.join("rootfs");
    trees::make(fixture, &rootfs)?;
    Ok((rootfs, named(format!("the fixture {fixture}"))))
}

fn fixture(arguments: &Arguments) -> Result<Fixture> {
    Ok(Fixture::new(Profile::DebianBase).scale(arguments.suite.scale().parse()?))
}

/// The tree in the LXD of this machine; if that cannot be, why. What LXD says to that may name places, and is not for the record.
fn container(onepass: &Path, rootfs: &Path, scratch: &Path) -> std::result::Result<Container, String> {
    let lxd = Lxd::find(|name| std::env::var_os(name), scratch)?;
    lxd.take(onepass, rootfs, scratch).map_err(|error| {
        // Nobody is lost if this line cannot be written.
        let _ = writeln!(std::io::stderr(), "{error}");
        "LXD did not take the tree".into()
    })
}

/// Why a peer cannot be run, if it cannot.
fn missing(peer: &Peer, container: &std::result::Result<Container, String>) -> Option<String> {
    match (peer.maker, container) {
        (Maker::Pipeline, _) => peer.missing().map(String::from),
        (Maker::Lxd, Err(why)) => Some(why.clone()),
        (Maker::Lxd, Ok(_)) => peer.missing().map(|tool| format!("{tool} is not installed")),
    }
}

fn plan(
    arguments: &Arguments,
    subject: Subject,
    scratch: &Path,
    container: &std::result::Result<Container, String>,
) -> Result<Run> {
    let mut environment = Environment::look(scratch, repository());
    environment.tools.extend(container.iter().map(|container| ("lxd".to_owned(), container.version().to_owned())));
    let cases = match &arguments.compression[..] {
        [] => arguments.suite.cases(environment.cores),
        chosen => cases::of(chosen, environment.cores),
    };
    let like = |like| match like {
        Like::None => Compression::None,
        Like::Gzip => Compression::GZIP,
        Like::Zstd => Compression::ZSTD,
        Like::Xz => Compression::XZ,
    };
    // A tool says nothing beside a compression that is not measured.
    let beside = |peer: &&Peer| cases.iter().any(|case| case.compression == like(peer.like).to_string());
    let beside_ours = PEERS.iter().filter(|peer| peer.is_in(arguments.suite)).filter(beside);
    let peers: Vec<PeerRecord> = beside_ours
        .map(|peer| PeerRecord {
            name: peer.name.into(),
            title: peer.title.into(),
            script: peer.script.into(),
            like: like(peer.like).to_string(),
            maker: peer.maker,
            missing: missing(peer, container),
        })
        .collect();
    Ok(Run {
        schema: SCHEMA,
        date: today()?,
        topic: arguments.topic.clone().unwrap_or_else(|| arguments.suite.name().into()),
        suite: arguments.suite,
        command: asked(),
        pairs: arguments.pairs.unwrap_or_else(|| arguments.suite.pairs()),
        seed: arguments.seed,
        subject,
        likeness: match (&arguments.rootfs, arguments.suite) {
            (None, Suite::Full) => crate::fixtures::likeness(&fixture(arguments)?, scratch)?,
            _ => Vec::new(),
        },
        environment,
        cases,
        peers,
        checks: Vec::new(),
        complete: false,
        comparisons: Vec::new(),
    })
}

/// A path below the current directory without the way to it.
pub(crate) fn shown(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here).unwrap_or(&path).display().to_string()
}

/// The progress line: a bar on a terminal, a line every ten runs elsewhere.
pub(crate) struct Line {
    bar: Option<ProgressBar>,
    said: Option<usize>,
}

impl Line {
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{bar:24} {pos}/{len} runs, {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = std::io::stderr().is_terminal().then(|| ProgressBar::new(0).with_style(style));
        Line { bar, said: None }
    }
}

impl Audience for Line {
    fn progress(&mut self, done: usize, all: usize, name: &str, left: Option<Duration>) {
        let left = left.map_or_else(String::new, |left| format!("about {} s left: ", left.as_secs() + 1));
        if let Some(bar) = &self.bar {
            bar.set_length(all as u64);
            bar.set_position(done as u64);
            bar.set_message(format!("{left}{name}"));
        } else if self.said.is_none_or(|said| done >= said + 10) || done == 0 {
            // Nobody is lost if this line cannot be written.
            let line = format!("{done}/{all} runs, {left}{name}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
            self.said = Some(done);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
