//! `cargo xtask fixtures`: makes root filesystems from profiles, compares them with real ones, and changes trees by models.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use fixtures::{ChangeModel, Evolved, Fixture, Owners, Profile, Scale};

use crate::cli::{print, scratch_or_default};
use crate::fidelity;

/// Make root filesystems from profiles: the same seed makes the same tree on any machine
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  cargo xtask fixtures debian-base --scale 0.4 --out /tmp/trees")]
pub(crate) struct Arguments {
    /// Profiles, such as debian-base [default: all]
    profiles: Vec<Profile>,
    /// Factor on the number of files, with at most three decimals
    #[arg(long, default_value_t)]
    scale: Scale,
    /// Seed: another one makes another tree of the same kind, or another change
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Parent of the trees: each profile gets a directory of its own
    #[arg(long, value_name = "DIR", required_unless_present_any = ["verify", "digest", "evolve"])]
    out: Option<PathBuf>,
    /// Only print the digest, in the form of profiles/*.lock
    #[arg(long, conflicts_with_all = ["out", "verify"])]
    digest: bool,
    /// Compare with the real tree: compress a sample of each class and the whole tar, count sizes, names and
    /// directories; exit with 1 if a class is off by more than 5 %, or the whole by more than 3 %
    #[arg(long, conflicts_with = "out")]
    verify: bool,
    /// Change a tree that exists, in place, as trees change between two packs: nothing, packages, random, append, rebuilt
    #[arg(long, value_name = "MODEL", requires = "tree", conflicts_with_all = ["profiles", "out", "verify", "digest"])]
    evolve: Option<ChangeModel>,
    /// With --evolve: the tree
    #[arg(long, value_name = "DIR", requires = "evolve")]
    tree: Option<PathBuf>,
    /// With --verify: print the figures as JSON
    #[arg(long, requires = "verify")]
    json: bool,
    /// With --verify: parent of the scratch directory [default: the directory for temporary files]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let (Some(model), Some(tree)) = (arguments.evolve, &arguments.tree) {
        return evolve(model, tree, arguments.seed);
    }
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

fn evolve(model: ChangeModel, tree: &Path, seed: u64) -> Result<ExitCode> {
    let Evolved { files, bytes, entries } = model.apply(tree, seed)?;
    print(format!(
        "{}: {model}, seed {seed}: {files} files of {bytes} bytes changed, {entries} times",
        tree.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

fn create(fixture: &Fixture, root: &Path) -> Result<()> {
    let made = fixture.create(root)?;
    let owners = match made.owners {
        Owners::Set => "",
        Owners::LeftAsTheyAre => "; owners are left as they are, because only root can set them",
    };
    let locked = if fixture.locked() == Some(made.digest) { "locked" } else { "not locked" };
    print(format!(
        "{}: {fixture}, {} entries, {} bytes of content, digest {} ({locked}){owners}",
        root.display(),
        made.entries,
        made.content_bytes,
        made.digest
    ))
}
