//! Which extended attributes are packed: by default all but those of the host, else those that globs choose.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::str::FromStr;

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};

use crate::error::{Error, Result};
use crate::tree::glob;
use crate::tree::xattr::host;

/// A glob of names of extended attributes, as `security.*`.
///
/// It is matched against the whole name, namespace included. `*` matches any bytes, also dots and slashes, and `?` one byte; `[…]` is a
/// set of characters, `{a,b}` are alternatives, and a backslash escapes. ACLs are the attributes `system.posix_acl_access` and
/// `system.posix_acl_default`, and file capabilities are `security.capability`.
///
/// ```
/// use packer::XattrGlob;
///
/// assert_eq!(XattrGlob::new("security.*")?.to_string(), "security.*");
/// assert!(XattrGlob::new("[a").is_err());
/// # Ok::<(), packer::InvalidXattrGlob>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XattrGlob(globset::Glob);

/// The error for an invalid glob of attribute names.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{glob}` is not a glob of attribute names: {reason}")]
pub struct InvalidXattrGlob {
    glob: String,
    reason: String,
}

impl XattrGlob {
    /// Compiles a glob.
    ///
    /// # Errors
    ///
    /// If the glob is empty, is invalid, or becomes too large when it is compiled.
    pub fn new(glob: &str) -> std::result::Result<Self, InvalidXattrGlob> {
        let invalid =
            |reason: String| InvalidXattrGlob { glob: glob.escape_debug().to_string(), reason: reason.to_lowercase() };
        if glob.is_empty() {
            return Err(invalid("it names nothing".into()));
        }
        glob::compile(GlobBuilder::new(glob).literal_separator(false)).map(XattrGlob).map_err(invalid)
    }
}

impl FromStr for XattrGlob {
    type Err = InvalidXattrGlob;

    fn from_str(glob: &str) -> std::result::Result<Self, InvalidXattrGlob> {
        XattrGlob::new(glob)
    }
}

impl fmt::Display for XattrGlob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.glob())
    }
}

/// The globs of a walk. Without any, the attributes of the host are left out.
#[derive(Clone, Debug, Default)]
pub(crate) struct XattrGlobs {
    pub(crate) include: Vec<XattrGlob>,
    pub(crate) exclude: Vec<XattrGlob>,
}

/// The globs of a walk, compiled to be asked for every attribute.
#[derive(Debug)]
pub(crate) struct XattrFilter {
    /// `None`: all but those of the host.
    include: Option<GlobSet>,
    exclude: GlobSet,
}

impl XattrFilter {
    pub(crate) fn new(globs: &XattrGlobs) -> Result<Self> {
        let include = if globs.include.is_empty() { None } else { Some(set(&globs.include)?) };
        Ok(XattrFilter { include, exclude: set(&globs.exclude)? })
    }

    /// Whether an attribute of this name may be packed. Only then its value has to be read.
    pub(crate) fn wants(&self, name: &[u8]) -> bool {
        let matches = |set: &GlobSet| !set.is_empty() && set.is_match(OsStr::from_bytes(name));
        let included = self.include.as_ref().map_or_else(|| !host::is_name(name), matches);
        included && !matches(&self.exclude)
    }

    /// Whether an attribute that is wanted by its name is packed with this value.
    pub(crate) fn keeps(&self, name: &[u8], value: &[u8]) -> bool {
        self.include.is_some() || !host::is_value(name, value)
    }
}

fn set(globs: &[XattrGlob]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(glob.0.clone());
    }
    set.build().map_err(|error| Error::invalid_options(format!("the globs of attributes are too large: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn globs(globs: &[&str]) -> Vec<XattrGlob> {
        globs.iter().map(|glob| glob.parse().unwrap()).collect()
    }

    fn filter(include: &[&str], exclude: &[&str]) -> XattrFilter {
        XattrFilter::new(&XattrGlobs { include: globs(include), exclude: globs(exclude) }).unwrap()
    }

    #[test]
    fn a_glob_matches_the_whole_name() {
        for (glob, name, expected) in [
            ("user.a", "user.a", true),
            ("user.a", "user.ab", false),
            ("user", "user.a", false),
            ("selinux", "security.selinux", false),
            ("*", "user.a", true),
            ("user.*", "user.a.b/c", true),
            ("user.*", "user.", true),
            ("user.*", "trusted.user.a", false),
            ("user.?", "user./", true),
            ("user.[ab]", "user.b", true),
            ("user.[!ab]", "user.b", false),
            ("user.[^ab]", "user.c", true),
            ("{user,trusted}.a", "trusted.a", true),
            ("user.\\*", "user.*", true),
            ("user.\\*", "user.a", false),
            ("USER.A", "user.a", false),
        ] {
            assert_eq!(filter(&[glob], &[]).wants(name.as_bytes()), expected, "{glob} {name}");
        }
        assert!(filter(&["user.*z"], &[]).wants(b"user.\xff\nz"));
    }

    #[test]
    fn what_is_included_is_reduced_by_what_is_excluded() {
        let (label, other) = ("security.selinux", "user.a");
        for (include, exclude, expected) in [
            (&[][..], &[][..], &[other][..]),
            (&["security.selinux"], &[], &[label]),
            (&["*"], &[], &[label, other]),
            (&["security.*", "user.*"], &[], &[label, other]),
            (&["*"], &["security.*"], &[other]),
            (&["security.*"], &["*"], &[]),
            (&[], &["user.*"], &[]),
            (&[], &["security.*"], &[other]),
            (&["trusted.*"], &[], &[]),
        ] {
            let filter = filter(include, exclude);
            let kept: Vec<_> = [label, other].into_iter().filter(|name| filter.wants(name.as_bytes())).collect();
            assert_eq!(kept, expected, "{include:?} {exclude:?}");
        }
    }

    #[test]
    fn values_of_the_host_count_only_without_an_include() {
        let (name, hash) = (b"security.ima", b"\x04\x04hash");
        for (include, expected) in [(&[][..], false), (&["security.ima"], true), (&["*"], true)] {
            let filter = filter(include, &[]);
            assert_eq!(filter.wants(name) && filter.keeps(name, hash), expected, "{include:?}");
        }
    }

    #[test]
    fn an_invalid_glob_is_refused_in_one_line() {
        for (text, reason) in
            [("", "names nothing"), ("[a", "unclosed"), ("{a", "unclosed"), ("user.[é]", "single bytes")]
        {
            let error = text.parse::<XattrGlob>().unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains('\n'), "`{text}`: {error}");
        }
    }
}
