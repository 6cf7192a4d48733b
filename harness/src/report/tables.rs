//! The tables, as rows of text that any form can show.

use crate::format::{beside as size_beside, bytes, change, three, time};
use crate::plan::Limit;
use crate::record::{Arm, FidelityFigure, Interval, PeerComparison, PeerRecord, Record, StrategyComparison};
use crate::stats::{PeerLine, PeerTimes, comparisons, floor_lines, noise_lines, peer_lines};

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
        comparison.ratio.to_string(),
        less(two.scratch_peak, single.scratch_peak),
        less(two.bytes_written, single.bytes_written),
        less(two.memory, single.memory),
        less(two.image_size, single.image_size),
    ]
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
    let together = lines.iter().any(|line| line.times.iter().any(|times| times.memory_together.is_some()));
    let memory = lines.iter().any(|line| line.times.iter().any(|times| times.memory.is_some()));
    let factor = |beside: &Option<PeerComparison>| beside.as_ref().map_or_else(String::new, |one| one.ratio.factor());
    let row = |line: PeerLine<'_>| {
        let time_of = |times: &PeerTimes| {
            let threads = match times.threads {
                Some(threads) if line.times.len() > 1 => format!(" with {threads}"),
                _ => String::new(),
            };
            format!("{}{threads}", time(times.median.value))
        };
        let its = match (line.peer.untimed(), &line.times[..]) {
            (Some(why), _) => why,
            (None, []) => "not run".into(),
            (None, times) => times.iter().map(time_of).collect::<Vec<_>>().join(", "),
        };
        let last = line.times.last();
        let most = |what: fn(&PeerTimes) -> Option<u64>| {
            line.times.iter().filter_map(what).max().map_or_else(String::new, bytes)
        };
        let held = [together.then(|| most(|times| times.memory_together)), memory.then(|| most(|times| times.memory))];
        let image = last.map_or_else(String::new, |times| bytes(times.image_size));
        let ours = |beside: &PeerComparison| format!("{}: {}", beside.case, time(beside.ours.value));
        let sizes = |beside: &PeerComparison| {
            format!("; {}, {}", bytes(beside.our_size), size_beside(beside.our_size, beside.image_size))
        };
        let against: Vec<String> = line.one.iter().chain(&line.all).map(ours).collect();
        let against = against.join(", ") + &line.all.as_ref().map_or_else(String::new, sizes);
        let [all, one] = [&line.all, &line.one].map(factor);
        [line.peer.title.clone(), all, one, its]
            .into_iter()
            .chain(held.into_iter().flatten())
            .chain([image, against])
            .collect()
    };
    let head = ["what people use", "onepass is faster, all threads", "one thread", "its time"].into_iter();
    let head = head
        .chain(together.then_some("memory, together"))
        .chain(memory.then_some("largest process"))
        .chain(["image", "onepass, single-stream"]);
    Table { head: head.map(String::from).collect(), rows: lines.into_iter().map(row).collect() }
}

/// What the images of peers lack; `None` if none lacks anything.
pub(super) fn losses(record: &Record) -> Option<Table> {
    let row = |peer: &PeerRecord| {
        let lost = |(limit, entries): (&Limit, &u64)| {
            format!("{} ({entries} {})", limit.name(), if *entries == 1 { "entry" } else { "entries" })
        };
        let lost: Vec<String> = peer.losses.iter().map(lost).collect();
        (!lost.is_empty()).then(|| [peer.title.clone(), lost.join(", ")])
    };
    let rows: Vec<[String; 2]> = record.run.peers.iter().filter_map(row).collect();
    (!rows.is_empty()).then(|| Table::new(["what people use", "its image lacks"], rows))
}
