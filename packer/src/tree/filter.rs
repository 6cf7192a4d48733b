//! Exclusions: globs of the paths that stay out of the archive.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};

/// A glob of paths below the top of a tree. A directory that matches is excluded with everything in it.
///
/// The glob is anchored at the top, with or without a leading slash. `*` and `?` stop at slashes, `**` does not; `[…]` is a set of
/// characters, `{a,b}` are alternatives, and a backslash escapes. Paths are matched as bytes, so they need not be UTF-8.
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
pub struct Exclusion(globset::Glob);

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
        let anchored = glob.trim_matches('/');
        if anchored.is_empty() {
            return Err(invalid("it names nothing below the top".into()));
        }
        let built = GlobBuilder::new(anchored).literal_separator(true).backslash_escape(true).build();
        built.map(Exclusion).map_err(|error| invalid(error.kind().to_string()))
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
        f.write_str(self.0.glob())
    }
}

/// All exclusions of a walk, compiled into one set.
#[derive(Clone, Debug)]
pub(crate) struct ExclusionSet(GlobSet);

impl ExclusionSet {
    pub(crate) fn new(exclusions: &[Exclusion]) -> Result<Self> {
        let mut set = GlobSetBuilder::new();
        for exclusion in exclusions {
            set.add(exclusion.0.clone());
        }
        let set =
            set.build().map_err(|error| Error::invalid_options(format!("the exclusions are too large: {error}")))?;
        Ok(ExclusionSet(set))
    }

    /// Whether `path`, below the top and without a leading slash, matches one of the globs.
    pub(crate) fn matches(&self, path: &[u8]) -> bool {
        !self.0.is_empty() && self.0.is_match(OsStr::from_bytes(path))
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
        ] {
            assert_eq!(set(glob).matches(path.as_bytes()), expected, "{glob} {path}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_can_be_excluded() {
        assert!(set("a*z").matches(b"a\xff\xfez"));
    }

    #[test]
    fn an_invalid_glob_is_refused_with_a_reason() {
        for (text, reason) in [("", "names nothing"), ("/", "names nothing"), ("[a", "unclosed"), ("{a", "unclosed")] {
            let error = text.parse::<Exclusion>().unwrap_err().to_string();
            assert!(error.contains(reason), "`{text}`: {error}");
        }
    }
}
