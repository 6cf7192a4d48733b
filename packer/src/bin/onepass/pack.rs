//! `onepass pack`: packs, prints the fingerprint, and writes the record.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use packer::{ErrorKind, Fingerprint, Image, Outcome, Pack, escape_path};

use crate::args::{Output, PackArguments};
use crate::dry_run;
use crate::exit_code::{CHANGED, SIGNAL};
use crate::fakeroot;
use crate::messages::{eprint_line, eprint_result, print_line, tell_changes, warn_of_unmatched};
use crate::progress::ProgressDisplay;
use crate::record::Record;
use crate::record_file::RecordOutput;
use crate::signals::Signals;
use crate::stdout::{STANDARD_STREAM, StandardOutput};

pub(crate) fn run(arguments: &PackArguments) -> Result<ExitCode> {
    #[cfg(fault_injection)]
    arguments.inject_fault.iter().for_each(|fault| fault.inject());
    fakeroot::refuse()?;
    let pack = arguments.pack()?;
    let record = RecordOutput::open(arguments.json.as_deref())?;
    let signals = Signals::handle()?;
    let pack = with_outputs(pack.cancel_token(signals.token()), &record)?;
    let Some(output) = arguments.output().filter(|_| !arguments.dry_run) else {
        return match pack.measure() {
            Ok(measurement) => dry_run::report(&measurement, arguments, &record),
            Err(error) => failed(error.into(), &signals, false),
        };
    };
    match pack_to(pack, output, arguments, &signals) {
        Ok(image) => report(&image, arguments, &record),
        Err(error) => failed(error, &signals, output == Output::StandardOutput),
    }
}

/// The pack, which fails if it meets a file or directory of the tree that this command writes to.
fn with_outputs(pack: Pack, record: &RecordOutput) -> Result<Pack> {
    let (out, err) = (io::stdout(), io::stderr());
    let streams = [out.as_fd(), err.as_fd()];
    let pack = streams.into_iter().chain(record.outputs()).try_fold(pack, Pack::also_writes);
    pack.context("cannot look at standard output, standard error or the record")
}

/// Packs while progress is shown.
fn pack_to(pack: Pack, output: Output<'_>, arguments: &PackArguments, signals: &Signals) -> Result<Image> {
    let display = ProgressDisplay::new(arguments.show()).map(Arc::new);
    let pack = match display.clone() {
        Some(display) => pack.on_progress(move |progress| display.show(progress)),
        None => pack,
    };
    let image = match output {
        Output::Directory(directory) => pack.publish(directory),
        Output::StandardOutput => pack.write(&mut StandardOutput::open(signals)?),
    };
    if let Some(display) = display {
        display.clear();
    }
    Ok(image?)
}

/// The exit code of a pack that a signal ended; else the error.
fn failed(error: anyhow::Error, signals: &Signals, is_streamed: bool) -> Result<ExitCode> {
    let is_cancelled = error.downcast_ref().map(packer::Error::kind) == Some(ErrorKind::Cancelled);
    match signals.caught() {
        // A signal fails the write to standard output that waits for a reader.
        Some(signal) if is_cancelled || is_streamed => {
            eprint_line(format!("onepass: ended by signal {signal}; nothing is left behind"))?;
            Ok(ExitCode::from(SIGNAL + signal))
        }
        _ => Err(error),
    }
}

/// Writes the record and prints the lines about an image. An error says that the image is complete.
fn report(image: &Image, arguments: &PackArguments, record: &RecordOutput) -> Result<ExitCode> {
    write_record(image, arguments, record)
        .and_then(|()| print(image, arguments, record))
        .map_err(|error| Late::mark(image, error))?;
    Ok(if image.changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGED) })
}

/// What an error is a cause of that came when the image was complete.
#[derive(Debug)]
pub(crate) struct Late {
    fingerprint: Fingerprint,
    /// `None` if standard output got the image.
    path: Option<PathBuf>,
}

impl Late {
    /// Adds this context, unless no image was kept.
    fn mark(image: &Image, error: anyhow::Error) -> anyhow::Error {
        match image.outcome {
            Outcome::Unchanged => error,
            _ => error.context(Late { fingerprint: image.fingerprint, path: image.path.clone() }),
        }
    }

    /// Whether an error came when the image was complete.
    pub(crate) fn is(error: &anyhow::Error) -> bool {
        let is_published = |error: &packer::Error| error.published().is_some();
        error.is::<Late>() || error.downcast_ref().is_some_and(is_published)
    }
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the image {} is complete", self.fingerprint)?;
        match &self.path {
            Some(path) => write!(f, " in `{}`, but could not be reported", escape_path(path)),
            None => f.write_str(", but could not be reported"),
        }
    }
}

fn write_record(image: &Image, arguments: &PackArguments, record: &RecordOutput) -> Result<()> {
    if !record.is_wanted() {
        return Ok(());
    }
    let made = Record::new(image, arguments);
    record.write(&serde_json::to_string(&made).context("cannot write the record as JSON")?)
}

fn print(image: &Image, arguments: &PackArguments, record: &RecordOutput) -> Result<()> {
    let fingerprint = image.fingerprint.to_string();
    match (&image.path, image.outcome) {
        // The image has taken standard output.
        (_, Outcome::Streamed) => eprint_result(format!("{fingerprint}  {STANDARD_STREAM}"))?,
        _ if matches!(record, RecordOutput::StandardOutput) => {}
        (Some(path), _) => print_line(checksum_line(&fingerprint, path))?,
        (None, _) => print_line(&fingerprint)?,
    }
    let note = match image.outcome {
        Outcome::AlreadyThere => Some("onepass: the image was already there"),
        Outcome::Unchanged => Some("onepass: the image is unchanged, and was not kept"),
        _ => None,
    };
    if let Some(note) = note.filter(|_| !arguments.quiet && arguments.json.is_none()) {
        eprint_line(note)?;
    }
    warn_of_unmatched(&image.unmatched_exclusions)?;
    tell_changes(&image.changes, image.further_changes)
}

/// A line that `sha256sum -c` accepts: the bytes of the path; if some would break the line, they are escaped, and the line begins
/// with a backslash.
fn checksum_line(fingerprint: &str, path: &Path) -> Vec<u8> {
    let bytes = path.as_os_str().as_bytes();
    let mut escaped = Vec::new();
    for byte in bytes {
        match byte {
            b'\\' => escaped.extend_from_slice(b"\\\\"),
            b'\n' => escaped.extend_from_slice(b"\\n"),
            b'\r' => escaped.extend_from_slice(b"\\r"),
            byte => escaped.push(*byte),
        }
    }
    let start = if escaped == bytes { "" } else { "\\" };
    [start.as_bytes(), fingerprint.as_bytes(), b"  ", &escaped].concat()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_line_stays_a_line() {
        for (path, line) in [
            (&b"out/a"[..], &b"F  out/a"[..]),
            (b"out/\xff", b"F  out/\xff"),
            (b"a\nb", b"\\F  a\\nb"),
            (b"a\\b\r", b"\\F  a\\\\b\\r"),
        ] {
            assert_eq!(checksum_line("F", Path::new(OsStr::from_bytes(path))), line);
        }
    }
}
