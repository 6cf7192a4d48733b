//! What the command says of itself for shells and for `man`, made from the same text as its help.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::args::Arguments;

/// What `onepass pack --help` ends with. Every line that begins with the command is run by a test.
pub(crate) const PACK_EXAMPLES: &str = "\
Examples:
  One file, gzip, all cores:
    onepass pack rootfs -o images
  What it shows can be checked by anybody:
    onepass pack rootfs -o images -c zstd | sha256sum -c
  For LXD and Incus (then: lxc image import FILE):
    onepass pack rootfs -o images -f unified --property serial=20260101
  In two files, with the uids of a container shifted back:
    onepass pack rootfs -o images -f split --idmap both:0:0:65536
  Into an OCI image layout (then: skopeo copy oci:layout:latest …):
    onepass pack rootfs -o layout -f oci --tag latest --entrypoint /bin/sh
  To another machine, with nothing on this one's disk:
    onepass pack rootfs -o - -c zstd | ssh host 'cat > image.tar.zst'
  Only if something has changed since the last time:
    onepass pack rootfs -o images --if-changed $(ls images | head -c 64)

Exit codes: 0 done; 1 failed, and nothing is left; 2 wrong arguments; 3 a --live tree changed meanwhile; 128 + n ended by signal n.";

#[derive(Args, Debug)]
pub(crate) struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArguments {
    /// The page of this command, instead of the one of all
    command: Option<String>,
}

pub(crate) fn completions(arguments: &CompletionsArguments) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "onepass", &mut text);
    write(&text)
}

pub(crate) fn man(arguments: &ManArguments) -> Result<ExitCode> {
    // Subcommands know their whole name, `onepass pack`, once the command is built.
    let mut command = Arguments::command().disable_help_subcommand(true);
    command.build();
    let page = match &arguments.command {
        None => command,
        Some(name) => {
            let found = command.find_subcommand(name);
            found.with_context(|| format!("there is no command `{}`", name.escape_debug()))?.clone()
        }
    };
    let mut text = Vec::new();
    clap_mangen::Man::new(page).render(&mut text).context("cannot write the page")?;
    write(&text)
}

fn write(text: &[u8]) -> Result<ExitCode> {
    let mut out = std::io::stdout().lock();
    out.write_all(text).and_then(|()| out.flush()).context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}
