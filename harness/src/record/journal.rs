//! The journal: writes a record while it is made, so that an interrupted run leaves its measurements.

use std::collections::{HashMap, HashSet};
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
        Ok(Journal { directory, samples })
    }

    /// Goes on with a record that was cut short, behind its first samples; what comes after them is cut off.
    ///
    /// # Errors
    ///
    /// If it cannot be read, or written to.
    pub fn resume(directory: &Path, kept: usize) -> Result<Self> {
        let path = directory.join("samples.jsonl");
        let text = fs::read(&path).map_err(|error| Error::io("read", &path, error))?;
        let end: usize = text.split_inclusive(|byte| *byte == b'\n').take(kept).map(<[u8]>::len).sum();
        let samples = append_to(&path)?;
        samples.set_len(end as u64).map_err(|error| Error::io("shorten", &path, error))?;
        Ok(Journal { directory: directory.to_owned(), samples })
    }

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line to `samples.jsonl`, and returns the sample as the record has it: timed runs of a strategy keep the points of
    /// their curves of scratch space until [`Journal::keep_typical_curves`]; all keep its peak.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn add(&mut self, mut sample: Sample) -> Result<Sample> {
        let path = self.directory.join("samples.jsonl");
        if !may_be_drawn(&sample) {
            forget_curve(&mut sample);
        }
        let line = line(&sample).map_err(|error| Error::record(&path, error))?;
        self.samples.write_all(line.as_bytes()).map_err(|error| Error::io("write", path, error))?;
        Ok(sample)
    }

    /// Writes `samples.jsonl` again, in which only the run of median time of each case and strategy keeps the points of its curve,
    /// since a report draws no other. A process killed meanwhile leaves the previous file.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn keep_typical_curves(&mut self, samples: &mut [Sample]) -> Result<()> {
        let typical = typical(samples);
        samples.iter_mut().filter(|sample| !typical.contains(&sample.sequence)).for_each(forget_curve);
        let path = self.directory.join("samples.jsonl");
        let lines: serde_json::Result<Vec<String>> = samples.iter().map(line).collect();
        self.write_file("samples.jsonl", &lines.map_err(|error| Error::record(&path, error))?.concat())?;
        self.samples = append_to(&path)?;
        Ok(())
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
        self.write_file(name, &(text + "\n"))
    }

    /// Writes a file whole or not at all.
    fn write_file(&self, name: &str, text: &str) -> Result<()> {
        let path = self.directory.join(name);
        let write = || {
            let mut file =
                tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o644)).tempfile_in(&self.directory)?;
            file.write_all(text.as_bytes())?;
            file.persist(&path).map_err(std::io::Error::from)
        };
        write().map(drop).map_err(|error| Error::io("write", &path, error))
    }
}

/// Whether a report may draw the curve of a run.
fn may_be_drawn(sample: &Sample) -> bool {
    sample.role == Role::Measure
        && sample.beside.is_none()
        && Strategy::ALL.iter().any(|strategy| strategy.name() == sample.arm)
}

fn forget_curve(sample: &mut Sample) {
    sample.scratch.iter_mut().for_each(|curve| curve.points.clear());
}

/// The runs of median time, one of each case and strategy, by their places in the order of all runs.
fn typical(samples: &[Sample]) -> HashSet<usize> {
    let mut runs: HashMap<(&str, &str), Vec<(u64, usize)>> = HashMap::new();
    for sample in samples.iter().filter(|sample| may_be_drawn(sample)) {
        runs.entry((&sample.case, &sample.arm)).or_default().push((sample.wall_ns, sample.sequence));
    }
    let median = |mut runs: Vec<(u64, usize)>| {
        runs.sort_unstable();
        runs[(runs.len() - 1) / 2].1
    };
    runs.into_values().map(median).collect()
}

fn line(sample: &Sample) -> serde_json::Result<String> {
    serde_json::to_string(sample).map(|line| line + "\n")
}

fn append_to(path: &Path) -> Result<File> {
    File::options().append(true).open(path).map_err(|error| Error::io("open", path, error))
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

    /// For a journal that has so many samples.
    #[must_use]
    pub fn after(journal: &'a mut Journal, samples: usize) -> Self {
        SampleLog { journal, next: samples }
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
