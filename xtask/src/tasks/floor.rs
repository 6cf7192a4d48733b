//! `cargo xtask floor`: measures the lower bound for the bench.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use harness::run::Floor;
use packer::{Compression, stages};

use crate::cli::print;

/// Print the processor time of reading, encoding and hashing a tree, each alone
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    rootfs: PathBuf,
    #[arg(long)]
    compression: Compression,
    #[arg(long)]
    threads: usize,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let floor = stages::floor(&arguments.rootfs, arguments.compression, arguments.threads)?;
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let floor = Floor {
        read_ns: nanoseconds(floor.read),
        encode_ns: nanoseconds(floor.encode),
        hash_ns: nanoseconds(floor.hash),
    };
    print(serde_json::to_string(&floor)?)?;
    Ok(ExitCode::SUCCESS)
}
