//! The report: made from the records alone, the same bytes for the same records, readable without a network.

mod figures;
mod html;
mod markdown;
mod plots;
mod svg;
mod tables;
mod verdict;

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::record::Record;

pub use tables::Table;

/// Everything that is shown, in every form.
#[derive(Debug)]
pub struct Report {
    /// What it comes to, in sentences.
    pub verdict: Vec<String>,
    /// Two-pass against single-stream.
    pub comparison: Table,
    /// Other tools.
    pub peers: Table,
    markdown: String,
    html: String,
    images: Vec<(&'static str, String)>,
}

impl Report {
    /// Makes the report of a record.
    #[must_use]
    pub fn new(record: &Record) -> Self {
        let (verdict, comparison, peers) =
            (verdict::sentences(record), tables::comparison(record), tables::peers(record));
        let plots = plots::all(record);
        let markdown = markdown::page(record, &verdict, &comparison, &peers);
        let html = html::page(record, &verdict, &comparison, &peers, &plots);
        let images = plots.iter().map(|plot| (plot.file, plot.svg.standalone())).collect();
        Report { verdict, comparison, peers, markdown, html, images }
    }

    /// Writes `report.md`, `report.html` and the plots into a directory of records.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        let files = [("report.md", &self.markdown), ("report.html", &self.html)];
        for (name, text) in files.into_iter().chain(self.images.iter().map(|(name, svg)| (*name, svg))) {
            let path = directory.join(name);
            fs::write(&path, text).map_err(|error| Error::io("write", path, error))?;
        }
        Ok(())
    }

    /// The part that the README shows: the table and two plots, with links to `directory` as it is written there.
    #[must_use]
    pub fn excerpt(&self, record: &Record, directory: &str) -> String {
        markdown::excerpt(record, self, directory)
    }
}
