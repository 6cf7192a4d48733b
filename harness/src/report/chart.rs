//! A chart of a study: lines through points, with a legend.

use super::svg::{Anchor, Svg, ticks};

/// One direction of a chart.
pub(super) struct Axis {
    pub(super) label: &'static str,
    /// Whether equal distances are equal ratios.
    pub(super) logarithmic: bool,
    /// How a value is written.
    pub(super) write: fn(f64) -> String,
}

/// A line. Its class is one of `c1` … `c6`.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) class: &'static str,
    /// The coordinates of each point, and its label, which may be empty.
    pub(super) points: Vec<(f64, f64, String)>,
}

const WIDTH: f64 = 860.0;
const HEIGHT: f64 = 460.0;
const LEFT: f64 = 80.0;
const RIGHT: f64 = WIDTH - 150.0;
const TOP: f64 = 16.0;
const BOTTOM: f64 = HEIGHT - 56.0;

/// Draws the lines.
pub(super) fn draw(x: &Axis, y: &Axis, lines: &[Series]) -> Svg {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let all = || lines.iter().flat_map(|line| &line.points);
    let (across, up) = (Scale::new(x, all().map(|point| point.0)), Scale::new(y, all().map(|point| point.1)));
    let place = |from: f64, to: f64, share: f64| from + (to - from) * share;
    for tick in across.ticks() {
        let at = place(LEFT, RIGHT, across.share(tick));
        svg.line((at, TOP), (at, BOTTOM), "grid");
        svg.text((at, BOTTOM + 20.0), Anchor::Middle, "soft", &(x.write)(tick));
    }
    for tick in up.ticks() {
        let at = place(BOTTOM, TOP, up.share(tick));
        svg.line((LEFT, at), (RIGHT, at), "grid");
        svg.text((LEFT - 8.0, at + 4.0), Anchor::End, "soft", &(y.write)(tick));
    }
    svg.text(((LEFT + RIGHT) / 2.0, HEIGHT - 8.0), Anchor::Middle, "soft", x.label);
    svg.text((RIGHT + 14.0, TOP + 4.0), Anchor::Start, "soft", y.label);
    for (number, line) in lines.iter().enumerate() {
        let at = |point: &(f64, f64, String)| {
            (place(LEFT, RIGHT, across.share(point.0)), place(BOTTOM, TOP, up.share(point.1)))
        };
        svg.curve(&line.points.iter().map(at).collect::<Vec<_>>(), line.class);
        for point in &line.points {
            svg.dot(at(point), 4.0, line.class);
            svg.text((at(point).0 + 6.0, at(point).1 - 6.0), Anchor::Start, "soft", &point.2);
        }
        let row = TOP + 30.0 + 20.0 * number as f64;
        svg.dot((RIGHT + 19.0, row - 4.0), 5.0, line.class);
        svg.text((RIGHT + 30.0, row), Anchor::Start, "", &line.name);
    }
    svg
}

/// From the least to the most of an axis.
struct Scale {
    low: f64,
    high: f64,
    logarithmic: bool,
}

impl Scale {
    fn new(axis: &Axis, values: impl Iterator<Item = f64>) -> Self {
        let (least, most) =
            values.fold((f64::MAX, f64::MIN_POSITIVE), |(least, most), value| (least.min(value), most.max(value)));
        // A twentieth of the length at each end, and something where all values are the same.
        let margin = (most / least).powf(0.05).max(1.02);
        let (low, high) = if axis.logarithmic { (least / margin, most * margin) } else { (0.0, most * 1.08) };
        Scale { low, high, logarithmic: axis.logarithmic }
    }

    fn share(&self, value: f64) -> f64 {
        let Scale { low, high, logarithmic } = *self;
        if logarithmic { (value / low).ln() / (high / low).ln() } else { (value - low) / (high - low) }
    }

    /// Round numbers between the ends.
    fn ticks(&self) -> Vec<f64> {
        if !self.logarithmic {
            return ticks(self.high, 6.0).into_iter().filter(|tick| *tick <= self.high).collect();
        }
        let parts = |count: u32| (count..10 * count).map(|part| f64::from(part) / f64::from(count)).collect::<Vec<_>>();
        let steps = match self.high / self.low {
            0.0..1.3 => parts(10),
            1.3..2.0 => parts(5),
            2.0..5.0 => vec![1.0, 1.2, 1.4, 1.7, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0],
            _ => vec![1.0, 2.0, 5.0],
        };
        let powers = (-3..13).flat_map(|power| steps.iter().map(move |step| step * 10_f64.powi(power)));
        powers.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}
