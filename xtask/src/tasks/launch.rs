//! `cargo xtask launch`: starts the pipelines of other tools, so that their memory is known.
//!
//! The kernel's peak of a child is never less than the memory of its parent at the start, and a harness that has
//! decoded images holds a lot. This program holds some megabytes.

use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use harness::run;

use crate::cli::print;

/// Run a pipeline, and print its time and the memory of its largest process
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Script for bash
    script: String,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let mut command = run::shell(&arguments.script);
    // The pipeline prints its own hash, and standard output is for the usage.
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let (code, launched) = run::launch(&mut command).context("cannot run bash")?;
    print(serde_json::to_string(&launched)?)?;
    Ok(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)))
}
