//! `cargo xtask planted`: shows that every gate turns red for its own fault, and for no other.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use clap::builder::PossibleValuesParser;
use harness::gate::decision::{Decision, PAIRS};
use harness::gate::paired_trial::{BuildArms, PairedTrial, TimedCase};
use harness::record::{Journal, Label, SampleLog};
use harness::run::Outcome;
use harness::verify::{Gate, GateVerdict};
use packer::Strategy;

use crate::builds;
use crate::cli::{ProgressLine, print, today};
use crate::gate_trees::{Depth, GateTrees, SPIN, TIMED, expected, timed};

/// Show that each planted fault turns its gates red, and no other
///
/// Builds the packer with faults that can be planted. Exits with 1 if a gate misses its fault, or another gate breaks.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask planted flip unsorted")]
pub(crate) struct Arguments {
    /// Faults [default: all]; `spin` slows the packer by a fifth, and needs four minutes
    #[arg(value_name = "FAULT", value_parser = names())]
    faults: Vec<String>,
    /// Check memory only with the faults that break it: the inputs of that gate take most of the time
    #[arg(long)]
    quick: bool,
    /// Parent of the scratch directory, which needs 2 GB [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

/// The faults of `packer/src/fault.rs`, and the gates that each one breaks.
const FAULTS: [(&str, &[Gate]); 5] = [
    // A hidden file takes space, and is written.
    ("scratch", &[Gate::Space, Gate::Written]),
    ("reread", &[Gate::Read]),
    ("buffer", &[Gate::Memory]),
    ("flip", &[Gate::Sameness]),
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
            true => Depth::FaultsWithoutMemory,
            false => Depth::Faults,
        };
        let broken = broken(&trees, fault, depth, &mut log)?;
        unseen += usize::from(broken != gates);
        print(line(fault, &broken, gates))?;
    }
    if wanted(SPIN[1]) {
        let slowed = slowed(&trees, &mut log)?;
        let [batches, ruling] = [
            slowed.batches.iter().map(|batch| format!("{:.3}", batch.ratio.value)).collect::<Vec<_>>().join(", then "),
            slowed.ruling.map_or_else(|| "nothing".into(), |ruling| format!("{ruling:?}").to_lowercase()),
        ];
        unseen += usize::from(slowed.ruling != Some(Decision::Slower));
        print(format!("{:<9} {batches} × the time without it: {ruling}", SPIN[1]))?;
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
    FAULTS.iter().map(|(fault, _)| *fault).chain([SPIN[1]]).collect::<Vec<_>>().into()
}

/// The gates that a fault breaks.
fn broken(trees: &GateTrees, fault: &str, depth: Depth, log: &mut SampleLog<'_>) -> Result<Vec<Gate>> {
    let mut examined = trees.exact(depth, &["--inject-fault", fault], &expected()?, log)?;
    if depth == Depth::FaultsWithoutMemory {
        examined.findings.retain(|finding| finding.gate != Gate::Memory);
    }
    let missing = examined.findings.iter().find(|finding| matches!(finding.verdict, GateVerdict::NotMeasured(_)));
    if let Some(finding) = missing {
        bail!("with the fault {fault}: {}", finding.line());
    }
    Ok(examined.findings.iter().filter(|finding| !finding.verdict.holds()).map(|finding| finding.gate).collect())
}

fn line(fault: &str, broken: &[Gate], expected: &[Gate]) -> String {
    let names = |gates: &[Gate]| gates.iter().map(|gate| gate.name()).collect::<Vec<_>>().join(", ");
    if broken == expected {
        format!("{fault:<9} breaks {}", names(broken))
    } else {
        format!("{fault:<9} breaks [{}], and SHOULD break {}", names(broken), names(expected))
    }
}

/// A slowed single stream against one of the same build that is not slowed.
fn slowed(trees: &GateTrees, log: &mut SampleLog<'_>) -> Result<TimedCase> {
    let [case, _] = timed();
    let (_, mut slow) = trees.tree(TIMED, &SPIN)?;
    let (subject, mut usual) = trees.tree(TIMED, &[])?;
    let trial = PairedTrial { cases: vec![(case, Some(1.0))], pairs: PAIRS, seed: 1, limit: Duration::MAX };
    let mut note = |label: Label, outcome: &Outcome| {
        let case = format!("{subject}, {}", label.case);
        log.append(Label { case, ..label }, outcome)
    };
    let strategy = Strategy::SingleStream;
    let mut arms = BuildArms { candidate: &mut slow, called: "slowed", reference: &mut usual, strategy };
    trial.run(&mut arms, &mut note, &mut ProgressLine::new())?.into_iter().next().context("nothing was timed")
}
