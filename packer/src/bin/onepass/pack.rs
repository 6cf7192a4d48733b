//! `onepass pack`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use packer::{Image, Outcome, Pack};

use crate::args::PackArguments;
use crate::progress::ProgressDisplay;
use crate::record::Record;
use crate::signals::Signals;
use crate::stdout::StandardOutput;
use crate::{remark, say};

/// What `pack --live` exits with if entries changed: there is an image, and not of one moment.
const CHANGED: u8 = 3;

/// What a command exits with that was ended by a signal, plus its number: what a shell says of it.
const SIGNALLED: u8 = 128;

/// The name of standard output as a file.
const STANDARD: &str = "-";

pub(crate) fn run(arguments: &PackArguments) -> Result<ExitCode> {
    #[cfg(feature = "planted")]
    arguments.planted.iter().for_each(|fault| fault.plant());
    let streams = arguments.output == Path::new(STANDARD);
    let mut record = Destination::of(arguments.json.as_deref(), streams)?;
    let (pack, signals) = (configured(arguments)?, Signals::take()?);
    let pack = pack.cancel_token(signals.token());
    let display = ProgressDisplay::new(arguments.show()).map(Arc::new);
    let pack = match display.clone() {
        Some(display) => pack.on_progress(move |progress| display.show(progress)),
        None => pack,
    };
    let packed =
        if streams { pack.write(&mut StandardOutput::open(&signals)?) } else { pack.publish(&arguments.output) };
    if let Some(display) = display {
        display.clear();
    }
    let image = match (packed, signals.caught()) {
        (Err(error), Some(signal)) if error.kind() == packer::ErrorKind::Cancelled || streams => {
            remark(&format!("onepass: ended by signal {signal}; nothing is left behind"))?;
            return Ok(ExitCode::from(SIGNALLED + signal));
        }
        (packed, _) => packed?,
    };
    if record.is_wanted() {
        let made = Record::new(&image, arguments);
        record.write(&serde_json::to_string(&made).context("cannot write the record as JSON")?)?;
    }
    tell(&image, arguments, &record)?;
    Ok(if image.changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGED) })
}

fn configured(arguments: &PackArguments) -> Result<Pack> {
    let pack = Pack::new(&arguments.rootfs)
        .format(arguments.format.chosen()?)
        .compression(arguments.compression)
        .strategy(arguments.strategy)
        .threads(arguments.threads())
        .diff_id(arguments.diff_id)
        .exclude(arguments.exclude.iter().cloned())
        .owners(arguments.owners())
        .cross_mounts(arguments.cross_mounts)
        .live(arguments.live);
    let pack = arguments.sparse.map_or(pack.clone(), |sparse| pack.sparse(sparse));
    let pack = arguments.clamp_mtime.map_or(pack.clone(), |latest| pack.clamp_mtime(latest));
    let pack = arguments.max_size.map_or(pack.clone(), |max_size| pack.max_size(max_size.0));
    Ok(arguments.if_changed.map_or(pack.clone(), |known| pack.skip_if_fingerprint(known)))
}

/// What is said for people.
fn tell(image: &Image, arguments: &PackArguments, record: &Destination) -> Result<()> {
    let fingerprint = image.fingerprint;
    match (&image.path, image.outcome) {
        // Standard output is the image's.
        (_, Outcome::Streamed) => remark(&format!("{fingerprint}  {STANDARD}"))?,
        _ if matches!(record, Destination::Standard) => {}
        (Some(path), _) => say(&format!("{fingerprint}  {}", path.display()))?,
        (None, _) => say(&fingerprint.to_string())?,
    }
    let told = match image.outcome {
        Outcome::AlreadyThere => Some("onepass: the image was already there"),
        Outcome::Unchanged => Some("onepass: the image is unchanged, and was not kept"),
        _ => None,
    };
    if let Some(told) = told.filter(|_| !arguments.quiet && arguments.json.is_none()) {
        remark(told)?;
    }
    image.changes.iter().try_for_each(|change| remark(&format!("onepass: {change}")))
}

/// Where the record goes.
enum Destination {
    Nowhere,
    Standard,
    File { file: File, name: String },
}

impl Destination {
    /// A file is opened at once, so that a pack does not fail for it at its end.
    fn of(json: Option<&Path>, streams: bool) -> Result<Self> {
        match json {
            None => Ok(Destination::Nowhere),
            Some(path) if path != Path::new(STANDARD) => {
                let name = path.display().to_string();
                let file = File::create(path).with_context(|| format!("cannot create `{name}` for the record"))?;
                Ok(Destination::File { file, name })
            }
            Some(_) if streams => bail!("standard output takes the image or the record: --json=FILE, as /dev/fd/3"),
            Some(_) => Ok(Destination::Standard),
        }
    }

    fn is_wanted(&self) -> bool {
        !matches!(self, Destination::Nowhere)
    }

    fn write(&mut self, record: &str) -> Result<()> {
        match self {
            Destination::Nowhere => Ok(()),
            Destination::Standard => say(record),
            Destination::File { file, name } => {
                writeln!(file, "{record}").with_context(|| format!("cannot write the record to `{name}`"))
            }
        }
    }
}
