//! How a tree becomes entries: what is left out, who owns what, how late a time may be.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};
use crate::tree::entry::Timestamp;
use crate::tree::holes::Sparse;
use crate::tree::id_map::Owners;

/// What the walk goes by. By default everything on the tree's own mount is an entry, as it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) exclusions: Vec<Exclusion>,
    pub(crate) owners: Owners,
    /// No time is later than this, in seconds since 1970.
    pub(crate) latest: Option<i64>,
    /// Whether what is mounted below the top is a part of the tree.
    pub(crate) cross_mounts: bool,
    pub(crate) sparse: Sparse,
    pub(crate) layout: Layout,
}

/// Where the tree stands in the archive, and who unpacks it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// What stands before every path: nothing, or a directory with its slash.
    pub(crate) prefix: &'static [u8],
    /// Whether what is below `dev` is left out when the archive is unpacked, as LXD and Incus do (`--exclude=dev/*`). Then no
    /// other name may refer to a file there.
    pub(crate) unpacked_without_dev: bool,
    /// Whether the archive is a layer, in which a file `.wh.NAME` stands for the absence of another.
    pub(crate) is_layer: bool,
}

impl Layout {
    /// Whether a name means something else to whoever unpacks the archive.
    pub(crate) fn misleads(self, name: &[u8]) -> bool {
        self.is_layer && name.starts_with(b".wh.")
    }

    /// Whether names of one file are hard links of each other if this is one of them.
    pub(crate) fn links(self, path: &[u8]) -> bool {
        !(self.unpacked_without_dev && path.starts_with(b"dev/"))
    }
}

impl Rules {
    /// The same with what a format decides.
    pub(crate) fn filled(self, sparse: Sparse, layout: Layout) -> Self {
        Rules { sparse, layout, ..self }
    }

    /// The exclusions made fit to be asked for every entry.
    pub(crate) fn excluded(&self) -> Result<GlobSet> {
        let mut set = GlobSetBuilder::new();
        for exclusion in &self.exclusions {
            set.add(exclusion.0.clone());
        }
        set.build().map_err(|error| Error::invalid_options(format!("the exclusions are too large: {error}")))
    }

    pub(crate) fn clamped(&self, time: Timestamp) -> Timestamp {
        match self.latest {
            Some(latest) if (time.seconds, time.nanoseconds) > (latest, 0) => {
                Timestamp { seconds: latest, nanoseconds: 0 }
            }
            _ => time,
        }
    }
}

/// Whether `path`, below the top and without a leading slash, matches one of the globs.
pub(crate) fn matches(excluded: &GlobSet, path: &[u8]) -> bool {
    !excluded.is_empty() && excluded.is_match(OsStr::from_bytes(path))
}

/// A glob for paths below the top of a tree, anchored there: `*` and `?` stop at slashes, `**` does not, `[…]` and `{a,b}` are
/// sets and alternatives. A leading slash makes no difference. What is below a directory that matches is left out with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion(globset::Glob);

/// A text that is no glob.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a glob: {reason}")]
pub struct InvalidExclusion {
    glob: String,
    reason: String,
}

impl FromStr for Exclusion {
    type Err = InvalidExclusion;

    fn from_str(glob: &str) -> std::result::Result<Self, Self::Err> {
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

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let rules = Rules { exclusions: vec![glob.parse().unwrap()], ..Rules::default() };
            assert_eq!(matches(&rules.excluded().unwrap(), path.as_bytes()), expected, "{glob} {path}");
        }
    }

    #[test]
    fn names_that_are_not_utf8_can_be_excluded() {
        let rules = Rules { exclusions: vec!["a*z".parse().unwrap()], ..Rules::default() };
        assert!(matches(&rules.excluded().unwrap(), b"a\xff\xfez"));
    }

    #[test]
    fn what_is_no_glob_is_refused_with_a_reason() {
        for (text, reason) in [("", "names nothing"), ("/", "names nothing"), ("[a", "unclosed"), ("{a", "unclosed")] {
            let error = text.parse::<Exclusion>().unwrap_err().to_string();
            assert!(error.contains(reason), "`{text}`: {error}");
        }
    }
}
