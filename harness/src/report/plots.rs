//! The plots. The caption of each explains how to read it.

use std::cmp::Ordering;

use super::pipelines;
use super::plot::{Plot, WIDTH};
use super::svg::{Anchor, Svg, ticks};
use crate::format::{bytes, three, time};
use crate::record::{Record, Role, Sample, StrategyComparison};
use crate::stats::{comparisons, peak, peer_lines};

/// All plots that the record has figures for.
pub(super) fn all(record: &Record) -> Vec<Plot> {
    let found = comparisons(record);
    if found.is_empty() {
        return Vec::new();
    }
    let strategies = [forest(&found), scratch(record, &found), written(&found)];
    let rest = [throughput(record, &found), phases(record, &found), order(record, &found)];
    strategies.into_iter().chain(pipelines::plot(record)).chain(rest).collect()
}

fn forest(found: &[StrategyComparison]) -> Plot {
    let (left, right, row) = (170.0, WIDTH - 190.0, 34.0);
    let height = 60.0 + row * found.len() as f64;
    let low = found.iter().map(|case| case.ratio.low).fold(0.95, f64::min).max(0.3);
    let high = found.iter().map(|case| case.ratio.high).fold(1.05, f64::max).min(2.0);
    let x = |ratio: f64| left + (right - left) * (ratio.clamp(low, high) - low) / (high - low);
    let mut svg = Svg::new(WIDTH, height);
    for tick in ticks(high, 14.0).into_iter().filter(|tick| (low..=high).contains(tick)) {
        svg.line((x(tick), 28.0), (x(tick), height - 26.0), "grid");
        svg.text((x(tick), height - 8.0), Anchor::Middle, "soft", &three(tick));
    }
    svg.line((x(1.0), 24.0), (x(1.0), height - 26.0), "axis");
    svg.text((x(1.0) - 8.0, 16.0), Anchor::End, "one strong", "← one stream is faster");
    svg.text((x(1.0) + 8.0, 16.0), Anchor::Start, "two strong", "slower →");
    for (number, case) in found.iter().enumerate() {
        let y = 48.0 + row * number as f64;
        let class = match case.ratio.side() {
            Ordering::Less => "one",
            Ordering::Greater => "two",
            Ordering::Equal => "axis",
        };
        svg.text((left - 14.0, y + 4.0), Anchor::End, "", &case.case);
        svg.line((x(case.ratio.low), y), (x(case.ratio.high), y), &format!("interval {class}"));
        svg.dot((x(case.ratio.value), y), 5.0, class);
        svg.text((right + 16.0, y + 4.0), Anchor::Start, "", &case.ratio.to_string());
    }
    let confidence = found.iter().map(|case| case.ratio.confidence).fold(0.95, f64::min);
    let mut caption = format!(
        "Time of single-stream divided by time of two-pass, estimated from {} pairs of runs. The line through each point is its \
         {:.0} % interval. Green: one stream is surely faster, at 95 %; orange: surely slower; grey: this run cannot tell the two apart.",
        found.iter().map(|case| case.pairs).min().unwrap_or(0),
        confidence * 100.0
    );
    if found.iter().any(|case| case.case.starts_with("none")) {
        caption += " Without compression both strategies are the same pass: those rows compare it with itself, and show how \
                    much this machine's noise alone can move a ratio.";
    }
    Plot { file: "time.svg", title: "Time: one stream against two passes", caption, svg }
}

/// The case of a plot that shows one case: gzip with all threads, or the last one.
fn shown(found: &[StrategyComparison]) -> &StrategyComparison {
    found.iter().rfind(|case| case.case.starts_with("gzip")).or(found.last()).expect("there is a comparison")
}

fn scratch(record: &Record, found: &[StrategyComparison]) -> Plot {
    let case = &shown(found).case;
    // A record has the points of one run only, the typical one; an older record, those of the first.
    let curve = |arm: &str| {
        let of = |sample: &&Sample| {
            &sample.case == case && sample.arm == arm && sample.role == Role::Measure && sample.beside.is_none()
        };
        let drawn = |sample: &&Sample| sample.scratch.as_ref().is_some_and(|scratch| !scratch.points.is_empty());
        record.samples.iter().filter(of).find(drawn)
    };
    let arms = [("two-pass", "two"), ("single-stream", "one")].map(|(arm, class)| (arm, class, curve(arm)));
    let end = arms.iter().filter_map(|(.., sample)| sample.map(|sample| sample.wall_ns)).max().unwrap_or(1) as f64;
    let most = arms.iter().filter_map(|(.., sample)| sample.map(peak)).max().unwrap_or(1) as f64;
    let (left, right, top, bottom) = (90.0, WIDTH - 190.0, 20.0, 300.0);
    let mut svg = Svg::new(WIDTH, 350.0);
    let heights = ticks(most, 5.0);
    let highest = heights.last().copied().unwrap_or(1.0).max(1.0);
    let x = |at: f64| left + (right - left) * (at / end).min(1.0);
    let y = |used: f64| bottom - (bottom - top) * used / highest;
    for tick in heights {
        svg.line((left, y(tick)), (right, y(tick)), "grid");
        svg.text((left - 10.0, y(tick) + 4.0), Anchor::End, "soft", &bytes(tick as u64));
    }
    for tick in ticks(end, 6.0).into_iter().filter(|tick| *tick <= end) {
        svg.text((x(tick), bottom + 20.0), Anchor::Middle, "soft", &time_tick(tick));
    }
    svg.text(((left + right) / 2.0, bottom + 40.0), Anchor::Middle, "soft", "time since the start");
    for (arm, class, sample) in arms {
        let Some(sample) = sample else { continue };
        let points = sample.scratch.iter().flat_map(|scratch| &scratch.points);
        let points: Vec<(f64, f64)> = points.map(|(at, used)| (x(*at as f64), y(*used as f64))).collect();
        svg.curve(&points, class);
        let label = y(peak(sample) as f64).clamp(top + 12.0, bottom - 20.0);
        svg.text((right + 12.0, label), Anchor::Start, &format!("{class} strong"), arm);
        svg.text((right + 12.0, label + 17.0), Anchor::Start, class, &format!("peak {}", bytes(peak(sample))));
    }
    let caption = format!(
        "Space in use on the scratch filesystem during one run of each – that of median time; in older records the first –, with {case}, as seen from outside the process. Two passes \
         hold the whole tar until the image is complete; one stream holds the image only."
    );
    Plot { file: "scratch.svg", title: "Disk: scratch space over time", caption, svg }
}

fn time_tick(nanoseconds: f64) -> String {
    if nanoseconds == 0.0 { "0".into() } else { time(nanoseconds) }
}

/// Horizontal bars in pairs: two-pass above single-stream.
fn bars(
    found: &[StrategyComparison],
    value: impl Fn(&StrategyComparison, bool) -> f64,
    label: impl Fn(f64) -> String,
) -> Svg {
    let (left, right, row) = (170.0, WIDTH - 130.0, 52.0);
    let most = found.iter().map(|case| value(case, false).max(value(case, true))).fold(1.0, f64::max);
    let mut svg = Svg::new(WIDTH, 14.0 + row * found.len() as f64);
    for (number, case) in found.iter().enumerate() {
        let y = 10.0 + row * number as f64;
        svg.text((left - 14.0, y + 24.0), Anchor::End, "", &case.case);
        for (offset, single, class, name) in [(0.0, false, "two", "two-pass"), (20.0, true, "one", "single-stream")] {
            let value = value(case, single);
            let width = (right - left) * value / most;
            svg.bar((left, y + offset), (width, 17.0), class);
            let text = if number == 0 { format!("{} {name}", label(value)) } else { label(value) };
            svg.text((left + width + 8.0, y + offset + 13.0), Anchor::Start, class, &text);
        }
    }
    svg
}

fn written(found: &[StrategyComparison]) -> Plot {
    let value = |case: &StrategyComparison, single: bool| if single { case.single_stream.bytes_written } else { case.two_pass.bytes_written } as f64;
    let svg = bars(found, value, |value| bytes(value as u64));
    let caption =
        "All bytes that were written to make one image: two passes write the tar as well as the image, one stream \
                   only the image. Without compression the image is the tar, and the two are the same pass."
            .into();
    Plot { file: "written.svg", title: "Bytes written", caption, svg }
}

fn throughput(record: &Record, found: &[StrategyComparison]) -> Plot {
    let tar = record.run.subject.tar_size as f64;
    let mut points: Vec<(f64, f64, String, &str)> = Vec::new();
    for case in found {
        let arm = &case.single_stream;
        points.push((tar / arm.image_size as f64, tar / arm.wall_ns.value * 1e3, case.case.clone(), "one"));
    }
    for line in peer_lines(record) {
        if let Some(times) = line.times.last() {
            let (ratio, speed) = (tar / times.image_size as f64, tar / times.median.value * 1e3);
            points.push((ratio, speed, line.peer.name.clone(), "other"));
        }
    }
    let (left, right, top, bottom) = (70.0, WIDTH - 150.0, 16.0, 380.0);
    let (most_x, most_y) =
        points.iter().fold((1.0_f64, 1.0_f64), |most, point| (most.0.max(point.0), most.1.max(point.1)));
    let least_y = points.iter().map(|point| point.1).fold(most_y, f64::min);
    let (low, high) = ((least_y * 0.8).ln(), (most_y * 1.25).ln());
    let x = |ratio: f64| left + (right - left) * (ratio - 0.9) / (most_x * 1.05 - 0.9);
    let y = |speed: f64| bottom - (bottom - top) * (speed.ln() - low) / (high - low);
    let mut svg = Svg::new(WIDTH, 430.0);
    for speed in [5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0] {
        if (low..=high).contains(&f64::ln(speed)) {
            svg.line((left, y(speed)), (right, y(speed)), "grid");
            svg.text((left - 8.0, y(speed) + 4.0), Anchor::End, "soft", &format!("{speed} MB/s"));
        }
    }
    for ratio in ticks(most_x, 5.0).into_iter().filter(|tick| (0.9..most_x * 1.05).contains(tick)) {
        svg.text((x(ratio), bottom + 20.0), Anchor::Middle, "soft", &format!("{}×", three(ratio)));
    }
    svg.text(((left + right) / 2.0, bottom + 42.0), Anchor::Middle, "soft", "tar size ÷ image size");
    // Labels of points that lie close together are moved down until they are free.
    points.sort_by(|one, other| other.1.total_cmp(&one.1));
    let mut taken: Vec<(f64, f64)> = Vec::new();
    for (ratio, speed, name, class) in points {
        let at = (x(ratio), y(speed));
        let mut label = at.1 + 4.0;
        while taken.iter().any(|(other_x, other_y)| (other_x - at.0).abs() < 150.0 && (other_y - label).abs() < 15.0) {
            label += 3.0;
        }
        taken.push((at.0, label));
        svg.dot(at, 5.0, class);
        svg.text((at.0 + 10.0, label), Anchor::Start, class, &name);
    }
    let caption =
        "Speed against compression, from the tree to the image on the disk: up and to the right is better. Green is \
                   onepass in one stream, blue are pipelines of other tools. The speed is drawn on a logarithmic scale."
            .into();
    Plot { file: "throughput.svg", title: "Beside other tools", caption, svg }
}

fn phases(record: &Record, found: &[StrategyComparison]) -> Plot {
    let (left, right, row) = (250.0, WIDTH - 90.0, 30.0);
    let mean = |case: &str, arm: &str| -> Vec<(String, f64)> {
        let of: Vec<_> = record
            .samples
            .iter()
            .filter(|sample| sample.case == case && sample.arm == arm && sample.role == Role::Measure)
            .filter_map(|sample| sample.pack.as_ref())
            .collect();
        ["stream", "tar", "compress", "sync", "publish"]
            .into_iter()
            .filter_map(|phase| {
                let times: Vec<f64> =
                    of.iter().filter_map(|pack| pack.phases_ns.get(phase).map(|time| *time as f64)).collect();
                Some((phase.to_owned(), crate::stats::median(&times)?.value))
            })
            .collect()
    };
    let rows: Vec<_> = found
        .iter()
        .flat_map(|case| {
            [("two-pass", "two"), ("single-stream", "one")]
                .map(|(arm, class)| (format!("{}, {arm}", case.case), mean(&case.case, arm), class))
        })
        .collect();
    let most = rows.iter().map(|(_, phases, _)| phases.iter().map(|(_, time)| time).sum::<f64>()).fold(1.0, f64::max);
    let mut svg = Svg::new(WIDTH, 16.0 + row * rows.len() as f64);
    for (number, (name, phases, class)) in rows.iter().enumerate() {
        let y = 8.0 + row * number as f64;
        svg.text((left - 12.0, y + 15.0), Anchor::End, "", name);
        let mut from = left;
        for (place, (phase, took)) in phases.iter().enumerate() {
            let width = (right - left) * took / most;
            svg.bar((from, y), (width - 1.0, 20.0), &format!("{class}{}", if place % 2 == 1 { " light" } else { "" }));
            if width > 60.0 {
                let class = if place % 2 == 1 { "strong" } else { "strong on" };
                svg.text((from + 7.0, y + 15.0), Anchor::Start, class, phase);
            }
            from += width;
        }
        let total: f64 = phases.iter().map(|(_, time)| time).sum();
        svg.text((from + 8.0, y + 15.0), Anchor::Start, class, &time(total));
    }
    let caption = "Where the time goes, as the packer tells it (medians). Two passes: `tar` writes the temporary tar, `compress` \
                   reads it back. `sync`, where it is long enough to be seen, is the wait for the disk at the end."
        .into();
    Plot { file: "phases.svg", title: "Phases", caption, svg }
}

fn order(record: &Record, found: &[StrategyComparison]) -> Plot {
    let (left, right, row) = (170.0, WIDTH - 40.0, 74.0);
    let last = record.samples.iter().map(|sample| sample.sequence).max().unwrap_or(1).max(1) as f64;
    let mut svg = Svg::new(WIDTH, 30.0 + row * found.len() as f64);
    for (number, case) in found.iter().enumerate() {
        let top = 10.0 + row * number as f64;
        let of: Vec<&Sample> =
            record.samples.iter().filter(|sample| sample.case == case.case && sample.role == Role::Measure).collect();
        let most = of.iter().map(|sample| sample.wall_ns).max().unwrap_or(1) as f64;
        let y = |wall: f64| top + (row - 16.0) * (1.0 - wall / most);
        svg.line((left, y(0.0)), (right, y(0.0)), "grid");
        svg.line((left, y(most)), (right, y(most)), "grid");
        svg.text((left - 14.0, top + 32.0), Anchor::End, "", &case.case);
        svg.text((left - 14.0, top + 10.0), Anchor::End, "soft", &time(most));
        svg.text((left - 14.0, y(0.0) + 4.0), Anchor::End, "soft", "0");
        for sample in of {
            let class = if sample.arm == "two-pass" { "two" } else { "one" };
            svg.dot((left + (right - left) * sample.sequence as f64 / last, y(sample.wall_ns as f64)), 3.2, class);
        }
    }
    let end = 24.0 + row * found.len() as f64;
    svg.text((left, end), Anchor::Start, "soft", "first run");
    svg.text((right, end), Anchor::End, "soft", "last run");
    let caption =
        "Every run that counts, in the order in which they were made (green: one stream, orange: two passes). A slope \
                   or a step would mean that the machine changed during the measurement."
            .into();
    Plot { file: "order.svg", title: "Raw times, in order", caption, svg }
}
