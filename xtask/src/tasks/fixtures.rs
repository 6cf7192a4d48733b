//! `cargo xtask fixtures`: makes root filesystems from profiles, and compares them with real ones.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fixtures::{Fixture, Owners, Profile, Scale};

use crate::cli::{print, scratch_or_default};
use crate::fidelity;

/// Make root filesystems from profiles: the same seed makes the same tree anywhere
#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Which, such as debian-base [default: all of them]
    profiles: Vec<Profile>,
    /// How many times as many files as the profile has, to three decimals
    #[arg(long, default_value_t)]
    scale: Scale,
    /// Another seed makes another tree of the same kind
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where to: each profile gets a directory of its own in it
    #[arg(long, value_name = "DIR", required_unless_present_any = ["verify", "digest"])]
    out: Option<PathBuf>,
    /// Only print the digest, as it stands in profiles/*.lock
    #[arg(long, conflicts_with_all = ["out", "verify"])]
    digest: bool,
    /// Compare with the real tree: a sample of each class and the whole tar are compressed, and sizes, names and directories
    /// counted; exit 1 if a class is off by more than 5 %, the whole by more than 3 %
    #[arg(long, conflicts_with = "out")]
    verify: bool,
    /// With --verify: the figures as JSON
    #[arg(long, requires = "verify")]
    json: bool,
    /// Where the whole tree is made and packed with --verify, and removed [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let profiles = if arguments.profiles.is_empty() { &Profile::ALL[..] } else { &arguments.profiles };
    let mut code = ExitCode::SUCCESS;
    for profile in profiles {
        let fixture = Fixture::new(*profile).scale(arguments.scale).seed(arguments.seed);
        if arguments.digest {
            print(format!("{fixture}: \"x{} seed {}\" = \"{}\"", arguments.scale, arguments.seed, fixture.digest()?))?;
            continue;
        }
        if let Some(out) = &arguments.out {
            create(&fixture, &out.join(profile.name()))?;
            continue;
        }
        let shape = fidelity::shape(&fixture, &scratch_or_default(arguments.scratch.as_deref()))?;
        if arguments.json {
            print(serde_json::to_string_pretty(&shape)?)?
        } else {
            print(&shape)?
        }
        for complaint in shape.complaints() {
            print(complaint)?;
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

fn create(fixture: &Fixture, root: &Path) -> Result<()> {
    let made = fixture.create(root)?;
    let owners = match made.owners {
        Owners::Set => "",
        Owners::LeftAsTheyAre => "; owners are left as they are, because only root can set them",
    };
    print(format!(
        "{}: {fixture}, {} entries, {} bytes of content, digest {}{owners}",
        root.display(),
        made.entries,
        made.content_bytes,
        made.digest
    ))
}
