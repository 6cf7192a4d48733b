//! The pages of the studies: the curve of the levels, and how cost grows with the work.

use super::chart::{Axis, Series, draw};
use super::page::{Block, Page, Section};
use super::plot::Plot;
use super::provenance;
use super::tables::Table;
use crate::format::{bytes, three, time};
use crate::plan::{Point, PointTool};
use crate::record::{PackedTree, Study, StudyKind};
use crate::stats::{Levels, Measured};

const CLASSES: [&str; 6] = ["c1", "c2", "c3", "c4", "c5", "c6"];

/// The verdict, in sentences.
pub(super) fn verdict(study: &Study) -> Vec<String> {
    if !study.complete {
        return vec!["INCOMPLETE: this study was cut short; what it measured until then is below.".into()];
    }
    let broken = study.checks.iter().filter(|check| !check.holds);
    let broken: Vec<String> = broken.map(|check| format!("{} ({})", check.law, check.detail)).collect();
    let mut sentences: Vec<String> = (!broken.is_empty())
        .then(|| format!("FAILED. What does not hold: {}.", broken.join("; ")))
        .into_iter()
        .collect();
    match study.kind {
        StudyKind::Curve => sentences.extend(curve_verdict(study)),
        StudyKind::Scaling => sentences.extend(scaling_verdict(&study.measured())),
    }
    sentences
}

/// Every point.
pub(super) fn table(study: &Study) -> Table {
    let rows = study.measured().into_iter().map(|found| {
        let Measured { point, subject, wall: [median, least, most], size, memory } = found;
        [
            point.name.clone(),
            time(median),
            format!("{} – {}", time(least), time(most)),
            format!("{} MB/s", three(speed(&found))),
            format!("{} µs", three(median / 1e3 / subject.entries.max(1) as f64)),
            bytes(size),
            three(compression(&found)),
            memory.map_or_else(String::new, bytes),
        ]
    });
    let head = ["", "time", "range", "tar bytes ÷ time", "time ÷ entry", "image", "tar ÷ image", "memory"];
    Table::new(head, rows.collect())
}

/// The page.
pub(super) fn page(study: &Study, verdict: &[String], points: &Table) -> Page {
    let (title, what) = match study.kind {
        StudyKind::Curve => (
            "Size against speed, level by level",
            format!(
                "Every level of {}, with all cores and in one stream, beside the pipelines of other tools.",
                names(study.points.iter()).into_iter().filter(ours).collect::<Vec<_>>().join(" and ")
            ),
        ),
        StudyKind::Scaling => (
            "Cost as the work grows",
            "The same kind of tree in several sizes, packed with all cores and in one stream.".into(),
        ),
    };
    let tree = |subject: &PackedTree| {
        format!(
            "{}: {} entries, a tar of {} (sha256 `{}`)",
            subject.name,
            subject.entries,
            bytes(subject.tar_size),
            subject.diff_id
        )
    };
    let mut sections: Vec<Section> = plots(study).into_iter().map(Section::plot).collect();
    sections.push(Section::new("Every point", vec![Block::Table(points.clone())]));
    sections.push(Section::new("The trees", vec![Block::List(study.subjects.iter().map(tree).collect())]));
    if !study.checks.is_empty() {
        sections.push(Section::new("What was verified", vec![provenance::checked(&study.checks)]));
    }
    let runs = match study.rounds {
        1 => format!("one of every point, in an order shuffled with seed {}", study.seed),
        rounds => format!("{rounds} rounds of every point, shuffled with seed {}; times are medians", study.seed),
    };
    let facts = provenance::facts(&study.environment, &study.samples, runs);
    sections.push(Section::new("With what", vec![Block::Facts(facts)]));
    let scripts = study.points.iter().filter_map(|point| match &point.tool {
        PointTool::Script(script) => Some(format!("{}: `{script}`", point.name)),
        PointTool::Onepass(_) => None,
    });
    let mut commands = provenance::asked(&study.command);
    commands.push(Block::Text(
        "onepass: `onepass pack $ROOTFS --output $OUT --compression SPEC --threads N --json`. Other tools are run by `bash -o \
         pipefail -c`, with hashing, writing and `sync` as in ours."
            .into(),
    ));
    commands.push(Block::List(scripts.collect()));
    commands.push(Block::Text(provenance::SOURCES.into()));
    sections.push(Section::new("The exact commands", commands));
    Page {
        name: format!("onepass bench · {} · {}", study.date, study.topic),
        title: title.into(),
        opening: what,
        banner: provenance::banner(&study.environment),
        sound: study.is_sound(),
        verdict: verdict.to_vec(),
        sections,
    }
}

/// Megabytes of tar in a second.
fn speed(found: &Measured<'_>) -> f64 {
    found.subject.tar_size as f64 / found.wall[0] * 1e3
}

fn compression(found: &Measured<'_>) -> f64 {
    found.subject.tar_size as f64 / found.size.max(1) as f64
}

/// The names of the series of some points, in order.
fn names<'a>(points: impl Iterator<Item = &'a Point>) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for point in points {
        if !names.contains(&point.series.as_str()) {
            names.push(&point.series);
        }
    }
    names
}

fn of<'a>(found: &[Measured<'a>], name: &str) -> Vec<Measured<'a>> {
    found.iter().filter(|found| found.point.series == name).copied().collect()
}

/// The names of the series that were measured.
fn series<'a>(found: &[Measured<'a>]) -> Vec<&'a str> {
    names(found.iter().map(|found| found.point))
}

/// The codec of a point. Older records say it in the name of the series only.
fn codec(point: &Point) -> &str {
    let series = point.series.trim_start_matches("onepass ");
    match (&*point.codec, series.split([' ', ':']).next()) {
        ("", Some("pigz")) => "gzip",
        ("", Some(first)) => first,
        (codec, _) => codec,
    }
}

/// Whether a series is ours.
fn ours(name: &&str) -> bool {
    name.starts_with("onepass")
}

fn curve_verdict(study: &Study) -> Vec<String> {
    let found = &study.measured()[..];
    let promise = |line: Levels<'_>| match line.told() {
        None => format!("A higher level of {} never made a larger image: {} levels.", line.name, line.count),
        Some(broken) => format!("BROKEN PROMISE: {broken}."),
    };
    let mut sentences: Vec<String> = study.levels().into_iter().map(promise).collect();
    for name in series(found).into_iter().filter(|name| !ours(name)) {
        let told: Vec<String> = of(found, name)
            .iter()
            .filter_map(|theirs| {
                let better = found.iter().filter(|ours| {
                    self::ours(&ours.point.series.as_str())
                        && codec(ours.point) == codec(theirs.point)
                        && ours.size <= theirs.size
                });
                let best = better.min_by(|one, other| one.wall[0].total_cmp(&other.wall[0]))?;
                let level = best.point.name.trim_start_matches("onepass ");
                let ratio = study.ratio(theirs.point, best.point)?;
                Some(format!("`{}` by {level}, {} as fast", theirs.point.name, ratio.factor()))
            })
            .collect();
        if !told.is_empty() {
            sentences.push(format!("Images of the same format, no larger than theirs: {}.", told.join("; ")));
        }
    }
    sentences
}

fn scaling_verdict(found: &[Measured<'_>]) -> Vec<String> {
    let (large, many) = families(found);
    let mut sentences = Vec::new();
    for name in series(found) {
        let spread = |of: &[Measured<'_>], cost: fn(&Measured<'_>) -> f64| {
            let mut costs: Vec<f64> = of.iter().filter(|found| found.point.series == name).map(cost).collect();
            costs.sort_by(f64::total_cmp);
            let (least, most) = (costs.first().copied().unwrap_or(1.0), costs.last().copied().unwrap_or(1.0));
            (least, most, 100.0 * (most / least - 1.0))
        };
        let (least, most, around) = spread(&large, |found| 1e3 / speed(found));
        let (few, lots, about) = spread(&many, |found| found.wall[0] / 1e3 / found.subject.entries.max(1) as f64);
        sentences.push(format!(
            "`{name}`: {} to {} s for a GB of tar, whatever the size (the most is {around:.0} % above the least); {} to {} µs for an \
             entry of a tree of small files ({about:.0} %).",
            three(least),
            three(most),
            three(few),
            three(lots)
        ));
        let memory = |of: &[Measured<'_>]| {
            let of: Vec<u64> =
                of.iter().filter(|found| found.point.series == name).filter_map(|found| found.memory).collect();
            (of.iter().min().copied().unwrap_or(0), of.iter().max().copied().unwrap_or(0))
        };
        let ((low, high), (_, most)) = (memory(&large), memory(&many));
        sentences.push(format!(
            "`{name}` memory: {} to {} whatever the size, at most {} with many entries.",
            bytes(low),
            bytes(high),
            bytes(most)
        ));
    }
    sentences
}

/// The trees that differ in bytes, and those that differ in entries: of the latter, an entry has less than 4 KiB.
fn families<'a>(found: &[Measured<'a>]) -> (Vec<Measured<'a>>, Vec<Measured<'a>>) {
    found.iter().partition(|found| found.subject.tar_size / found.subject.entries.max(1) >= 4096)
}

fn plots(study: &Study) -> Vec<Plot> {
    let found = study.measured();
    if found.is_empty() {
        return Vec::new();
    }
    match study.kind {
        StudyKind::Curve => vec![curve_plot(&found)],
        StudyKind::Scaling => scaling_plots(&found),
    }
}

/// One line for each series.
fn lines<'a>(found: &[Measured<'a>], point: impl Fn(&Measured<'a>) -> (f64, f64, String)) -> Vec<Series> {
    let line = |(name, class): (&str, &'static str)| {
        let mut points: Vec<_> = of(found, name).iter().map(&point).collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        Series { name: name.to_owned(), class, points }
    };
    series(found).into_iter().zip(CLASSES.into_iter().cycle()).map(line).collect()
}

fn curve_plot(found: &[Measured<'_>]) -> Plot {
    let x = Axis { label: "tar ÷ image", logarithmic: true, write: three };
    let y = Axis { label: "MB/s of tar", logarithmic: true, write: |speed| format!("{speed}") };
    let level = |name: &str| name.rsplit([':', '-']).next().unwrap_or("").to_owned();
    let mut lines = lines(found, |found| (compression(found), speed(found), level(&found.point.name)));
    // Names of every level of ours would hide the curve.
    for line in lines.iter_mut().filter(|line| line.points.len() > 8) {
        let count = line.points.len();
        let hide = |(number, point): (usize, &mut (f64, f64, String))| {
            if number % 3 != 0 && number + 1 != count {
                point.2.clear();
            }
        };
        line.points.iter_mut().enumerate().for_each(hide);
    }
    let svg = draw(&x, &y, &lines);
    let caption = "Speed against compression, from the tree to the image on the disk; up and to the right is better. Numbers are \
                   levels. Both scales are logarithmic and begin where the points do."
        .into();
    Plot { file: "curve.svg", title: "Size against speed", caption, svg }
}

fn scaling_plots(found: &[Measured<'_>]) -> Vec<Plot> {
    let (large, many) = families(found);
    let none = String::new;
    let size = Axis { label: "size of the tar", logarithmic: true, write: |size| bytes(size as u64) };
    let entries = Axis { label: "entries", logarithmic: true, write: |count| format!("{count}") };
    let seconds = Axis { label: "s for a GB of tar", logarithmic: false, write: three };
    let micro = Axis { label: "µs for an entry", logarithmic: false, write: three };
    let memory = Axis { label: "peak memory", logarithmic: false, write: |size| bytes(size as u64) };
    let held = |found: &Measured<'_>| found.memory.unwrap_or(0) as f64;
    vec![
        Plot {
            file: "bytes.svg",
            title: "Time for a byte",
            caption: "Flat lines: twice the bytes take twice the time.".into(),
            svg: draw(
                &size,
                &seconds,
                &lines(&large, |found| (found.subject.tar_size as f64, 1e3 / speed(found), none())),
            ),
        },
        Plot {
            file: "entries.svg",
            title: "Time for an entry",
            caption: "Trees of small files. Flat lines: twice the entries take twice the time.".into(),
            svg: draw(
                &entries,
                &micro,
                &lines(&many, |found| {
                    let count = found.subject.entries.max(1) as f64;
                    (count, found.wall[0] / 1e3 / count, none())
                }),
            ),
        },
        Plot {
            file: "memory.svg",
            title: "Memory against the size of the tree",
            caption: "The most that was resident in memory in any round.".into(),
            svg: draw(&size, &memory, &lines(&large, |found| (found.subject.tar_size as f64, held(found), none()))),
        },
        Plot {
            file: "memory-entries.svg",
            title: "Memory against the number of entries",
            caption: "Trees of small files.".into(),
            svg: draw(&entries, &memory, &lines(&many, |found| (found.subject.entries as f64, held(found), none()))),
        },
    ]
}
