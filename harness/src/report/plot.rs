//! A plot of a page.

use super::svg::Svg;

/// How wide the plots are drawn.
pub(super) const WIDTH: f64 = 860.0;

/// A plot, and what is said beside it.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) caption: String,
    pub(super) svg: Svg,
}
