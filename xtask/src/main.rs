//! `cargo xtask …`: one file per task. Tasks call the other crates; they do not measure.

mod accept;
mod bench;
mod builds;
mod calibrate;
mod compare;
mod fixtures;
mod floor;
mod gate;
mod ground;
mod interop;
mod launch;
mod planted;
mod report;
mod rootfs;
mod study;
mod trees;

use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::{Parser, Subcommand};

/// The project's own tasks
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Accept(accept::Arguments),
    Bench(bench::Arguments),
    Calibrate(calibrate::Arguments),
    Compare(compare::Arguments),
    Fixtures(fixtures::Arguments),
    #[command(hide = true)]
    Floor(floor::Arguments),
    Gate(gate::Arguments),
    Interop(interop::Arguments),
    #[command(hide = true)]
    Launch(launch::Arguments),
    Planted(planted::Arguments),
    Report(report::Arguments),
    Rootfs(rootfs::Arguments),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().task {
        Task::Accept(arguments) => accept::run(&arguments),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Calibrate(arguments) => calibrate::run(&arguments),
        Task::Compare(arguments) => compare::run(&arguments),
        Task::Fixtures(arguments) => fixtures::run(&arguments),
        Task::Floor(arguments) => floor::run(&arguments),
        Task::Gate(arguments) => Ok(gate::run(&arguments)),
        Task::Interop(arguments) => interop::run(&arguments),
        Task::Launch(arguments) => launch::run(&arguments),
        Task::Planted(arguments) => planted::run(&arguments),
        Task::Report(arguments) => report::run(&arguments),
        Task::Rootfs(arguments) => rootfs::run(&arguments),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            // Nothing is left to be done if even this cannot be written.
            let _ = writeln!(std::io::stderr(), "xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The top of the repository.
fn repository() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The day, as records have it.
fn today() -> anyhow::Result<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(harness::record::date(now))
}

/// The command line for records: with names for the places of this machine.
fn asked() -> String {
    told(std::env::args().skip(1))
}

/// `cargo xtask bench --rootfs $ROOTFS --pairs 7`
fn told(arguments: impl Iterator<Item = String>) -> String {
    const PLACES: [(&str, &str); 3] = [("--rootfs", "$ROOTFS"), ("--scratch", "$SCRATCH"), ("--results", "$RESULTS")];
    let mut words = vec!["cargo".to_owned(), "xtask".into()];
    let mut place = None;
    for argument in arguments {
        let option = argument.split_once('=').map_or(&argument[..], |(option, _)| option);
        let named = PLACES.iter().find(|(name, _)| *name == option).map(|(_, place)| (*place).to_owned());
        words.push(match (place.take(), named) {
            (Some(place), _) => place,
            (None, Some(named)) if option.len() < argument.len() => format!("{option}={named}"),
            (None, named) => {
                place = named;
                quoted(&argument)
            }
        });
    }
    words.join(" ")
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=:,./+@%".contains(&byte);
    if !word.is_empty() && word.bytes().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// Prints a line to standard output.
fn say(line: impl std::fmt::Display) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_without_places() {
        let told = |words: &[&str]| told(words.iter().map(|word| (*word).to_owned()));
        assert_eq!(
            told(&["bench", "--rootfs", "/home/me/tree", "--scratch=/mnt/x", "--pairs", "7", "--subject", "it's mine"]),
            "cargo xtask bench --rootfs $ROOTFS --scratch=$SCRATCH --pairs 7 --subject 'it'\\''s mine'"
        );
        assert_eq!(told(&["bench", "--rootfs", "--scratch"]), "cargo xtask bench --rootfs $ROOTFS");
    }
}
