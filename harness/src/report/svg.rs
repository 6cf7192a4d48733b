//! A little SVG: enough for the plots, with colours that follow the reader's light or dark page.

use std::fmt::Write;

/// A drawing. Classes are given their looks by [`STYLE`].
#[derive(Clone, Debug)]
pub(super) struct Svg {
    width: f64,
    height: f64,
    body: String,
}

/// The looks of the classes that drawings use, on a light page and on a dark one.
pub(super) const STYLE: &str = "\
svg.plot{--ink:#1c2127;--soft:#5f6b7a;--grid:#dde2e8;--one:#0b7a4b;--two:#b4481e;--other:#4a5fc1;--on:#fff}\
@media (prefers-color-scheme:dark){svg.plot{--ink:#e8ebef;--soft:#9aa5b3;--grid:#343b45;--one:#4cc38a;--two:#f0925f;--other:#98a8ff;--on:#14181d}}\
svg.plot text{font:13px system-ui,sans-serif;fill:var(--ink)}svg.plot text.soft{fill:var(--soft);font-size:12px}\
svg.plot text.one{fill:var(--one)}svg.plot text.two{fill:var(--two)}svg.plot text.strong{font-weight:600}svg.plot text.on{fill:var(--on)}\
svg.plot .grid{stroke:var(--grid)}svg.plot .axis{stroke:var(--soft);fill:var(--soft)}\
svg.plot .one{stroke:var(--one);fill:var(--one)}svg.plot .two{stroke:var(--two);fill:var(--two)}\
svg.plot .other{stroke:var(--other);fill:var(--other)}svg.plot text.one,svg.plot text.two,svg.plot text.other{stroke:none}\
svg.plot polyline{fill:none!important;stroke-width:2.5}svg.plot .bar{stroke:none}svg.plot .light{opacity:.45}\
svg.plot .c1{stroke:var(--one);fill:var(--one)}svg.plot .c2{stroke:#2f6fd6;fill:#2f6fd6}svg.plot .c3{stroke:var(--two);fill:var(--two)}\
svg.plot .c4{stroke:#a8459c;fill:#a8459c}svg.plot .c5{stroke:#8a8d1f;fill:#8a8d1f}svg.plot .c6{stroke:#7d8794;fill:#7d8794}\
svg.plot .interval{stroke-width:2.5}svg.plot .page{fill:var(--on)}svg.plot .interval.ink{stroke:var(--ink);stroke-width:1.5}";

/// Which side of its place a text stands on.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Svg {
    pub(super) fn new(width: f64, height: f64) -> Self {
        Svg { width, height, body: String::new() }
    }

    pub(super) fn text(&mut self, (x, y): (f64, f64), anchor: Anchor, class: &str, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let text = text.replace('&', "&amp;").replace('<', "&lt;");
        let _ =
            write!(self.body, r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" class="{class}">{text}</text>"#);
    }

    pub(super) fn line(&mut self, (x1, y1): (f64, f64), (x2, y2): (f64, f64), class: &str) {
        let _ = write!(self.body, r#"<line x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}" class="{class}"/>"#);
    }

    pub(super) fn bar(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        let width = width.max(0.0);
        let _ = write!(
            self.body,
            r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="{height:.1}" class="bar {class}"/>"#
        );
    }

    pub(super) fn dot(&mut self, (x, y): (f64, f64), radius: f64, class: &str) {
        let _ = write!(self.body, r#"<circle cx="{x:.1}" cy="{y:.1}" r="{radius}" class="{class}"/>"#);
    }

    pub(super) fn curve(&mut self, points: &[(f64, f64)], class: &str) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = write!(self.body, r#"<polyline points="{}" class="{class}"/>"#, points.join(" "));
    }

    /// For a page that has [`STYLE`] already.
    pub(super) fn inline(&self, label: &str) -> String {
        let label = label.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
        format!(
            r#"<svg class="plot" role="img" aria-label="{label}" viewBox="0 0 {} {}" xmlns="http://www.w3.org/2000/svg">{}</svg>"#,
            self.width, self.height, self.body
        )
    }

    /// A file of its own.
    pub(super) fn standalone(&self) -> String {
        format!(
            "<svg class=\"plot\" width=\"{0}\" height=\"{1}\" viewBox=\"0 0 {0} {1}\" xmlns=\"http://www.w3.org/2000/svg\"><style>{2}</style>{3}</svg>\n",
            self.width, self.height, STYLE, self.body
        )
    }
}

/// Round numbers from 0 up to at least `most`, about `count` of them.
pub(super) fn ticks(most: f64, count: f64) -> Vec<f64> {
    let rough = (most / count).max(f64::MIN_POSITIVE);
    let power = 10_f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= rough);
    let step = step.unwrap_or(10.0 * power);
    (0..).map(|number| f64::from(number) * step).take_while(|tick| *tick < most + step).collect()
}
