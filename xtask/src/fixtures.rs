//! `cargo xtask fixtures`: makes root filesystems from profiles.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fixtures::{Fixture, Owners, Profile, Scale};

use crate::say;

/// Make root filesystems from profiles: the same seed makes the same tree anywhere
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Which: alpine-mini, debian-base, tiny-50k, one-big, tar-corners [default: all of them]
    profiles: Vec<Profile>,
    /// How many times as many files as the profile has, to three decimals
    #[arg(long, default_value_t)]
    scale: Scale,
    /// Another seed makes another tree of the same kind
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to: each profile gets a directory of its own in it
    #[arg(long, value_name = "DIR", required_unless_present = "verify")]
    out: Option<PathBuf>,
    /// Make nothing: compress a sample of each class and compare it with the real one; exit 1 if it is off by more than 5 %
    #[arg(long)]
    verify: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let profiles = if arguments.profiles.is_empty() { &Profile::ALL[..] } else { &arguments.profiles };
    let mut code = ExitCode::SUCCESS;
    for profile in profiles {
        let fixture = Fixture::new(*profile).scale(arguments.scale).seed(arguments.seed);
        if arguments.verify {
            let shape = fixture.shape();
            say(format!("{fixture}\n{shape}\n"))?;
            if !shape.is_within(5) {
                code = ExitCode::FAILURE;
            }
        } else if let Some(out) = &arguments.out {
            let root = out.join(profile.name());
            let made = fixture.create(&root)?;
            let owners = match made.owners {
                Owners::Set => "",
                Owners::LeftAsTheyAre => "; owners are left as they are, because only root can set them",
            };
            say(format!(
                "{}: {fixture}, {} entries, {} bytes of content, digest {}{owners}",
                root.display(),
                made.entries,
                made.content_bytes,
                made.digest
            ))?;
        }
    }
    Ok(code)
}
