//! Files of `--exclude-from`: one glob a line.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use anyhow::{Context, Result};
use packer::{Exclusion, escape_path};

use crate::closed_streams;
use crate::stdout::STANDARD_STREAM;
use crate::wrong_use::WrongUse;

/// The globs in the file called `path`; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Vec<Exclusion>> {
    if path == Path::new(STANDARD_STREAM) {
        closed_streams::check_stdin().context("cannot read standard input")?;
        return globs("standard input", io::stdin().lock());
    }
    let name = format!("`{}`", escape_path(path));
    let file = File::open(path).with_context(|| format!("cannot open {name}"))?;
    globs(&name, BufReader::new(file))
}

/// The globs in what `reader` reads, which messages call `name`. A line is a glob as it is, spaces included.
fn globs(name: &str, reader: impl BufRead) -> Result<Vec<Exclusion>> {
    let mut globs = Vec::new();
    for (number, line) in (1_u64..).zip(reader.split(b'\n')) {
        let line = line.with_context(|| format!("cannot read {name}"))?;
        let invalid = |reason: String| WrongUse::value(format!("{name}, line {number}: {reason}"));
        let line = String::from_utf8(line).map_err(|_| invalid("the glob is not UTF-8".to_owned()))?;
        let line = line.strip_suffix('\r').unwrap_or(&line);
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        globs.push(line.parse().map_err(|error: packer::InvalidExclusion| invalid(error.to_string()))?);
    }
    Ok(globs)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Result<Vec<String>> {
        globs("`file`", text).map(|globs| globs.iter().map(Exclusion::to_string).collect())
    }

    #[test]
    fn lines_are_globs_but_for_comments_and_empty_ones() {
        for (text, expected) in [
            (&b""[..], &[][..]),
            (b"dev/*\n**/*.pyc", &["dev/*", "**/*.pyc"]),
            (b"# comment\n\n  \ndev\r\n\r\n", &["dev"]),
            (b"\\#a\n b #c\n", &["\\#a", " b #c"]),
        ] {
            assert_eq!(read(text).unwrap(), expected, "{}", text.escape_ascii());
        }
    }

    #[test]
    fn an_invalid_line_is_named_by_its_number() {
        for (text, words) in [
            (&b"a\n[b\n"[..], "`file`, line 2: `[b` is not a glob: "),
            (b"# a\n\n/\n", "`file`, line 3: `/` is not a glob: "),
            (b"a\xff\n", "`file`, line 1: the glob is not UTF-8"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.starts_with(words), "{error}");
        }
    }
}
