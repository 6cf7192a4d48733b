//! `cargo xtask calibrate`: whether the gate on time can be trusted on this class of machine.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use harness::environment::Environment;
use harness::gate::calibration::{Calibration, Kind, SAME, SCHEMA, SLOWED, Subjects};
use harness::gate::ruling::PAIRS;
use harness::record::Journal;

use crate::bench::{Line, shown};
use crate::ground::{Ground, TIMED, timed};
use crate::planted::SPIN;
use crate::{builds, repository, say, today};

/// Compare the packer with itself forty times, and ten times with one that takes a fifth longer
///
/// The gate on time may fail on a class of machine – the processor and the number of cores – only if it never called the same packer
/// slower there, and the slowed one nine times of ten. Takes about an hour, in which nothing else should run. Exits with 1 if the
/// gate is not to be trusted here.
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Comparisons with itself; fewer than 40 show nothing
    #[arg(long, value_name = "N", default_value_t = SAME)]
    same: usize,
    /// Comparisons with the slowed one; fewer than 10 show nothing
    #[arg(long, value_name = "N", default_value_t = SLOWED)]
    slowed: usize,
    /// What the order of everything is shuffled with
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where images are written and removed; 1 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// Where the record goes [default: results]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// The end of the record's name
    #[arg(long, default_value = "calibration")]
    topic: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    // All sides are one binary: what differs is one option.
    let ground = Ground::take(builds::planted()?, arguments.scratch.as_deref())?;
    let [case, _] = timed();
    let (subject, mut base) = ground.tree(TIMED, &[])?;
    let [(_, mut same), (_, mut slowed)] = [ground.tree(TIMED, &[])?, ground.tree(TIMED, &SPIN)?];
    let date = today()?;
    let results = arguments.results.clone().unwrap_or_else(|| repository().join("results"));
    let mut journal = Journal::create(&results, &date, &arguments.topic)?;
    let mut calibration = Calibration {
        schema: SCHEMA,
        date,
        topic: arguments.topic.clone(),
        environment: Environment::look(ground.scratch(), repository()),
        subject,
        case,
        pairs: PAIRS,
        seed: arguments.seed,
        wanted: [arguments.same, arguments.slowed],
        comparisons: Vec::new(),
        complete: false,
    };
    let subjects = Subjects { base: &mut base, same: &mut same, slowed: &mut slowed };
    calibration.run(subjects, &mut journal, &mut Line::new())?;
    for (kind, called) in [(Kind::Same, "the same packer"), (Kind::Slowed, "one that takes a fifth longer")] {
        let counts = calibration.counts(kind);
        say(format!(
            "{called}: {} times called slower, {} times not, {} times too noisy to say",
            counts.slower, counts.passed, counts.inconclusive
        ))?;
    }
    say(format!("Record: {}", shown(journal.directory())))?;
    let permits = calibration.permits();
    let of = calibration.environment.class();
    say(match (permits, calibration.is_enough()) {
        (true, _) => format!("The gate on time may fail on {of}."),
        (false, true) => format!("The gate on time only warns on {of}."),
        (false, false) => format!("{SAME} and {SLOWED} comparisons are needed: the gate on time only warns on {of}."),
    })?;
    Ok(if permits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
