//! `cargo xtask bench --curve` and `--scaling`: the studies.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use fixtures::{Fixture, Profile};
use harness::inspect::Listing;
use harness::plan::{Point, curve as curve_points, scaling as scaling_points};
use harness::record::{Journal, STUDY_SCHEMA, Study, StudyKind};
use harness::report::StudyReport;
use harness::run::{Places, Processes};

use crate::builds;
use crate::cli::{
    InputTree, ProgressLine, command_line, display_path, print, print_verdict, repository, this_program, today, warn,
};

/// Trees of 0.1 to 4 GB, and of 10,000 to 1,000,000 entries.
const SCALING: [(Profile, &str); 8] = [
    (Profile::DebianBase, "0.82"),
    (Profile::DebianBase, "4.1"),
    (Profile::DebianBase, "8.2"),
    (Profile::DebianBase, "16.4"),
    (Profile::DebianBase, "32.8"),
    (Profile::Tiny50k, "0.19"),
    (Profile::Tiny50k, "1.9"),
    (Profile::Tiny50k, "19"),
];

/// Rounds of every point.
const ROUNDS: usize = 3;

/// The options that both studies take from the command line.
pub(super) struct Options<'a> {
    pub(super) onepass: PathBuf,
    pub(super) scratch: &'a Path,
    /// The directory of records.
    pub(super) results: PathBuf,
    /// The end of the record's name, if it is not the kind of study.
    pub(super) topic: Option<&'a str>,
    pub(super) rounds: Option<usize>,
    pub(super) seed: u64,
}

/// Size against speed: every level of these codecs, or of all, on one tree.
pub(super) fn curve(options: &Options<'_>, tree: InputTree, codecs: &[String]) -> Result<ExitCode> {
    let points = |cores| curve_points(cores, codecs);
    study(options, StudyKind::Curve, "curve", vec![tree], points)
}

/// Cost against size: the usual compressions on trees of many sizes.
pub(super) fn scaling(options: &Options<'_>) -> Result<ExitCode> {
    let mut trees = Vec::new();
    for (number, (profile, scale)) in SCALING.iter().enumerate() {
        let fixture = Fixture::new(*profile).scale(scale.parse()?);
        warn(format!("making {fixture}"));
        let rootfs = options.scratch.join(format!("rootfs-{number}"));
        trees.push(InputTree::make(fixture, rootfs, fixture.to_string())?);
    }
    let names: Vec<String> = trees.iter().map(|tree| tree.subject.name.clone()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    study(options, StudyKind::Scaling, "scaling", trees, |cores| scaling_points(&names, cores))
}

fn study(
    options: &Options<'_>,
    kind: StudyKind,
    topic: &str,
    trees: Vec<InputTree>,
    points: impl FnOnce(usize) -> Vec<Point>,
) -> Result<ExitCode> {
    let helper = this_program()?;
    let tree = trees.first().map_or(options.scratch, |tree| &tree.rootfs);
    let (onepass, repository) = (&options.onepass, repository());
    let environment = builds::environment(Places { scratch: options.scratch, tree, onepass, repository })?;
    let (mut runners, mut subjects) = (Vec::new(), Vec::new());
    let mut listings = Vec::new();
    for InputTree { rootfs, subject } in trees {
        listings.push(Listing::of_tree(&rootfs).with_context(|| format!("cannot read {}", subject.name))?);
        let (onepass, scratch) = (options.onepass.clone(), options.scratch.to_owned());
        runners.push(Processes { onepass, rootfs, scratch, helper: Some(helper.clone()), ..Processes::default() });
        subjects.push(subject);
    }
    let mut study = Study {
        schema: STUDY_SCHEMA,
        kind,
        date: today()?,
        topic: options.topic.unwrap_or(topic).into(),
        command: command_line(),
        rounds: options.rounds.unwrap_or(ROUNDS),
        seed: options.seed,
        points: points(environment.cores),
        environment,
        subjects,
        checks: Vec::new(),
        complete: false,
        samples: Vec::new(),
    };
    let mut journal = Journal::create(&options.results, &study.date, &study.topic)?;
    study.run(&listings, &mut runners, &mut journal, &mut ProgressLine::new())?;
    let report = StudyReport::new(&study);
    report.write(journal.directory())?;
    print_verdict(&report.verdict)?;
    print(format!("\n{}", report.points.text()))?;
    print(format!("Report: {}", display_path(&journal.directory().join("report.html"))))?;
    Ok(if study.is_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
mod tests {
    use harness::plan::Suite;

    use super::*;

    #[test]
    fn every_tree_of_the_studies_and_suites_is_locked() {
        let suites = Suite::ALL.map(|suite| (Profile::DebianBase, suite.scale()));
        for (profile, scale) in SCALING.into_iter().chain(suites) {
            let fixture = Fixture::new(profile).scale(scale.parse().unwrap());
            assert!(fixture.locked().is_some(), "{fixture} has no lock");
        }
    }
}
