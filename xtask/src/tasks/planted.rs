//! `cargo xtask planted`: shows that every gate turns red for its own fault, and for no other.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use harness::gate::decision::Decision;
use harness::gate::paired_trial::TimedCase;
use harness::gate::time::{TimeTrial, TimedBuild};
use harness::record::{Journal, SampleLog};
use harness::verify::{Finding, Gate, GateVerdict};

use crate::builds;
use crate::cli::{ProgressLine, print, today};
use crate::gate_trees::{Depth, GateTrees, SLOW_DOWNS, TIMED, expected, injecting, timed};

/// Show that each planted fault turns its gates red, and no other
///
/// Builds the packer with faults that can be planted. Exits with 1 if a gate misses its fault, or another gate breaks.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask planted flip unsorted")]
pub(crate) struct Arguments {
    /// Faults [default: all]; each `slow-…` wastes a fifth more time in one step, and needs two minutes
    #[arg(value_name = "FAULT", value_parser = names())]
    faults: Vec<String>,
    /// Two cases instead of six, and memory only with the faults that break it
    #[arg(long)]
    quick: bool,
    /// Parent of the scratch directory, which needs 2 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// The faults of `packer/src/fault.rs`, and the gates that each one breaks.
const FAULTS: [(&str, &[Gate]); 6] = [
    // A hidden file takes space, and is written.
    ("scratch", &[Gate::Space, Gate::Written]),
    ("reread", &[Gate::Read]),
    ("buffer", &[Gate::Memory]),
    ("flip", &[Gate::Sameness]),
    // Both strategies spoil the same content alike, so every image is the same wrong one.
    ("content", &[Gate::Sameness]),
    // In another order, content compresses differently.
    ("unsorted", &[Gate::Sameness, Gate::Sizes]),
];

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let trees = GateTrees::take(builds::with_faults()?, arguments.scratch.as_deref())?;
    let mut journal = Journal::create(&builds::target()?.join("gate"), &today()?, "planted")?;
    let mut log = SampleLog::of(&mut journal);
    let wanted = |fault: &str| arguments.faults.is_empty() || arguments.faults.iter().any(|named| named == fault);
    let mut unseen = 0;
    for (fault, gates) in FAULTS.into_iter().filter(|(fault, _)| wanted(fault)) {
        let depth = match arguments.quick && !gates.contains(&Gate::Memory) {
            true => Depth::Quick,
            false => Depth::Faults,
        };
        let broken = broken(&trees, fault, depth, &mut log)?;
        unseen += usize::from(broken != gates);
        print(line(fault, &broken, gates))?;
    }
    for fault in SLOW_DOWNS.into_iter().filter(|fault| wanted(fault)) {
        let mut broken = broken(&trees, fault, Depth::Quick, &mut log)?;
        let (slowed, images) = slowed(&trees, fault, &mut log)?;
        broken.extend((!images.verdict.holds()).then_some(images.gate));
        unseen += usize::from(slowed.ruling != Decision::Slower || !broken.is_empty());
        print(slow_line(fault, &slowed, &broken))?;
    }
    print(if unseen == 0 {
        "Each fault breaks its gates, and no other that was checked."
    } else {
        "NOT SEEN as it should be."
    })?;
    Ok(if unseen == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The names of the faults.
fn names() -> PossibleValuesParser {
    FAULTS.iter().map(|(fault, _)| *fault).chain(SLOW_DOWNS).collect::<Vec<_>>().into()
}

/// The gates that a fault breaks.
fn broken(trees: &GateTrees, fault: &str, depth: Depth, log: &mut SampleLog<'_>) -> Result<Vec<Gate>> {
    let mut examined = trees.exact(depth, &injecting(fault), &expected()?, log)?;
    if depth == Depth::Quick {
        examined.findings.retain(|finding| finding.gate != Gate::Memory);
    }
    let missing = examined.findings.iter().find(|finding| matches!(finding.verdict, GateVerdict::NotMeasured(_)));
    if let Some(finding) = missing {
        bail!("with the fault {fault}: {}", finding.line());
    }
    Ok(examined.findings.iter().filter(|finding| !finding.verdict.holds()).map(|finding| finding.gate).collect())
}

fn line(fault: &str, broken: &[Gate], expected: &[Gate]) -> String {
    if broken == expected {
        format!("{fault:<11} breaks {}", names_of(broken))
    } else {
        format!("{fault:<11} breaks [{}], and SHOULD break {}", names_of(broken), names_of(expected))
    }
}

fn slow_line(fault: &str, slowed: &TimedCase, broken: &[Gate]) -> String {
    let batches: Vec<String> = slowed.batches.iter().map(|batch| format!("{:.3}", batch.ratio.value)).collect();
    let decision = match slowed.ruling {
        Decision::Slower => "slower, twice",
        Decision::Passed => "NOT SEEN",
        Decision::Inconclusive => "too wide to judge: NOT SEEN",
        Decision::OutOfTime => "out of time: NOT SEEN",
    };
    let others = if broken.is_empty() { String::new() } else { format!("; SHOULD NOT break {}", names_of(broken)) };
    format!("{fault:<11} {} × the time without it: {decision}{others}", batches.join(", then "))
}

fn names_of(gates: &[Gate]) -> String {
    gates.iter().map(|gate| gate.name()).collect::<Vec<_>>().join(", ")
}

/// The first case of the gate on time, and its images: a slowed build beside the same build that is not slowed.
fn slowed(trees: &GateTrees, fault: &str, log: &mut SampleLog<'_>) -> Result<(TimedCase, Finding)> {
    let (_, mut slow) = trees.tree(TIMED, &injecting(fault))?;
    let (subject, mut usual) = trees.tree(TIMED, &[])?;
    let trial = TimeTrial {
        subject: &subject,
        tree: None,
        cases: &timed()[..1],
        candidate: ("slowed", &mut slow),
        base: &mut usual,
        seed: 1,
        limit: Duration::MAX,
    };
    let TimedBuild { cases, images } = trial.run(log, &mut ProgressLine::new())?;
    Ok((cases.into_iter().next().context("nothing was timed")?, images))
}
