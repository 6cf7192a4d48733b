//! `cargo xtask launch`: what starts the pipelines of other tools, so that their memory is known.
//!
//! The peak that the kernel tells of a child is never less than what its parent held when it was started, and a harness that has
//! decoded images holds a lot. This program holds some megabytes.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use harness::run;

use crate::cli::print;

/// Run a pipeline, and print how long it took and how large the largest of its processes was
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// What bash runs
    script: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = run::shell(&arguments.script);
    // What it prints is its own hash, and standard output is for what follows.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (code, launched) = run::launch(&mut command).context("cannot run bash")?;
    print(serde_json::to_string(&launched)?)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}
