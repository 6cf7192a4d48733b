//! What is accepted: the size of each image, and the revision whose speed `main` is compared with.
//!
//! The table is text with one row a line, for readable diffs. `cargo xtask accept` writes it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// The table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Expected {
    /// By fixture and compression.
    pub(super) sizes: BTreeMap<(String, String), u64>,
    /// The full name of the accepted revision.
    pub(super) base: Option<String>,
}

/// The head of the table.
const HEAD: &str = "\
# What the gates compare with. Changed by `cargo xtask accept RESULTS` alone.
# base | the revision that the time of `main` is compared with
# size | fixture | compression | bytes of the image
";

impl Expected {
    /// The size of an image in bytes.
    #[must_use]
    pub fn size(&self, fixture: &str, compression: &str) -> Option<u64> {
        self.sizes.get(&(fixture.to_owned(), compression.to_owned())).copied()
    }

    /// The accepted revision, by its full name: the base of the time of `main`.
    #[must_use]
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }
}

impl FromStr for Expected {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut expected = Expected::default();
        for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.is_empty()) {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let unclear = || format!("line {} is no row: `{line}`", number + 1);
            let double = match cells[..] {
                ["size", fixture, compression, bytes] => {
                    let key = (fixture.to_owned(), compression.to_owned());
                    expected.sizes.insert(key, bytes.parse().map_err(|_| unclear())?).is_some()
                }
                ["base", revision] if revision.len() == 40 && revision.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                    expected.base.replace(revision.to_owned()).is_some()
                }
                _ => return Err(unclear()),
            };
            if double {
                return Err(format!("line {} is there twice: `{line}`", number + 1));
            }
        }
        Ok(expected)
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        if let Some(revision) = &self.base {
            writeln!(f, "base | {revision}")?;
        }
        for ((fixture, compression), bytes) in &self.sizes {
            writeln!(f, "size | {fixture} | {compression} | {bytes}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_read_as_it_is_written_and_its_rows_are_sorted() {
        let revision = "0123456789abcdef0123456789abcdef01234567";
        let text = format!("size | b | none | 2\n# a word\n\nbase | {revision}\nsize | a | none | 1\n");
        let expected: Expected = text.parse().unwrap();
        assert_eq!((expected.size("a", "none"), expected.size("a", "gzip:5")), (Some(1), None));
        assert_eq!(expected.base(), Some(revision));
        let written = expected.to_string();
        let rows: Vec<&str> = written.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(rows, [&format!("base | {revision}"), "size | a | none | 1", "size | b | none | 2"]);
        assert_eq!(written.parse::<Expected>().unwrap(), expected);
    }

    #[test]
    fn what_is_no_row_is_named() {
        for line in ["size | a | none", "size | a | none | many", "base | main", "base | 0123456", "x"] {
            assert_eq!(line.parse::<Expected>().unwrap_err(), format!("line 1 is no row: `{line}`"));
        }
        let twice = "size | a | none | 1\nsize | a | none | 2";
        assert!(twice.parse::<Expected>().unwrap_err().contains("twice"));
    }

    /// A codec's promise: a higher level makes no larger image.
    #[test]
    fn of_the_committed_sizes_a_higher_level_has_none_that_is_larger() {
        let committed: Expected = include_str!("../../expected.txt").parse().unwrap();
        let mut levels: BTreeMap<(&str, &str), Vec<(u32, u64)>> = BTreeMap::new();
        for ((fixture, compression), bytes) in &committed.sizes {
            if let Some((codec, level)) = compression.split_once(':') {
                levels.entry((fixture, codec)).or_default().push((level.parse().unwrap(), *bytes));
            }
        }
        for (which, mut sizes) in levels {
            sizes.sort_unstable();
            assert!(sizes.windows(2).all(|pair| pair[1].1 <= pair[0].1), "{which:?}: {sizes:?}");
        }
    }

    #[test]
    fn the_committed_table_is_what_accept_would_write() {
        let committed = include_str!("../../expected.txt");
        assert_eq!(committed.parse::<Expected>().unwrap().to_string(), committed);
    }
}
