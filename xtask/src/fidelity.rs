//! How near a fixture is to the real tree that it stands for: its classes and its tar, compressed by `gzip -6` and
//! `zstd -3`.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use fixtures::{Fidelity, Fixture, ReferenceCodec};
use harness::record::FidelityFigure;
use packer::{Compression, Pack};

/// A fixture beside the real tree, as records keep it.
pub(crate) fn likeness(fixture: &Fixture, scratch: &Path) -> Result<Vec<FidelityFigure>> {
    let figures = shape(fixture, scratch)?.told();
    Ok(figures.into_iter().map(|(what, [real, fixture], near)| FidelityFigure { what, real, fixture, near }).collect())
}

/// Measures the classes and, of a fixture that has a target for it, the whole tar.
pub(crate) fn shape(fixture: &Fixture, scratch: &Path) -> Result<Fidelity> {
    let mut shape = fixture.fidelity(&compressed)?;
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

/// The size of the input after `gzip -6` or `zstd -3`.
fn compressed(codec: ReferenceCodec, from: &mut dyn Read) -> io::Result<u64> {
    match codec {
        ReferenceCodec::Gzip6 => {
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
        ReferenceCodec::Zstd3 => {
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
