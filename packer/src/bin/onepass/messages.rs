//! Lines for people: how errors read, and where lines go.

use std::io::{self, Write};

use anyhow::{Context, Result};
use indicatif::DecimalBytes;
use packer::{Change, Exclusion};

use crate::closed_streams;

/// An error in one line: each cause once, in lower case, without the number of the operating system's error.
pub(crate) fn format_error(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        if !text.is_empty() {
            text.push_str(": ");
        }
        match cause.downcast_ref::<io::Error>() {
            Some(cause) => text.push_str(&format_io_error(cause)),
            None => text.push_str(&cause.to_string()),
        }
    }
    text
}

fn format_io_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

/// A size in a readable unit and in bytes: `1.41 GB (1412345678 bytes)`. Units are powers of 1,000.
pub(crate) fn format_size(bytes: u64) -> String {
    if bytes < 1_000 { format!("{bytes} bytes") } else { format!("{} ({bytes} bytes)", DecimalBytes(bytes)) }
}

/// Prints a line on standard output.
pub(crate) fn print_line(line: impl AsRef<[u8]>) -> Result<()> {
    print_lines([line])
}

/// Prints lines on standard output.
pub(crate) fn print_lines<Line: AsRef<[u8]>>(lines: impl IntoIterator<Item = Line>) -> Result<()> {
    lines.into_iter().try_for_each(|line| print([line.as_ref(), b"\n"].concat()))
}

/// Prints bytes on standard output. An error if it was closed when the process began.
pub(crate) fn print(bytes: impl AsRef<[u8]>) -> Result<()> {
    let mut out = io::stdout().lock();
    let printed = closed_streams::check_stdout().and_then(|()| out.write_all(bytes.as_ref()));
    printed.and_then(|()| out.flush()).context("cannot write to standard output")
}

/// Prints a line on standard error that is a result. An error if it was closed when the process began.
pub(crate) fn eprint_result(line: impl AsRef<[u8]>) -> Result<()> {
    closed_streams::check_stderr().context("cannot write to standard error")?;
    eprint_line(line)
}

/// Prints a line on standard error.
pub(crate) fn eprint_line(line: impl AsRef<[u8]>) -> Result<()> {
    let mut err = io::stderr().lock();
    let printed = err.write_all(line.as_ref()).and_then(|()| err.write_all(b"\n"));
    printed.context("cannot write to standard error")
}

/// Warns of exclusions that matched nothing: a mistyped one would leave in the image what was to be left out.
pub(crate) fn warn_of_unmatched(exclusions: &[Exclusion]) -> Result<()> {
    exclusions.iter().try_for_each(|exclusion| {
        eprint_line(format!("onepass: the exclusion `{}` matched nothing", exclusion.to_string().escape_debug()))
    })
}

/// Tells of the entries that changed during the pack, and how many changes are not among them.
pub(crate) fn tell_changes(changes: &[Change], further: u64) -> Result<()> {
    changes.iter().try_for_each(|change| eprint_line(format!("onepass: {change}")))?;
    match further {
        0 => Ok(()),
        1 => eprint_line("onepass: 1 more change came, which is not listed"),
        more => eprint_line(format!("onepass: {more} more changes came, which are not listed")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable_and_exact() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (999, "999 bytes"),
            (1_000, "1.00 kB (1000 bytes)"),
            (5_009, "5.01 kB (5009 bytes)"),
            (413_094_567, "413.09 MB (413094567 bytes)"),
            (1_412_345_678, "1.41 GB (1412345678 bytes)"),
        ] {
            assert_eq!(format_size(bytes), text);
        }
    }

    #[test]
    fn every_error_is_one_line_in_one_style() {
        let missing = || io::Error::from_raw_os_error(2);
        let of = |error: anyhow::Error| format_error(&error);
        assert_eq!(of(anyhow::Error::new(missing())), "no such file or directory");
        assert_eq!(
            of(anyhow::Error::new(missing()).context("cannot read `a`")),
            "cannot read `a`: no such file or directory"
        );
        let library = || packer::Pack::new("/nowhere").publish("/nowhere").unwrap_err();
        let text = "cannot open the output directory `/nowhere`: no such file or directory";
        assert_eq!(of(library().into()), text);
        assert_eq!(format!("{:#}", library()), text);
        assert_eq!(of(anyhow::Error::new(library()).context("cannot pack")), format!("cannot pack: {text}"));
    }
}
