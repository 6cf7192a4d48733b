//! The journal: writes a record while it is made, so that an interrupted run leaves its measurements.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use packer::Strategy;
use serde::Serialize;

use super::run::Run;
use super::sample::{Label, Role, Sample};
use crate::error::{Error, Result};
use crate::run::Outcome;

/// The directory of a record below `results/`, while the run is going on.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    samples: File,
    /// The cases and strategies of which there is a curve of scratch space.
    curves: HashSet<(String, String)>,
}

impl Journal {
    /// Makes `results/<date>-<topic>`, with a number appended if it exists. Nothing is overwritten.
    ///
    /// # Errors
    ///
    /// If the directory cannot be made.
    pub fn create(results: &Path, date: &str, topic: &str) -> Result<Self> {
        fs::create_dir_all(results).map_err(|error| Error::io("create directory", results, error))?;
        let mut number = 1;
        let directory = loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let directory = results.join(format!("{date}-{topic}{suffix}"));
            match fs::create_dir(&directory) {
                Ok(()) => break directory,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(Error::io("create directory", directory, error)),
            }
        };
        let path = directory.join("samples.jsonl");
        let samples = File::create_new(&path).map_err(|error| Error::io("create", path, error))?;
        Ok(Journal { directory, samples, curves: HashSet::new() })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line to `samples.jsonl`, and returns the sample as the record has it: only the first timed run of a case and
    /// strategy keeps the points of its curve of scratch space, since a report shows no other. All keep its peak.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn add(&mut self, mut sample: Sample) -> Result<Sample> {
        let path = self.directory.join("samples.jsonl");
        if !self.is_first_of_its_strategy(&sample) {
            sample.scratch.iter_mut().for_each(|curve| curve.points.clear());
        }
        let mut line = serde_json::to_string(&sample).map_err(|error| Error::record(&path, error))?;
        line.push('\n');
        self.samples.write_all(line.as_bytes()).map_err(|error| Error::io("write", path, error))?;
        Ok(sample)
    }

    fn is_first_of_its_strategy(&mut self, sample: &Sample) -> bool {
        sample.role == Role::Measure
            && sample.beside.is_none()
            && Strategy::ALL.iter().any(|strategy| strategy.name() == sample.arm)
            && self.curves.insert((sample.case.clone(), sample.arm.clone()))
    }

    /// Writes the present `run.json`. A process killed meanwhile leaves the previous one.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn save(&self, run: &Run) -> Result<()> {
        self.replace("run.json", run)
    }

    pub(crate) fn replace(&self, name: &str, run: &impl Serialize) -> Result<()> {
        let path = self.directory.join(name);
        let text = serde_json::to_string_pretty(run).map_err(|error| Error::record(&path, error))?;
        let write = || {
            let mut file =
                tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o644)).tempfile_in(&self.directory)?;
            file.write_all(text.as_bytes())?;
            file.write_all(b"\n")?;
            file.persist(&path).map_err(std::io::Error::from)
        };
        write().map(drop).map_err(|error| Error::io("write", &path, error))
    }
}

/// Notes runs in a journal, one after the other.
#[derive(Debug)]
pub struct SampleLog<'a> {
    journal: &'a mut Journal,
    next: usize,
}

impl<'a> SampleLog<'a> {
    /// For a journal that has no samples yet.
    #[must_use]
    pub fn of(journal: &'a mut Journal) -> Self {
        SampleLog { journal, next: 0 }
    }

    /// The journal.
    pub(crate) fn journal(&self) -> &Journal {
        self.journal
    }

    /// Adds a run.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn append(&mut self, label: Label, outcome: &Outcome) -> Result<()> {
        let sample = Sample::new(self.next, label, outcome.clone());
        self.next += 1;
        self.journal.add(sample).map(drop)
    }
}
