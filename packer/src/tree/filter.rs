//! Exclusions: globs of the paths that stay out of the archive.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};
use crate::tree::glob;

/// A glob of paths below the top of a tree. A directory that matches is excluded with everything in it.
///
/// The glob is anchored at the top, with or without a leading slash or `./`. `*` and `?` stop at slashes, `**` does not; `[…]` is a set of
/// characters, `{a,b}` are alternatives, and a backslash escapes. `//` and `/./` count as one slash, as in paths; `..` is refused. Each
/// alternative of a whole glob is read so, and has to name something. Paths
/// are matched as bytes, so they need not be UTF-8: `?` is one byte, and a set with a character beyond ASCII is refused.
///
/// ```
/// use packer::Exclusion;
///
/// let exclusion = Exclusion::new("/var/cache/**")?;
/// assert_eq!(exclusion.to_string(), "var/cache/**");
/// assert!(Exclusion::new("[a").is_err());
/// # Ok::<(), packer::InvalidExclusion>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    text: String,
    /// One for each alternative.
    globs: Vec<Glob>,
}

/// The error for an invalid glob, or one that matches nothing below the top.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a glob: {reason}")]
pub struct InvalidExclusion {
    glob: String,
    reason: String,
}

impl Exclusion {
    /// Compiles a glob.
    ///
    /// # Errors
    ///
    /// If the glob is empty, is invalid, or becomes too large when it is compiled.
    pub fn new(glob: &str) -> std::result::Result<Self, InvalidExclusion> {
        let invalid =
            |reason: String| InvalidExclusion { glob: glob.escape_debug().to_string(), reason: reason.to_lowercase() };
        let compile = |glob: &str| glob::compile(GlobBuilder::new(glob).literal_separator(true)).map_err(invalid);
        // First as a whole, so that the reason is about what was typed.
        compile(glob)?;
        let alternatives = glob::alternatives(glob)
            .ok_or_else(|| invalid(format!("it has more than {} alternatives", glob::MOST_ALTERNATIVES)))?;
        let compiled = |alternative: &String| {
            let path = normalized(alternative);
            if path.split('/').any(|component| component == "..") {
                return Err(invalid("`..` would lead out of the tree".into()));
            }
            if path.is_empty() {
                return Err(invalid("it names nothing below the top".into()));
            }
            compile(&path)
        };
        let globs = alternatives.iter().map(compiled).collect::<std::result::Result<_, _>>()?;
        Ok(Exclusion { text: normalized(glob), globs })
    }
}

impl FromStr for Exclusion {
    type Err = InvalidExclusion;

    fn from_str(glob: &str) -> std::result::Result<Self, InvalidExclusion> {
        Exclusion::new(glob)
    }
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A glob that matches this path alone.
pub(crate) fn escaped(path: &str) -> String {
    globset::escape(path)
}

/// The glob without what no path of the archive has: empty components and `.`.
fn normalized(glob: &str) -> String {
    let kept: Vec<&str> = components(glob).into_iter().filter(|component| !["", "."].contains(component)).collect();
    kept.join("/")
}

/// The parts of a glob between its slashes. A slash in a set of characters, in braces or behind a backslash divides nothing.
fn components(glob: &str) -> Vec<&str> {
    let (mut parts, mut start, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, character) in glob::syntax(glob) {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            '/' if depth == 0 => {
                parts.push(&glob[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&glob[start..]);
    parts
}

/// Stands for any name.
const SOME_NAME: &[u8] = b"x";

/// The glob with [`SOME_NAME`] as its last component.
fn with_some_name(glob: &Glob) -> std::result::Result<Glob, globset::Error> {
    let mut parts = components(glob.glob());
    parts.pop();
    parts.push("x");
    GlobBuilder::new(&parts.join("/")).literal_separator(true).backslash_escape(true).build()
}

/// All exclusions of a walk, compiled into one set, and which of them have matched.
#[derive(Debug)]
pub(crate) struct ExclusionSet {
    set: GlobSet,
    /// The same globs with [`SOME_NAME`] as the last component.
    of_some_name: GlobSet,
    /// The exclusion that each glob of the set is of.
    owners: Vec<usize>,
    exclusions: Vec<Exclusion>,
    matched: Vec<AtomicBool>,
}

impl ExclusionSet {
    pub(crate) fn new(exclusions: &[Exclusion]) -> Result<Self> {
        let too_large = |error| Error::invalid_options(format!("the exclusions are too large: {error}"));
        let (mut set, mut of_some_name, mut owners) = (GlobSetBuilder::new(), GlobSetBuilder::new(), Vec::new());
        for (number, exclusion) in exclusions.iter().enumerate() {
            for glob in &exclusion.globs {
                set.add(glob.clone());
                of_some_name.add(with_some_name(glob).map_err(too_large)?);
                owners.push(number);
            }
        }
        let (set, of_some_name) = (set.build().map_err(too_large)?, of_some_name.build().map_err(too_large)?);
        let matched = exclusions.iter().map(|_| AtomicBool::new(false)).collect();
        Ok(ExclusionSet { set, of_some_name, owners, exclusions: exclusions.to_vec(), matched })
    }

    /// Whether the directory at `path` may hold a name that matches, whether or not there is one.
    pub(crate) fn may_match_in(&self, path: &[u8]) -> bool {
        if self.of_some_name.is_empty() {
            return false;
        }
        let path = if path.is_empty() { SOME_NAME.to_vec() } else { [path, SOME_NAME].join(&b'/') };
        self.of_some_name.is_match(OsStr::from_bytes(&path))
    }

    /// Whether `path`, below the top and without a leading slash, matches one of the globs.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        if self.set.is_empty() || !self.set.is_match(OsStr::from_bytes(path)) {
            return false;
        }
        for number in self.set.matches(OsStr::from_bytes(path)) {
            self.matched[self.owners[number]].store(true, Ordering::Relaxed);
        }
        true
    }

    /// The exclusions that have matched no path so far.
    pub(crate) fn unmatched(&self) -> Vec<Exclusion> {
        let pairs = self.exclusions.iter().zip(&self.matched);
        pairs.filter(|(_, matched)| !matched.load(Ordering::Relaxed)).map(|(exclusion, _)| exclusion.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(glob: &str) -> ExclusionSet {
        ExclusionSet::new(&[glob.parse().unwrap()]).unwrap()
    }

    #[test]
    fn globs_are_anchored_and_stars_stop_at_slashes() {
        for (glob, path, expected) in [
            ("dev/*", "dev/null", true),
            ("/dev/*", "dev/null", true),
            ("dev/*", "dev", false),
            ("dev/*", "dev/pts/0", false),
            ("dev/*", "srv/dev/null", false),
            ("dev", "dev", true),
            ("dev/", "dev", true),
            ("*.pyc", "a.pyc", true),
            ("*.pyc", "lib/a.pyc", false),
            ("**/*.pyc", "lib/a/b.pyc", true),
            ("**/*.pyc", "b.pyc", true),
            ("var/cache/**", "var/cache/apt/archives", true),
            ("[ab]/{x,y}", "b/y", true),
            ("a?c", "a/c", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
            ("./dev", "dev", true),
            (".//dev/./*", "dev/null", true),
            ("dev//pts", "dev/pts", true),
            ("dev/.", "dev", true),
            ("dev/.hidden", "dev/.hidden", true),
            ("[.]", ".", true),
            ("[]/]x", "]x", true),
            ("{a,b/c}", "b/c", true),
            ("{a/,b/}c", "a/c", true),
            ("..x/x..", "..x/x..", true),
            ("{/dev,/etc/shadow}", "etc/shadow", true),
            ("{dev,/etc/shadow}", "etc/shadow", true),
            ("{dev,etc/shadow/}", "etc/shadow", true),
            ("{dev,etc/.}", "etc", true),
            ("{a,b}{/x,/y}", "b/y", true),
            ("{./a,b}", "a", true),
            ("{a,b//c}", "b/c", true),
            ("x/{a,}", "x", true),
            ("{a,{b,./c}/d}", "c/d", true),
        ] {
            assert_eq!(set(glob).matches(path.as_bytes()), expected, "{glob} {path}");
        }
    }

    #[test]
    fn directories_that_may_hold_an_excluded_name_are_known_without_it() {
        for (glob, path, expected) in [
            ("dev/*", "dev", true),
            ("dev/*", "", false),
            ("dev/*", "dev/pts", false),
            ("a/*.lock", "a", true),
            ("a/name", "a", true),
            ("*.lock", "", true),
            ("name", "a", false),
            ("**/*.lock", "", true),
            ("**/*.lock", "a/b", true),
            ("a/**/name", "a", true),
            ("a/**/name", "a/b/c", true),
            ("a/**/name", "b", false),
            ("a/**", "a", true),
            ("a/**", "", false),
            ("{a/*.lock,b/c/name}", "b/c", true),
            ("{a/*.lock,b/c/name}", "b", false),
            ("[ab]/?", "b", true),
            ("\\*/name", "*", true),
            ("\\*/name", "b", false),
        ] {
            assert_eq!(set(glob).may_match_in(path.as_bytes()), expected, "{glob} {path}");
        }
        assert!(!ExclusionSet::new(&[]).unwrap().may_match_in(b"a"));
    }

    #[test]
    fn a_glob_is_kept_without_empty_components() {
        for (glob, kept) in
            [("[e]é/./x", "[e]é/x"), ("//a/[!]]/.//{b,c/d}//", "a/[!]]/{b,c/d}"), ("[!^]/./x", "[!^]/x")]
        {
            assert_eq!(Exclusion::new(glob).unwrap().to_string(), kept);
        }
    }

    #[test]
    fn names_that_are_not_utf8_can_be_excluded() {
        assert!(set("a*z").matches(b"a\xff\xfez"));
    }

    #[test]
    fn an_invalid_glob_is_refused_with_a_reason() {
        for (text, reason) in [
            ("", "names nothing"),
            ("/", "names nothing"),
            (".", "names nothing"),
            ("/./", "names nothing"),
            ("../x", "lead out"),
            ("a/../b", "lead out"),
            ("{a,../b}", "lead out"),
            ("{a,b/../c}", "lead out"),
            ("{a,.}", "names nothing"),
            ("{a,}", "names nothing"),
            ("{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}", "more than 1000 alternatives"),
            ("[a", "unclosed"),
            ("{a", "unclosed"),
            ("[é]", "single bytes"),
            ("a/[!à-ü]/./b", "single bytes"),
        ] {
            let error = text.parse::<Exclusion>().unwrap_err().to_string();
            assert!(error.contains(reason), "`{text}`: {error}");
        }
    }
}
