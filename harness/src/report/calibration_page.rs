//! The page of a calibration: how often the gate on time was right about packers of which the truth is known.

use super::page::{Block, Page, Section};
use super::provenance;
use super::tables::{Table, interval};
use crate::format::time;
use crate::gate::calibration::{BuildComparison, Calibration, ReferenceKind, SAME, SLOWED, TestedBuild};
use crate::gate::decision::{Decision, half_width};
use crate::gate::paired_trial::{Batch, TimedCase};
use crate::plan::Case;
use crate::record::Sample;
use crate::stats::{self, Estimate};

const ACCEPTED: &str = "Beside two passes the gate needs a ratio to expect. It was measured first, with a batch of pairs, as one that is \
                        accepted is:";

/// The verdict, in sentences.
pub(super) fn verdict(calibration: &Calibration) -> Vec<String> {
    let class = calibration.environment.class();
    let mut sentences = vec![match (calibration.permits(), calibration.is_enough()) {
        (true, _) => format!("The gate on time may fail on {class}."),
        (false, true) => format!("The gate on time only warns on {class}: it was not right often enough."),
        (false, false) => format!(
            "INCOMPLETE: {SAME} comparisons with itself and {SLOWED} with the slowed packer are needed; the gate on time only \
             warns on {class}."
        ),
    }];
    for (kind, called) in
        [(TestedBuild::Same, "The same packer"), (TestedBuild::Slowed, "One that takes a fifth longer")]
    {
        let counts = calibration.counts(kind);
        let (low, high) = stats::proportion(counts.slower, counts.all());
        sentences.push(format!(
            "{called}: {} times called slower, {} times not, {} times too noisy to say. Called slower it would be between {:.1} and \
             {:.1} % of all times, with 95 % confidence.",
            counts.slower,
            counts.passed,
            counts.inconclusive,
            low * 100.0,
            high * 100.0
        ));
    }
    let batches = calibration.comparisons.iter().flat_map(|comparison| &comparison.timed.batches);
    let widths: Vec<f64> = batches.map(|batch| half_width(&batch.ratio) * 100.0).collect();
    if let Some(Estimate { value: median, .. }) = stats::median(&widths) {
        let least = widths.iter().copied().fold(f64::MAX, f64::min);
        let most = widths.iter().copied().fold(0.0, f64::max);
        sentences.push(format!("Intervals: ±{least:.1} to ±{most:.1} % wide, half of them less than ±{median:.1} %."));
    }
    sentences
}

/// The decisions of the gate, counted for each case and mode.
fn ways(calibration: &Calibration) -> Table {
    let mut rows = Vec::new();
    for case in &calibration.cases {
        for way in ReferenceKind::ALL {
            let cells = [TestedBuild::Same, TestedBuild::Slowed].map(|kind| {
                let counts = calibration.counts_of(|BuildComparison { kind: other, beside, timed }| {
                    (*other, *beside) == (kind, way) && timed.case == case.name()
                });
                format!("{} / {} / {}", counts.passed, counts.slower, counts.inconclusive)
            });
            let [same, slowed] = cells;
            rows.push([case.name(), beside(way).to_owned(), same, slowed]);
        }
    }
    Table::new(["case", "beside", "the same packer", "a fifth slower"], rows)
}

/// The accepted ratios of the mode against two passes.
fn accepted(calibration: &Calibration) -> Table {
    let row = |timed: &TimedCase| [timed.case.clone(), timed.ratio.as_ref().map_or_else(String::new, interval)];
    Table::new(["case", "one stream ÷ two passes [95 %]"], calibration.accepted.iter().map(row).collect())
}

fn beside(beside: ReferenceKind) -> &'static str {
    match beside {
        ReferenceKind::TwoPass => "two passes",
        ReferenceKind::Base => "one stream",
    }
}

/// Every comparison, in order.
pub(super) fn table(calibration: &Calibration) -> Table {
    let row = |(number, comparison): (usize, &BuildComparison)| {
        let TimedCase { batches, ruling, cold, .. } = &comparison.timed;
        let ratio = |batch: &Batch| match batch.pairs > calibration.pairs {
            true => format!("{}, {} pairs", interval(&batch.ratio), batch.pairs),
            false => interval(&batch.ratio),
        };
        let medians = batches.first().map_or([0; 2], |batch| batch.medians_ns);
        let ruling = match ruling {
            Some(Decision::Slower) => "slower",
            Some(Decision::Passed) => "not slower",
            Some(Decision::Inconclusive) | None => "too noisy",
        };
        [
            format!("{}: {}", number + 1, comparison.kind.name()),
            comparison.timed.case.clone(),
            beside(comparison.beside).into(),
            comparison.timed.expected.map_or_else(String::new, |expected| format!("{expected:.3}")),
            time(medians[0] as f64),
            time(medians[1] as f64),
            batches.first().map_or_else(String::new, ratio),
            batches.get(1).map_or_else(String::new, ratio),
            cold.to_string(),
            ruling.to_owned(),
        ]
    };
    let head = [
        "",
        "case",
        "beside",
        "expected",
        "its time",
        "the other's",
        "ratio [95 %]",
        "of a fresh batch",
        "cold runs",
        "called",
    ];
    Table::new(head, calibration.comparisons.iter().enumerate().map(row).collect())
}

/// The page.
pub(super) fn page(calibration: &Calibration, samples: &[Sample], verdict: &[String], comparisons: &Table) -> Page {
    let [same, slowed] = calibration.wanted;
    let runs = format!(
        "{same} comparisons with itself and {slowed} with the slowed packer, {} pairs for each batch, shuffled with seed {}",
        calibration.pairs, calibration.seed
    );
    let commands = "onepass: `onepass pack $ROOTFS --output $OUT --compression SPEC --strategy single-stream|two-pass --threads N --json`, \
                    built with the feature `planted`; the slowed one has `--planted spin` as well.";
    Page {
        name: format!("onepass calibration · {} · {}", calibration.date, calibration.topic),
        title: "Whether the gate on time can be trusted here".into(),
        opening: format!(
            "A packer is compared with itself, and now and then with one that is known to take a fifth longer, by the gate that \
             decides whether a change costs time. It may fail a change only where it never called the same packer slower, and \
             called the slowed one slower at least nine times of ten. Here {} was packed with {}. It stands beside two passes, as it \
             does when a change is checked, or beside one stream, as it does with `--base`.",
            calibration.subject,
            calibration.cases.iter().map(Case::name).collect::<Vec<_>>().join(" and ")
        ),
        banner: provenance::banner(&calibration.environment),
        sound: calibration.is_enough(),
        verdict: verdict.to_vec(),
        sections: vec![
            Section::new(
                "Not slower / slower / too noisy",
                vec![
                    Block::Table(ways(calibration)),
                    Block::Text(ACCEPTED.into()),
                    Block::Table(accepted(calibration)),
                ],
            ),
            Section::new("Every comparison", vec![Block::Table(comparisons.clone())]),
            Section::new("With what", vec![Block::Facts(provenance::facts(&calibration.environment, samples, runs))]),
            Section::new(
                "The exact commands",
                vec![Block::Text(commands.into()), Block::Text(provenance::SOURCES.into())],
            ),
        ],
    }
}
