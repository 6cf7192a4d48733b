//! The reports: made from the records alone, the same bytes for the same records, readable without a network.

mod agreement;
mod bench_page;
mod calibration_page;
mod chart;
mod claim_2019;
mod compare;
mod html;
mod markdown;
mod page;
mod pipelines;
mod plot;
mod plots;
mod provenance;
mod readme;
mod study_page;
mod svg;
mod tables;
mod verdict;

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::gate::calibration::Calibration;
use crate::record::{Record, Sample, Study};

pub use agreement::{Agreement, Conclusion};
pub use compare::RunComparison;
pub use tables::Table;

/// The report of a bench, in every form.
#[derive(Debug)]
pub struct Report {
    /// The verdict, in sentences.
    pub verdict: Vec<String>,
    /// Two-pass against single-stream.
    pub comparison: Table,
    /// Other tools.
    pub peers: Table,
    /// The times beside their lower bounds; `None` if those were not measured.
    pub floor: Option<Table>,
    files: Files,
}

impl Report {
    /// Makes the report of a record.
    #[must_use]
    pub fn new(record: &Record) -> Self {
        let (verdict, comparison, peers) =
            (verdict::sentences(record), tables::comparison(record), tables::peers(record));
        let files = Files::of(&bench_page::page(record, &verdict, &comparison, &peers));
        Report { verdict, comparison, peers, floor: tables::floor(record), files }
    }

    /// Writes `report.md`, `report.html` and the plots into a directory of records.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        self.files.write(directory)
    }

    /// The part that the README shows: a chart and three sentences, with links to `directory` as it is written there.
    ///
    /// # Errors
    ///
    /// If the record was made from a dirty tree.
    pub fn excerpt(record: &Record, directory: &str) -> Result<String> {
        record.run.environment.require_clean(directory)?;
        Ok(readme::excerpt(record, directory))
    }
}

/// The report of a study, in every form.
#[derive(Debug)]
pub struct StudyReport {
    /// The verdict, in sentences.
    pub verdict: Vec<String>,
    /// Every point.
    pub points: Table,
    files: Files,
}

impl StudyReport {
    /// Makes the report of a study.
    #[must_use]
    pub fn new(study: &Study) -> Self {
        let (verdict, points) = (study_page::verdict(study), study_page::table(study));
        let files = Files::of(&study_page::page(study, &verdict, &points));
        StudyReport { verdict, points, files }
    }

    /// Writes `report.md`, `report.html` and the plots into a directory of records.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        self.files.write(directory)
    }
}

/// The report of a calibration, in every form.
#[derive(Debug)]
pub struct CalibrationReport {
    /// The verdict, in sentences.
    pub verdict: Vec<String>,
    /// Every comparison.
    pub comparisons: Table,
    files: Files,
}

impl CalibrationReport {
    /// Makes the report of a calibration and its samples.
    #[must_use]
    pub fn new(calibration: &Calibration, samples: &[Sample]) -> Self {
        let (verdict, comparisons) = (calibration_page::verdict(calibration), calibration_page::table(calibration));
        let files = Files::of(&calibration_page::page(calibration, samples, &verdict, &comparisons));
        CalibrationReport { verdict, comparisons, files }
    }

    /// Writes `report.md` and `report.html` into a directory of records.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn write(&self, directory: &Path) -> Result<()> {
        self.files.write(directory)
    }
}

/// A page in its files: names and texts.
#[derive(Debug)]
struct Files(Vec<(&'static str, String)>);

impl Files {
    fn of(page: &page::Page) -> Self {
        let pages = [("report.md", markdown::page(page)), ("report.html", html::page(page))];
        let plots = page.plots().map(|plot| (plot.file, plot.svg.standalone()));
        Files(pages.into_iter().chain(plots).collect())
    }

    fn write(&self, directory: &Path) -> Result<()> {
        self.0.iter().try_for_each(|(name, text)| {
            let path = directory.join(name);
            fs::write(&path, text).map_err(|error| Error::io("write", path, error))
        })
    }
}
