//! Records: what is kept of a run, as text, for good. The schema is told in `results/README.md`.
//!
//! Times are integer nanoseconds, sizes are bytes. `samples.jsonl` grows by one line with every process run, so that a run
//! that is cut short leaves what it has measured; `run.json` says whether it came to its end.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::cases::{Case, Suite};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::peers::Maker;
use crate::runner::{Label, Outcome};
pub use crate::scratch::Curve;
use crate::summary::Comparison;
pub use crate::usage::{Io, Usage};

/// The version of the schema of both files.
pub const SCHEMA: u32 = 1;

/// `run.json`: everything about a run but its samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The day it began, as `2026-11-24`.
    pub date: String,
    /// What it is about: the end of the directory's name.
    pub topic: String,
    /// What was run.
    pub suite: Suite,
    /// What was asked for, with `$ROOTFS` and the like for places; empty in records that are older than this field.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Pairs for each case.
    pub pairs: usize,
    /// What the schedule was shuffled with.
    pub seed: u64,
    /// The tree.
    pub subject: Subject,
    /// If it is a fixture, and somebody looked: how near it is to the real tree that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub likeness: Vec<Likeness>,
    /// The machine and the tools.
    pub environment: Environment,
    /// The comparisons, in order.
    pub cases: Vec<Case>,
    /// The peers, in order.
    pub peers: Vec<PeerRecord>,
    /// What was verified before anything was timed.
    pub checks: Vec<Check>,
    /// Whether all that was planned was run.
    pub complete: bool,
    /// What follows from the samples; empty until the run is complete.
    pub comparisons: Vec<Comparison>,
}

/// The tree that was packed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// A fixture, as `debian-base x1 seed 1`, or what the user called their tree.
    pub name: String,
    /// Members of the archive.
    pub entries: u64,
    /// The size of the tar in bytes.
    pub tar_size: u64,
    /// The sha256 of the tar: the same for everybody who packs the same tree.
    pub diff_id: String,
}

/// A figure of a fixture beside that of a real tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Likeness {
    /// What it is, as `elf-shared: ratio by gzip -6`.
    pub what: String,
    /// How it is in the real tree.
    pub real: String,
    /// How it is in the fixture.
    pub fixture: String,
    /// Whether they are as near as they are to be.
    pub near: bool,
}

/// A pipeline of other tools.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// Its name in the samples.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// What bash ran; `$ROOTFS` is the tree, `$OUT` the scratch directory.
    pub script: String,
    /// The compression of ours that it is compared with.
    pub like: String,
    /// Who makes the image.
    #[serde(default, skip_serializing_if = "Maker::is_pipeline")]
    pub maker: Maker,
    /// The tool that was not installed, if that is why there are no samples; of LXD, in words, why it was not asked.
    pub missing: Option<String>,
}

/// Something that must hold whatever the speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// The law, as a sentence.
    pub law: String,
    /// Whether it held.
    pub holds: bool,
    /// The figures.
    pub detail: String,
}

/// A line of `samples.jsonl`: one process run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Its place in the order of all runs of this record.
    pub sequence: usize,
    /// Whether it counts: the first run of each arm only warms up and is verified.
    pub role: Role,
    /// The case's or the peer's name.
    pub case: String,
    /// `single-stream`, `two-pass`, `peer` or `floor`.
    pub arm: String,
    /// The pair or the round.
    pub pair: usize,
    /// From the start of the process to its end.
    pub wall_ns: u64,
    /// What `wait4` says; nothing if a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The size of the image.
    pub image_size: u64,
    /// The scratch space that was seen from outside; nothing if a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scratch: Option<Curve>,
    /// The peak of memory of the largest of a peer's processes, in bytes; not in older records, nor where a daemon did the work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// What the packer says of itself.
    pub pack: Option<PackRecord>,
    /// What the parts take that no packer can save, if this is about them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub floor: Option<Floor>,
}

/// Processor time of what no packer can save, all threads together; see [`packer::stages::floor`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Floor {
    /// Opening and reading the files.
    pub read_ns: u64,
    /// The encoder's library.
    pub encode_ns: u64,
    /// sha256 of the image.
    pub hash_ns: u64,
}

/// What a sample is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Untimed: warms the page cache, and is verified.
    Verify,
    /// Timed.
    Measure,
}

/// The JSON of `onepass pack --json`, schema 1, without the path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackRecord {
    /// The sha256 of the image.
    pub fingerprint: String,
    /// The size of the image.
    pub size: u64,
    /// The size of the tar.
    pub tar_size: u64,
    /// Members of the archive.
    pub entries: u64,
    /// What compressed it.
    pub encoders: Vec<Encoder>,
    /// As the packer timed itself.
    pub wall_ns: u64,
    /// By phase.
    pub phases_ns: std::collections::BTreeMap<String, u64>,
    /// By step, all threads together.
    pub busy_ns: std::collections::BTreeMap<String, u64>,
    /// Content read, temporary tar included.
    pub bytes_read: u64,
    /// By role.
    pub bytes_written: BytesWritten,
    /// The most that was held on the disk.
    pub scratch_peak: u64,
    /// The most that was resident in memory.
    pub vm_hwm: Option<u64>,
}

/// What compressed an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encoder {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// Bytes written, by what they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BytesWritten {
    /// The temporary tar of two passes.
    pub temporary_tar: u64,
    /// The image.
    pub image: u64,
}

/// A directory below `results/` that a run is being recorded in.
#[derive(Debug)]
pub struct Journal {
    directory: PathBuf,
    samples: File,
}

impl Journal {
    /// Makes `results/<date>-<topic>`; with a number behind it if there is one already. Nothing is overwritten.
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

    /// Where it is.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Adds a line to `samples.jsonl`.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn add(&mut self, sample: &Sample) -> Result<()> {
        let path = self.directory.join("samples.jsonl");
        let mut line = serde_json::to_string(sample).map_err(|error| Error::record(&path, error))?;
        line.push('\n');
        self.samples.write_all(line.as_bytes()).map_err(|error| Error::io("write", path, error))
    }

    /// Writes `run.json` as it stands now. Whoever is killed meanwhile leaves the one before.
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
pub struct Diary<'a> {
    journal: &'a mut Journal,
    next: usize,
}

impl<'a> Diary<'a> {
    /// For a journal that has no samples yet.
    #[must_use]
    pub fn of(journal: &'a mut Journal) -> Self {
        Diary { journal, next: 0 }
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
    pub fn note(&mut self, label: Label, outcome: &Outcome) -> Result<()> {
        let sample = outcome.clone().sample(self.next, label);
        self.next += 1;
        self.journal.add(&sample)
    }
}

/// A record that was read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The run.
    pub run: Run,
    /// Its samples, in order.
    pub samples: Vec<Sample>,
}

impl Record {
    /// Reads a directory below `results/`.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or is of a schema that is not known.
    pub fn read(directory: &Path) -> Result<Self> {
        let run = read(&directory.join("run.json"), SCHEMA)?;
        let samples = samples(directory)?;
        Ok(Record { run, samples })
    }
}

/// The samples in a directory of records.
///
/// # Errors
///
/// If they cannot be read.
pub fn samples(directory: &Path) -> Result<Vec<Sample>> {
    let path = directory.join("samples.jsonl");
    let text = fs::read_to_string(&path).map_err(|error| Error::io("read", &path, error))?;
    // What stands behind the last end of a line is a sample that somebody was killed over.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| parse(&path, line, SCHEMA)).collect()
}

/// Reads a file of a record that should be of this version.
pub(crate) fn read<Of: DeserializeOwned>(path: &Path, schema: u32) -> Result<Of> {
    let text = fs::read_to_string(path).map_err(|error| Error::io("read", path, error))?;
    parse(path, &text, schema)
}

/// What a text in `path` says. Of one of another version that is said, and not which field it lacks.
fn parse<Of: DeserializeOwned>(path: &Path, text: &str, schema: u32) -> Result<Of> {
    #[derive(Deserialize)]
    struct Version {
        schema: u32,
    }
    let unclear = |error| Error::record(path, error);
    let found = serde_json::from_str::<Version>(text).map_err(unclear)?.schema;
    if found != schema {
        return Err(Error::record(path, format!("its schema is {found}, this reads {schema}")));
    }
    serde_json::from_str(text).map_err(unclear)
}

/// The day of a moment, as `2026-11-24`, in UTC.
#[must_use]
pub fn date(since_1970: std::time::Duration) -> String {
    // Days since 0000-03-01, in eras of 400 years: leap days then come last (Hinnant, "chrono-compatible algorithms").
    let days = since_1970.as_secs() / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let of_month = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    format!("{:04}-{month:02}-{of_month:02}", era * 400 + year + carry)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, day) in [
            (0, "1970-01-01"),
            (951_782_400, "2000-02-29"),
            (1_709_164_800, "2024-02-29"),
            (1_795_478_400, "2026-11-24"),
            (4_107_542_399, "2100-02-28"),
        ] {
            assert_eq!(date(Duration::from_secs(seconds)), day);
        }
    }
}
