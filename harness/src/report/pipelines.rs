//! The chart of onepass beside the usual pipelines: time as bars from zero, and the disk that each needs.

use super::plot::{Plot, WIDTH};
use super::svg::{Anchor, Svg, ticks};
use crate::format::{bytes, time};
use crate::plan::PeerKind;
use crate::record::{Interval, PeerComparison, PeerRecord, Record, Role, StrategyComparison};
use crate::stats::{comparisons, peak, peer_lines};

/// Where the bars begin and end, and how high a row is.
const LEFT: f64 = 292.0;
const RIGHT: f64 = WIDTH - 190.0;
const ROW: f64 = 27.0;

/// A bar.
struct Bar {
    label: String,
    class: &'static str,
    time: Interval,
    /// How many times as long it takes as onepass beside it.
    times: Option<Interval>,
    disk: u64,
}

/// Bars of one compression, the fastest first.
struct Group {
    heading: &'static str,
    bars: Vec<Bar>,
}

/// The pipelines at their best, beside ours with all threads.
pub(super) fn usual(record: &Record) -> Vec<(&PeerRecord, PeerComparison)> {
    let lines = peer_lines(record).into_iter().filter(|line| line.peer.kind() == PeerKind::Pipeline);
    lines.filter_map(|line| Some((line.peer, line.all?))).collect()
}

/// The name of a peer without what is said about it in brackets.
pub(super) fn short(title: &str) -> &str {
    title.split(" (").next().unwrap_or(title)
}

/// The chart; nothing if no pipeline was measured.
pub(super) fn plot(record: &Record) -> Option<Plot> {
    let groups = groups(record);
    let bars = || groups.iter().flat_map(|group| &group.bars);
    let most = bars().map(|bar| bar.time.high).fold(0.0, f64::max);
    if most <= 0.0 {
        return None;
    }
    let rows = bars().count() as f64 + groups.len() as f64;
    let bottom = 30.0 + ROW * rows;
    let mut svg = Svg::new(WIDTH, bottom + 32.0);
    // The README's page may be dark where the reader's system is light, and the other way round.
    svg.bar((0.0, 0.0), (WIDTH, bottom + 32.0), "page");
    let x = |at: f64| LEFT + (RIGHT - LEFT) * at / most;
    svg.text((LEFT, 16.0), Anchor::Start, "soft", "time, shorter is better");
    svg.text((WIDTH - 6.0, 16.0), Anchor::End, "soft", "disk in use, at most");
    for tick in ticks(most, 6.0).into_iter().filter(|tick| *tick <= most) {
        svg.line((x(tick), 26.0), (x(tick), bottom), "grid");
        svg.text((x(tick), bottom + 18.0), Anchor::Middle, "soft", &seconds(tick));
    }
    let mut y = 26.0;
    for group in &groups {
        svg.text((8.0, y + 19.0), Anchor::Start, "strong", group.heading);
        y += ROW;
        for bar in &group.bars {
            row(&mut svg, bar, y, x);
            y += ROW;
        }
    }
    Some(Plot {
        file: "pipelines.svg",
        title: "onepass and the usual pipelines",
        caption: caption(record, &groups),
        svg,
    })
}

/// `20 s`, `0.5 s`.
fn seconds(nanoseconds: f64) -> String {
    let seconds = nanoseconds / 1e9;
    if seconds == 0.0 { "0".into() } else { format!("{seconds} s") }
}

fn row(svg: &mut Svg, bar: &Bar, y: f64, x: impl Fn(f64) -> f64) {
    let Interval { value, low, high, .. } = bar.time;
    let name = if bar.class == "one" { "one strong" } else { "" };
    svg.text((LEFT - 10.0, y + 16.0), Anchor::End, name, &bar.label);
    svg.bar((LEFT, y + 3.0), (x(value) - LEFT, 18.0), bar.class);
    svg.line((x(low), y + 12.0), (x(high), y + 12.0), "interval ink");
    let label = bar.times.map_or_else(|| time(value), |times| format!("{}   {}×", time(value), times.digits()[0]));
    svg.text((x(high) + 8.0, y + 16.0), Anchor::Start, &format!("strong {}", bar.class), &label);
    svg.text((WIDTH - 6.0, y + 16.0), Anchor::End, name, &bytes(bar.disk));
}

fn caption(record: &Record, groups: &[Group]) -> String {
    let confidence = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.time.confidence).fold(0.95, f64::min);
    let cores = record.run.environment.cores;
    format!(
        "Time from the tree to the hashed image on the disk, with all {cores} cores: medians, and as thin lines their \
         {:.0} % intervals; × is how many times as long as onepass. The disk is what the output and all temporary files take at their most.",
        confidence * 100.0
    )
}

/// The groups, in the order of the pipelines. Each begins with onepass.
fn groups(record: &Record) -> Vec<Group> {
    let found = comparisons(record);
    let mut groups: Vec<Group> = Vec::new();
    for (peer, beside) in &usual(record) {
        let heading = heading(&beside.case);
        if groups.iter().all(|group| group.heading != heading) {
            let ours = found.iter().find(|comparison| comparison.case == beside.case).map(ours);
            groups.push(Group { heading, bars: ours.into_iter().collect() });
        }
        let group = groups.iter_mut().find(|group| group.heading == heading);
        group.into_iter().for_each(|group| group.bars.extend(theirs(record, peer, beside)));
    }
    groups.iter_mut().for_each(|group| group.bars.sort_by(|one, other| one.time.value.total_cmp(&other.time.value)));
    groups
}

fn heading(case: &str) -> &'static str {
    match case.split([':', ' ']).next() {
        Some("gzip") => "gzip",
        Some("zstd") => "zstd",
        Some("xz") => "xz",
        _ => "no compression",
    }
}

fn ours(comparison: &StrategyComparison) -> Bar {
    let arm = &comparison.single_stream;
    let compression = comparison.case.split(' ').next().unwrap_or_default();
    Bar {
        label: format!("onepass {compression}"),
        class: "one",
        time: arm.wall_ns,
        times: None,
        disk: arm.scratch_peak,
    }
}

fn theirs(record: &Record, peer: &PeerRecord, beside: &PeerComparison) -> Option<Bar> {
    let samples = record.samples.iter().filter(|sample| sample.case == peer.name && sample.role == Role::Measure);
    let disk = samples.map(peak).max()?;
    let (label, time, times) = (short(&peer.title).to_owned(), beside.theirs, Some(beside.ratio));
    Some(Bar { label, class: "other", time, times, disk })
}
