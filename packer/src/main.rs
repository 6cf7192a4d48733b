//! The command `onepass`: the library, with arguments, a clock and a terminal.

#[path = "command/arguments.rs"]
mod arguments;
#[path = "command/bytes.rs"]
mod bytes;
#[path = "command/record.rs"]
mod record;
#[path = "command/signals.rs"]
mod signals;
#[path = "command/watcher.rs"]
mod watcher;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use packer::{Outcome, Pack};

use arguments::{Arguments, Command, PackArguments, VerifyArguments};
use signals::Signals;
use watcher::Watcher;

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "onepass: {}", told(&error));
            ExitCode::FAILURE
        }
    }
}

/// The library's errors name their cause themselves; others have it behind them.
fn told(error: &anyhow::Error) -> String {
    error.downcast_ref::<packer::Error>().map_or_else(|| format!("{error:#}"), ToString::to_string)
}

/// What `pack --live` exits with if entries changed: there is an image, and not of one moment.
const CHANGED: u8 = 3;

/// What a command exits with that was ended by a signal, plus its number: what a shell says of it.
const SIGNALLED: u8 = 128;

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Pack(arguments) => pack(&arguments),
        Command::Verify(arguments) => verify(&arguments),
    }
}

fn pack(arguments: &PackArguments) -> Result<ExitCode> {
    let threads = arguments.threads();
    let pack = Pack::new(&arguments.rootfs)
        .compression(arguments.compression)
        .strategy(arguments.strategy)
        .threads(threads)
        .diff_id(arguments.diff_id)
        .exclude(arguments.exclude.iter().cloned())
        .owners(arguments.owners())
        .cross_mounts(arguments.cross_mounts)
        .sparse(arguments.sparse)
        .live(arguments.live);
    let pack = match arguments.clamp_mtime {
        Some(latest) => pack.clamp_mtime(latest),
        None => pack,
    };
    let pack = match arguments.max_size {
        Some(max_size) => pack.max_size(max_size.0),
        None => pack,
    };
    let pack = match arguments.if_changed {
        Some(known) => pack.unless(known),
        None => pack,
    };
    let signals = Signals::take()?;
    let packed = pack.publish(&arguments.output, &Watcher::start(arguments.show(), &signals));
    let image = match (packed, signals.caught()) {
        (Err(error), Some(signal)) if error.is_cancelled() => {
            writeln!(std::io::stderr(), "onepass: ended by signal {signal}; nothing is left behind")
                .context("cannot write to standard error")?;
            return Ok(ExitCode::from(SIGNALLED + signal));
        }
        (packed, _) => packed?,
    };
    if arguments.json {
        let record = record::Record::new(&image, arguments, threads);
        say(&serde_json::to_string(&record).context("cannot write the record as JSON")?)?;
    } else if let Some(path) = &image.path {
        say(&format!("{}  {}", image.fingerprint, path.display()))?;
    } else {
        say(&image.fingerprint.to_string())?;
    }
    let remark = match image.outcome {
        Outcome::Published => None,
        Outcome::AlreadyThere => Some("the image was already there"),
        Outcome::Unchanged => Some("the image is unchanged, and was not kept"),
    };
    if let Some(remark) = remark.filter(|_| !arguments.quiet && !arguments.json) {
        writeln!(std::io::stderr(), "onepass: {remark}").context("cannot write to standard error")?;
    }
    for change in &image.changes {
        writeln!(std::io::stderr(), "onepass: {change}").context("cannot write to standard error")?;
    }
    Ok(if image.changes.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(CHANGED) })
}

fn verify(arguments: &VerifyArguments) -> Result<ExitCode> {
    let verified = packer::verify(&arguments.image)?;
    say(&format!(
        "{}: sound ({} bytes; {} entries in a tar of {} bytes, diffID sha256:{})",
        arguments.image.display(),
        verified.size,
        verified.entries,
        verified.tar_size,
        verified.diff_id
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn say(line: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("cannot write to standard output")
}
