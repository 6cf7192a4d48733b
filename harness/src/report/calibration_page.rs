//! The page of a calibration: how often the gate on time was right about packers of which the truth is known.

use super::page::{Block, Page, Section};
use super::provenance;
use super::tables::Table;
use crate::format::time;
use crate::gate::calibration::{Calibration, SAME, SLOWED};
use crate::gate::decision::{Decision, PAIRS, half_width};
use crate::gate::paired_trial::{Batch, TimedCase};
use crate::plan::Case;
use crate::record::Sample;
use crate::stats::{self, Estimate};

/// The verdict, in sentences.
pub(super) fn verdict(calibration: &Calibration) -> Vec<String> {
    let class = calibration.environment.class();
    let mut sentences = vec![match (calibration.permits(), calibration.is_enough()) {
        (true, _) => format!("The gate on time may fail on {class}."),
        (false, true) => format!("The gate on time only warns on {class}: it was not right often enough."),
        (false, false) => format!(
            "INCOMPLETE: {SAME} decisions about a build beside itself and {SLOWED} about a slowed one are needed; the gate on time \
             only warns on {class}."
        ),
    }];
    for (slowed, called) in [(false, "The same build"), (true, "A build that wastes a fifth more time")] {
        let counts = calibration.counts(slowed);
        let [slower, runs] = calibration.runs_called_slower(slowed);
        let (low, high) = stats::proportion(slower, runs);
        sentences.push(format!(
            "{called}: {} times called slower, {} times not, {} times too noisy to say; in {slower} of {runs} runs a case was called slower. \
             The gate would call it slower in between {:.1} and {:.1} % of all runs, with 95 % confidence.",
            counts.slower,
            counts.passed,
            counts.inconclusive,
            low * 100.0,
            high * 100.0
        ));
    }
    let batches = calibration.runs.iter().flat_map(|run| &run.timed).flat_map(|timed| &timed.batches);
    let widths: Vec<f64> = batches.map(|batch| half_width(&batch.ratio) * 100.0).collect();
    if let Some(Estimate { value: median, .. }) = stats::median(&widths) {
        let least = widths.iter().copied().fold(f64::MAX, f64::min);
        let most = widths.iter().copied().fold(0.0, f64::max);
        sentences.push(format!("Intervals: ±{least:.1} to ±{most:.1} % wide, half of them less than ±{median:.1} %."));
    }
    sentences
}

/// The decisions of the gate, counted for each build and case.
fn ways(calibration: &Calibration) -> Table {
    let builds = std::iter::once(None).chain(calibration.faults.iter().map(Some));
    let row = |fault: Option<&String>| {
        let cells = calibration.cases.iter().map(|case| {
            let counts = calibration.counts_of(|run, timed| run.fault.as_ref() == fault && timed.case == case.name());
            format!("{} / {} / {}", counts.passed, counts.slower, counts.inconclusive)
        });
        std::iter::once(build(fault)).chain(cells).collect()
    };
    let head = std::iter::once("build".to_owned()).chain(calibration.cases.iter().map(Case::name)).collect();
    Table { head, rows: builds.map(row).collect() }
}

/// `the same`, or the fault.
fn build(fault: Option<&String>) -> String {
    fault.cloned().unwrap_or_else(|| "the same".into())
}

/// Every decision, in order.
pub(super) fn table(calibration: &Calibration) -> Table {
    let row = |number: usize, fault: Option<&String>, timed: &TimedCase| {
        let TimedCase { batches, ruling, cold, .. } = timed;
        let ratio = |batch: &Batch| match batch.pairs > PAIRS {
            true => format!("{}, {} pairs", batch.ratio, batch.pairs),
            false => batch.ratio.to_string(),
        };
        let medians = batches.first().map_or([0; 2], |batch| batch.medians_ns);
        let ruling = match ruling {
            Decision::Slower => "slower",
            Decision::Passed => "not slower",
            Decision::Inconclusive => "too noisy",
            Decision::OutOfTime => "out of time",
        };
        [
            format!("{}: {}", number + 1, build(fault)),
            timed.case.clone(),
            time(medians[0] as f64),
            time(medians[1] as f64),
            batches.first().map_or_else(String::new, ratio),
            batches.get(1).map_or_else(String::new, ratio),
            cold.to_string(),
            ruling.to_owned(),
        ]
    };
    let head = ["run", "case", "its time", "the base's", "ratio [95 %]", "of a fresh batch", "cold runs", "called"];
    let runs = calibration.runs.iter().enumerate();
    let rows = runs.flat_map(|(number, run)| run.timed.iter().map(move |timed| (number, run.fault.as_ref(), timed)));
    Table::new(head, rows.map(|(number, fault, timed)| row(number, fault, timed)).collect())
}

/// The page.
pub(super) fn page(calibration: &Calibration, samples: &[Sample], verdict: &[String], comparisons: &Table) -> Page {
    let [same, slowed] = calibration.wanted;
    let runs = format!(
        "{same} runs of the gate on the same build and {slowed} on a slowed one, {PAIRS} pairs for each batch, shuffled with seed {}",
        calibration.seed
    );
    let commands = "onepass: `onepass pack $ROOTFS --output $OUT --compression SPEC --strategy single-stream --threads N --json`. The base is \
                    built from a checkout of the same revision; a slowed one is built with faults, and has `--inject-fault FAULT` as well.";
    Page {
        name: format!("onepass calibration · {} · {}", calibration.date, calibration.topic),
        title: "Whether the gate on time can be trusted here".into(),
        opening: format!(
            "The gate that decides whether a change costs time is run on a build beside itself, and now and then on a build that \
             wastes a fifth more time in one step. It may fail a change only where it never called the same build slower, and \
             called the slowed one slower at least nine times of ten. Here {} was packed with {}. Each run of the gate decides \
             about every case.",
            calibration.subject,
            calibration.cases.iter().map(Case::name).collect::<Vec<_>>().join(" and ")
        ),
        banner: provenance::banner(&calibration.environment),
        sound: calibration.is_enough(),
        verdict: verdict.to_vec(),
        sections: vec![
            Section::new("Not slower / slower / too noisy", vec![Block::Table(ways(calibration))]),
            Section::new("Every decision", vec![Block::Table(comparisons.clone())]),
            Section::new("With what", vec![Block::Facts(provenance::facts(&calibration.environment, samples, runs))]),
            Section::new(
                "The exact commands",
                vec![Block::Text(commands.into()), Block::Text(provenance::SOURCES.into())],
            ),
        ],
    }
}
