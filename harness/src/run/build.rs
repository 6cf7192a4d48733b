//! The measured binary: its hash, and how it was built.
//!
//! Whoever builds it leaves the flags in a file beside it, with the hash of the binary that they belong to. A binary that
//! was built in another way since has none.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, io};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::inspect::sha256;

/// A binary.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    /// The sha256 of the binary.
    pub sha256: String,
    /// How it was built; `None` if that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<BuildFlags>,
}

/// How a binary was built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BuildFlags {
    /// The level of optimisation of its own crate, as cargo reported it.
    pub opt_level: String,
    /// Whether it checks what only tests should, as cargo reported it.
    pub debug_assertions: bool,
    /// Its features, as cargo reported them.
    pub features: Vec<String>,
    /// The cargo profile: what `Cargo.toml` and the environment set of it, such as `lto`.
    pub profile: BTreeMap<String, String>,
    /// Further flags for the compiler, from the environment and from cargo's files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rustflags: Vec<String>,
    /// The C compiler, which builds the encoders: the first line of its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cc: Option<String>,
    /// Further flags for that, from the environment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cflags: Vec<String>,
}

impl Build {
    /// Looks at a binary, and at the file beside it.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of(binary: &Path) -> io::Result<Self> {
        let sha256 = sha256(binary)?;
        let beside = fs::read(beside(binary)).ok();
        let known = beside.and_then(|text| serde_json::from_slice::<Build>(&text).ok());
        let flags = known.filter(|known| known.sha256 == sha256).and_then(|known| known.flags);
        Ok(Build { sha256, flags })
    }
}

impl BuildFlags {
    /// Leaves the flags beside the binary.
    ///
    /// # Errors
    ///
    /// If the binary cannot be read, or the file cannot be written.
    pub fn save(self, binary: &Path) -> io::Result<()> {
        let build = Build { sha256: sha256(binary)?, flags: Some(self) };
        fs::write(beside(binary), serde_json::to_vec_pretty(&build)?)
    }
}

fn beside(binary: &Path) -> PathBuf {
    let mut name = OsString::from(binary);
    name.push(".build.json");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_those_of_the_binary_that_they_were_left_for() {
        let directory = tempfile::tempdir().unwrap();
        let binary = directory.path().join("onepass");
        assert!(Build::of(&binary).is_err());
        fs::write(&binary, "one").unwrap();
        assert_eq!(Build::of(&binary).unwrap().flags, None);
        let flags = BuildFlags { opt_level: "1".into(), ..BuildFlags::default() };
        flags.clone().save(&binary).unwrap();
        let first = Build::of(&binary).unwrap();
        assert_eq!(first.flags, Some(flags));
        fs::write(&binary, "another").unwrap();
        let second = Build::of(&binary).unwrap();
        assert_eq!(second.flags, None, "it was built in another way since");
        assert_ne!(first.sha256, second.sha256);
    }
}
