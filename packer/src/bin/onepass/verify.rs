//! `onepass verify`: whether an image is sound, and whether it is what a tree would be packed to.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use packer::{Verified, escape_path};

use crate::args::VerifyArguments;
use crate::{DIFFERENT, remark, say};

pub(crate) fn run(arguments: &VerifyArguments) -> Result<ExitCode> {
    let source = arguments.image.source();
    let verified = source.verify_all()?;
    let lines = verified.iter().map(|verified| line(arguments, verified));
    let Some(rootfs) = &arguments.against else {
        lines.into_iter().try_for_each(|line| say(&line))?;
        return Ok(ExitCode::SUCCESS);
    };
    let differences = source.compare_with_tree(&arguments.rules.pack(rootfs))?;
    let mut out = std::io::stdout().lock();
    for line in differences.iter().flat_map(|difference| difference.lines(["the image", "the tree"])) {
        writeln!(out, "{line}").context("cannot write to standard output")?;
    }
    out.flush().context("cannot write to standard output")?;
    lines.into_iter().try_for_each(|line| remark(&line))?;
    if differences.is_empty() {
        remark(&format!("{} is the same", escape_path(rootfs)))?;
        return Ok(ExitCode::SUCCESS);
    }
    remark(&format!("{} differs in {} entries", escape_path(rootfs), differences.len()))?;
    Ok(ExitCode::from(DIFFERENT))
}

fn line(arguments: &VerifyArguments, verified: &Verified) -> String {
    let Verified { format, tag, fingerprint, diff_id, size, tar_size, entries, has_late_metadata, .. } = verified;
    let image = escape_path(&arguments.image.image);
    let image = match tag {
        Some(tag) => format!("{image} ({})", escape_path(tag.as_ref())),
        None => image,
    };
    let late =
        if *has_late_metadata { "; metadata.yaml is not its first member, so that imports are slow" } else { "" };
    format!(
        "{image}: sound ({format} {fingerprint}, {size} bytes; {entries} entries in a tar of {tar_size} bytes, \
         diffID sha256:{diff_id}{late})"
    )
}
