//! The tree that a bench packs: one of the user, or a fixture.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use fixtures::Fixture;
use harness::record::PackedTree;

use super::fixture_tree::make_fixture;
use super::wrong_use::WrongUse;

/// A tree to pack, and its name in the record.
#[derive(Debug)]
pub(crate) struct InputTree {
    pub(crate) rootfs: PathBuf,
    pub(crate) subject: PackedTree,
}

impl InputTree {
    /// A tree of the user, which is only read.
    pub(crate) fn open(rootfs: &Path, name: &str, scratch: &Path) -> Result<Self> {
        let rootfs = rootfs.canonicalize().with_context(|| format!("cannot open the tree `{}`", rootfs.display()))?;
        if scratch.starts_with(&rootfs) {
            let place = rootfs.display();
            return Err(WrongUse(format!(
                "the scratch directory is in the tree `{place}`, and would be packed as well: give another with --scratch"
            ))
            .into());
        }
        Ok(InputTree { rootfs, subject: subject(name.to_owned()) })
    }

    /// A fixture, made at `rootfs`.
    pub(crate) fn make(fixture: Fixture, rootfs: PathBuf, name: String) -> Result<Self> {
        let locked = Some(make_fixture(fixture, &rootfs)?);
        Ok(InputTree { rootfs, subject: PackedTree { locked, ..subject(name) } })
    }
}

/// A subject whose tar is not known yet.
fn subject(name: String) -> PackedTree {
    PackedTree { name, entries: 0, tar_size: 0, diff_id: String::new(), locked: None }
}

#[cfg(test)]
mod tests {
    use fixtures::Profile;

    use super::*;

    #[test]
    fn a_fixture_says_whether_it_is_the_locked_one_and_other_trees_say_nothing() {
        let place = tempfile::tempdir().unwrap();
        let fixture = Fixture::new(Profile::OneBig).scale("0.02".parse().unwrap());
        let made = |fixture: Fixture, name: &str| {
            InputTree::make(fixture, place.path().join(name), name.to_owned()).unwrap().subject.locked
        };
        assert_eq!(made(fixture, "locked"), Some(true));
        assert_eq!(made(fixture.seed(2), "another"), Some(false));
        let own = InputTree::open(&place.path().join("locked"), "own", Path::new("/elsewhere")).unwrap();
        assert_eq!(own.subject.locked, None);
    }
}
