//! `onepass verify`: checks that an image is sound, and compares it with a root filesystem.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use packer::{Pack, Verified, escape_path};

use crate::args::VerifyArguments;
use crate::exit_code::FAILED;
use crate::fakeroot;
use crate::messages::{eprint_line, print_lines};

pub(crate) fn run(arguments: &VerifyArguments) -> Result<ExitCode> {
    let source = arguments.image.source();
    let pack = match &arguments.against {
        Some(rootfs) => {
            fakeroot::refuse()?;
            Some(arguments.rules.apply(Pack::new(rootfs))?)
        }
        None => None,
    };
    let verified = source.verify_all()?;
    let lines = verified.iter().map(|verified| line(&arguments.image.image, verified));
    let Some(pack) = pack else {
        print_lines(lines)?;
        return Ok(ExitCode::SUCCESS);
    };
    let differences = source.compare_with_tree(&pack)?;
    print_lines(differences.iter().flat_map(|difference| difference.lines(["the image", "the tree"])))?;
    lines.into_iter().try_for_each(eprint_line)?;
    let rootfs = escape_path(pack.rootfs());
    if differences.is_empty() {
        eprint_line(format!("{rootfs} is the same"))?;
        return Ok(ExitCode::SUCCESS);
    }
    eprint_line(format!("{rootfs} differs in {} entries", differences.len()))?;
    Ok(ExitCode::from(FAILED))
}

/// The line that says that an image is sound.
fn line(image: &Path, verified: &Verified) -> String {
    let Verified { format, tag, fingerprint, diff_id, size, tar_size, entries, has_late_metadata, .. } = verified;
    let image = match tag {
        Some(tag) => format!("{} ({})", escape_path(image), escape_path(tag.as_ref())),
        None => escape_path(image),
    };
    let late =
        if *has_late_metadata { "; metadata.yaml is not its first member, so that imports are slow" } else { "" };
    format!(
        "{image}: sound ({format} {fingerprint}, {size} bytes; {entries} entries in a tar of {tar_size} bytes, \
         diffID sha256:{diff_id}{late})"
    )
}
