//! `cargo xtask fixtures`: makes root filesystems from profiles, and compares them with real ones.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result};
use clap::Args;
use fixtures::{Fixture, Owners, Profile, Scale, Shape, Yardstick};
use harness::record::Likeness;
use packer::{Compression, Pack};

use crate::say;

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
            say(format!("{fixture}: \"x{} seed {}\" = \"{}\"", arguments.scale, arguments.seed, fixture.digest()?))?;
            continue;
        }
        if let Some(out) = &arguments.out {
            create(&fixture, &out.join(profile.name()))?;
            continue;
        }
        let shape = shape(&fixture, &arguments.scratch.clone().unwrap_or_else(std::env::temp_dir))?;
        if arguments.json {
            say(serde_json::to_string_pretty(&shape)?)?
        } else {
            say(&shape)?
        }
        for complaint in shape.complaints() {
            say(complaint)?;
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
    say(format!(
        "{}: {fixture}, {} entries, {} bytes of content, digest {}{owners}",
        root.display(),
        made.entries,
        made.content_bytes,
        made.digest
    ))
}

/// A fixture beside the real tree, as records have it.
pub(crate) fn likeness(fixture: &Fixture, scratch: &Path) -> Result<Vec<Likeness>> {
    let told = shape(fixture, scratch)?.told();
    Ok(told.into_iter().map(|(what, [real, fixture], near)| Likeness { what, real, fixture, near }).collect())
}

/// Measures the classes and, of a fixture that has a target for it, the whole tar.
fn shape(fixture: &Fixture, scratch: &Path) -> Result<Shape> {
    let mut shape = fixture.shape(&compressed)?;
    if fixture.whole_target().is_some() {
        let scratch = tempfile::tempdir_in(scratch).context("cannot create a scratch directory")?;
        let (root, images) = (scratch.path().join("rootfs"), scratch.path().join("images"));
        fixture.create(&root)?;
        std::fs::create_dir(&images).context("cannot create a directory for the tar")?;
        let image = Pack::new(&root).compression(Compression::None).publish(&images)?;
        let tar = image.path.context("the tar was not kept")?;
        shape.whole = fixture.whole(|| File::open(&tar), &compressed)?;
    }
    Ok(shape)
}

/// What `gzip -6` and `zstd -3` leave of what is read.
fn compressed(yardstick: Yardstick, from: &mut dyn Read) -> io::Result<u64> {
    match yardstick {
        Yardstick::Gzip6 => {
            let mut gzip =
                Command::new("gzip").args(["-6", "-n", "-c"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
            let (Some(mut input), Some(mut output)) = (gzip.stdin.take(), gzip.stdout.take()) else {
                return Err(io::Error::other("gzip has no pipes"));
            };
            let left = std::thread::scope(|scope| {
                let counter = scope.spawn(move || io::copy(&mut output, &mut io::sink()));
                io::copy(from, &mut input)?;
                drop(input);
                counter.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })?;
            if gzip.wait()?.success() { Ok(left) } else { Err(io::Error::other("gzip failed")) }
        }
        Yardstick::Zstd3 => {
            let mut count = Count(0);
            zstd::stream::copy_encode(from, &mut count, 3)?;
            Ok(count.0)
        }
    }
}

struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
