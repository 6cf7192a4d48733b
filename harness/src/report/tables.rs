//! The tables, as rows of text that any form can show.

use crate::format::{beside, bytes, change, three, time};
use crate::record::{Arm, FidelityFigure, Interval, Record, StrategyComparison};
use crate::stats::{PeerLine, comparisons, floor_lines, noise_lines, peer_lines};

/// A table: a head, and rows of as many cells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The heads of the columns.
    pub head: Vec<String>,
    /// The cells.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn new<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> Self {
        Table { head: head.map(String::from).to_vec(), rows: rows.into_iter().map(Vec::from).collect() }
    }

    /// The table as text, with columns in line.
    #[must_use]
    pub fn text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for row in all() {
            for (column, cell) in row.iter().enumerate() {
                let space = " ".repeat(widths[column] - cell.chars().count());
                // The first column is words, the others are figures.
                text += &if column == 0 { format!("{cell}{space}") } else { format!("  {space}{cell}") };
            }
            text.truncate(text.trim_end().len());
            text.push('\n');
        }
        text
    }
}

/// The time of each arm with the interval of its median, and the processor time.
pub(super) fn medians(record: &Record) -> Table {
    let row = |case: &str, strategy: &str, arm: &Arm| {
        let Interval { value, low, high, confidence } = arm.wall_ns;
        let sure = if confidence >= 0.95 { String::new() } else { format!(" ({:.0} %)", confidence * 100.0) };
        [
            format!("{case}: {strategy}"),
            time(value),
            format!("{} – {}{sure}", time(low), time(high)),
            time(arm.cpu_ns as f64),
            three(arm.cpu_ns as f64 / value),
        ]
    };
    let rows = comparisons(record).into_iter().flat_map(|found| {
        [row(&found.case, "two-pass", &found.two_pass), row(&found.case, "single-stream", &found.single_stream)]
    });
    Table::new(["", "median time", "95 % interval", "processor time", "÷ time"], rows.collect())
}

/// Two-pass against single-stream.
pub(super) fn comparison(record: &Record) -> Table {
    let rows = comparisons(record).into_iter().flat_map(|comparison| {
        let StrategyComparison { case, two_pass, single_stream, .. } = &comparison;
        [
            row(&format!("{case}: two-pass"), two_pass, String::new()),
            row(&format!("{case}: single-stream"), single_stream, String::new()),
            saved(&comparison),
        ]
    });
    Table::new(["", "time", "ratio of pairs [95 %]", "scratch peak", "written", "memory", "image"], rows.collect())
}

fn row(name: &str, arm: &Arm, ratio: String) -> [String; 7] {
    let figures = [arm.scratch_peak, arm.bytes_written, arm.memory, arm.image_size].map(bytes);
    let [scratch, written, memory, image] = figures;
    [name.into(), time(arm.wall_ns.value), ratio, scratch, written, memory, image]
}

fn saved(comparison: &StrategyComparison) -> [String; 7] {
    let (two, single) = (&comparison.two_pass, &comparison.single_stream);
    let less = |one: u64, other: u64| {
        if other > one {
            format!("+{}", bytes(other - one))
        } else if one == other {
            "0".into()
        } else {
            format!("−{}", bytes(one - other))
        }
    };
    [
        "    difference".into(),
        change(single.wall_ns.value / two.wall_ns.value),
        interval(&comparison.ratio),
        less(two.scratch_peak, single.scratch_peak),
        less(two.bytes_written, single.bytes_written),
        less(two.memory, single.memory),
        less(two.image_size, single.image_size),
    ]
}

/// `0.89 [0.86, 0.92]`, with the confidence if it is not 95 %.
pub(super) fn interval(ratio: &Interval) -> String {
    let text = format!("{:.3} [{:.3}, {:.3}]", ratio.value, ratio.low, ratio.high);
    if ratio.confidence >= 0.95 { text } else { format!("{text} ({:.0} %)", ratio.confidence * 100.0) }
}

/// The times of our single stream beside their lower bounds; `None` if those were not measured.
pub(super) fn floor(record: &Record) -> Option<Table> {
    let rows: Vec<[String; 7]> = floor_lines(record)
        .into_iter()
        .map(|line| {
            let [read, encode, hash] = line.parts.map(time);
            [line.case, encode, hash, read, time(line.floor), time(line.wall), three(line.wall / line.floor)]
        })
        .collect();
    let head = ["", "encoder", "sha256", "opening, reading", "floor", "single-stream", "time ÷ floor"];
    (!rows.is_empty()).then(|| Table::new(head, rows))
}

/// The variation of times without any change; `None` without pairs.
pub(super) fn noise(record: &Record) -> Option<Table> {
    let percent = |part: f64| format!("{:.1} %", part * 100.0);
    let rows: Vec<[String; 6]> = noise_lines(record)
        .into_iter()
        .map(|line| {
            let [single, two] = line.arms.map(percent);
            [
                line.case,
                line.pairs.to_string(),
                single,
                two,
                percent(line.pair),
                format!("±{}", percent(line.half_width)),
            ]
        })
        .collect();
    let head = [
        "",
        "pairs",
        "single-stream varies by",
        "two-pass varies by",
        "a pair's ratio varies by",
        "interval of the ratio",
    ];
    (!rows.is_empty()).then(|| Table::new(head, rows))
}

/// A fixture beside the real tree; `None` if they were not compared.
pub(super) fn likeness(record: &Record) -> Option<Table> {
    let row = |likeness: &FidelityFigure| {
        let far = if likeness.near { "" } else { "farther than it should be" };
        [&likeness.what, &likeness.real, &likeness.fixture, far].map(String::from)
    };
    let rows: Vec<[String; 4]> = record.run.likeness.iter().map(row).collect();
    (!rows.is_empty()).then(|| Table::new(["", "real tree", "fixture", ""], rows))
}

/// Peers beside our single stream.
pub(super) fn peers(record: &Record) -> Table {
    let lines = peer_lines(record);
    // Older records know less.
    let together = lines.iter().any(|line| line.memory_together.is_some());
    let memory = lines.iter().any(|line| line.memory.is_some());
    let times = |times: Option<f64>| times.map_or_else(String::new, |times| format!("{}×", three(times)));
    let row = |line: PeerLine| {
        let (own, alone) = (times(line.times()), times(line.times_alone()));
        let its_size = line.measured.as_ref().map(|(.., size)| *size);
        let [its, range, image] = match (&line.measured, line.missing) {
            (Some((median, low, high, size)), _) => {
                [time(median.value), format!("{} – {}", time(*low), time(*high)), bytes(*size)]
            }
            (None, Some(why)) => [why, String::new(), String::new()],
            (None, None) => ["not run".into(), String::new(), String::new()],
        };
        let held = |known: bool, held: Option<u64>| known.then(|| held.map_or_else(String::new, bytes));
        let held = held(together, line.memory_together).into_iter().chain(held(memory, line.memory));
        let against = line.ours.map_or_else(String::new, |(case, wall, size)| {
            let relation = its_size.map_or_else(String::new, |its| format!(", {}", beside(size, its)));
            format!("{case}: {}, {}{relation}", time(wall.value), bytes(size))
        });
        [line.title, own, alone, its, range].into_iter().chain(held).chain([image, against]).collect()
    };
    let head = ["what people use", "onepass is faster", "with one thread", "its time", "range"].into_iter();
    let head = head
        .chain(together.then_some("memory, at most"))
        .chain(memory.then_some("largest process"))
        .chain(["image", "onepass, single-stream"]);
    Table { head: head.map(String::from).collect(), rows: lines.into_iter().map(row).collect() }
}
