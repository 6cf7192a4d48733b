//! The figures of the points of a study, and the laws that they hold.

use std::collections::BTreeSet;

use super::comparison::pairs;
use super::estimate;
use crate::plan::{Point, PointTool};
use crate::record::{Check, Interval, PackedTree, Role, Sample, Study, StudyKind};

/// A point with its figures.
#[derive(Clone, Copy, Debug)]
pub struct Measured<'a> {
    /// The point.
    pub point: &'a Point,
    /// Its tree.
    pub subject: &'a PackedTree,
    /// The median, the least and the most time in nanoseconds.
    pub wall: [f64; 3],
    /// The size of the image in bytes.
    pub size: u64,
    /// The highest peak of memory in bytes, if it is known.
    pub memory: Option<u64>,
}

impl Study {
    /// The points that were run, in order.
    #[must_use]
    pub fn measured(&self) -> Vec<Measured<'_>> {
        let measured = |point| self.measure(point);
        self.points.iter().filter_map(measured).collect()
    }

    /// Time of one point ÷ time of another, from runs of the same rounds.
    #[must_use]
    pub fn ratio(&self, one: &Point, other: &Point) -> Option<Interval> {
        estimate::ratio(&pairs(&self.runs(one), &self.runs(other))).map(Interval::from)
    }

    /// For each line of levels of ours, how many levels it has, and which made a larger image than the one below.
    #[must_use]
    pub fn levels(&self) -> Vec<Levels<'_>> {
        let measured = self.measured();
        let mut lines: Vec<Levels<'_>> = Vec::new();
        let mut last: Option<&Measured<'_>> = None;
        for found in measured.iter().filter(|found| matches!(found.point.tool, PointTool::Onepass(_))) {
            let name = found.point.series.as_str();
            let below = last.replace(found).filter(|last| last.point.series == name);
            if below.is_none() {
                lines.push(Levels { name, count: 0, larger: Vec::new() });
            }
            let Some(line) = lines.last_mut() else { continue };
            line.count += 1;
            let larger = below.filter(|below| found.size > below.size);
            line.larger.extend(larger.map(|below| [&*found.point.name, &*below.point.name]));
        }
        lines
    }

    /// Every run of a point of ours made one image.
    pub(crate) fn steadiness(&self) -> Check {
        let ours: Vec<&Point> =
            self.points.iter().filter(|point| matches!(point.tool, PointTool::Onepass(_))).collect();
        let is_one = |point: &&&Point| {
            let runs = self.runs(point).into_iter().map(|sample| sample.pack.as_ref().map(|pack| &pack.fingerprint));
            runs.collect::<BTreeSet<_>>().len() == 1
        };
        let steady = ours.iter().filter(is_one).count();
        Check {
            law: "every run of a point made one image".into(),
            holds: steady == ours.len(),
            detail: format!("{steady} of {} points", ours.len()),
        }
    }

    /// What the levels of a curve promise.
    pub(crate) fn promises(&self) -> Vec<Check> {
        if self.kind != StudyKind::Curve {
            return Vec::new();
        }
        let promise = |line: Levels<'_>| Check {
            law: format!("a higher level of {} never makes a larger image", line.name),
            holds: line.larger.is_empty(),
            detail: line.told().unwrap_or_else(|| format!("{} levels", line.count)),
        };
        self.levels().into_iter().map(promise).collect()
    }

    /// The timed runs of a point.
    fn runs(&self, point: &Point) -> Vec<&Sample> {
        self.samples.iter().filter(|sample| sample.role == Role::Measure && sample.case == point.name).collect()
    }

    fn measure<'a>(&'a self, point: &'a Point) -> Option<Measured<'a>> {
        let runs = self.runs(point);
        let of = || runs.iter().copied();
        let walls: Vec<f64> = of().map(|sample| sample.wall_ns as f64).collect();
        let least = walls.iter().copied().fold(f64::MAX, f64::min);
        let most = walls.iter().copied().fold(0.0, f64::max);
        Some(Measured {
            point,
            subject: self.subjects.get(point.subject)?,
            wall: [estimate::median(&walls)?.value, least, most],
            size: of().map(|sample| sample.image_size).max()?,
            memory: of().filter_map(memory).max(),
        })
    }
}

/// The levels of one of our codecs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Levels<'a> {
    /// The line.
    pub name: &'a str,
    /// How many levels were measured.
    pub count: usize,
    /// Each level whose image is larger than that of the level below, with that one.
    pub larger: Vec<[&'a str; 2]>,
}

impl Levels<'_> {
    /// What is larger, in words; nothing if nothing is.
    #[must_use]
    pub fn told(&self) -> Option<String> {
        let told = self.larger.iter().map(|[level, below]| format!("`{level}` is larger than `{below}`"));
        let told: Vec<String> = told.collect();
        (!told.is_empty()).then(|| told.join("; "))
    }
}

/// The memory of a run: of all of its processes, if that is known.
fn memory(sample: &Sample) -> Option<u64> {
    sample.memory_together.or(sample.memory).or_else(|| sample.pack.as_ref()?.vm_hwm)
}
