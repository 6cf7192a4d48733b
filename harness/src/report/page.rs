//! A page, before it is HTML or Markdown. Text between backticks is code.

use super::Table;
use super::plot::Plot;

/// A page, in order.
#[derive(Debug)]
pub(super) struct Page {
    /// The title in the browser.
    pub(super) name: String,
    pub(super) title: String,
    pub(super) opening: String,
    /// What a reader must know before anything else.
    pub(super) banner: Option<String>,
    /// Whether the verdict is one that can be relied on.
    pub(super) sound: bool,
    pub(super) verdict: Vec<String>,
    pub(super) sections: Vec<Section>,
}

/// A heading and its blocks.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) blocks: Vec<Block>,
}

/// A piece of a section.
#[derive(Debug)]
pub(super) enum Block {
    Text(String),
    Table(Table),
    Plot(Plot),
    List(Vec<String>),
    /// Names and values.
    Facts(Vec<(String, String)>),
}

impl Section {
    pub(super) fn new(heading: &str, blocks: Vec<Block>) -> Self {
        Section { heading: heading.to_owned(), blocks }
    }

    pub(super) fn plot(plot: Plot) -> Self {
        Section::new(plot.title, vec![Block::Plot(plot)])
    }
}

impl Page {
    /// All plots, for files of their own.
    pub(super) fn plots(&self) -> impl Iterator<Item = &Plot> {
        self.sections.iter().flat_map(|section| &section.blocks).filter_map(|block| match block {
            Block::Plot(plot) => Some(plot),
            _ => None,
        })
    }
}
