//! The revision that a binary was built of, and whether anything was compiled that no commit has.

use std::path::Path;
use std::process::{Command, Stdio};

/// A revision of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Revision {
    /// The full name of the commit, or `unknown`.
    pub(super) commit: String,
    /// Whether a file differs from the commit's, or an untracked one would be compiled. True where git does not tell.
    pub(super) dirty: bool,
}

impl Revision {
    /// What is checked out in a repository.
    pub(super) fn of(repository: &Path) -> Self {
        let git = |arguments: &[&str]| {
            let run = Command::new("git").current_dir(repository).args(arguments).stdin(Stdio::null()).output().ok()?;
            run.status.success().then(|| String::from_utf8_lossy(&run.stdout).into_owned())
        };
        let commit = git(&["rev-parse", "HEAD"]).map(|line| line.trim().to_owned());
        let changed = git(&["status", "--porcelain", "--untracked-files=no"]).map(|changes| !changes.is_empty());
        let untracked = git(&["ls-files", "-z", "--others", "--exclude-standard"]);
        let added = untracked.map(|paths| paths.split('\0').any(is_compiled));
        Revision {
            commit: commit.unwrap_or_else(|| "unknown".into()),
            dirty: changed.unwrap_or(true) || added.unwrap_or(true),
        }
    }
}

/// Whether a build reads a file: sources, manifests, settings of cargo and of the toolchain, profiles and locks.
fn is_compiled(path: &str) -> bool {
    let path = Path::new(path);
    let read = ["rs", "toml", "lock"];
    path.extension().is_some_and(|extension| read.iter().any(|name| extension == *name))
        || path.ends_with(".cargo/config")
        || path.ends_with("rust-toolchain")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_tree_is_dirty_if_something_is_compiled_that_no_commit_has() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        assert_eq!(Revision::of(place), Revision { commit: "unknown".into(), dirty: true });
        let git = |arguments: &[&str]| {
            let author = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"];
            let run = Command::new("git").current_dir(place).args(author).args(arguments).output().unwrap();
            assert!(run.status.success(), "{run:?}");
        };
        let write = |name: &str| fs::write(place.join(name), name).unwrap();
        git(&["init", "--quiet"]);
        write("main.rs");
        fs::write(place.join(".gitignore"), "ignored.rs\n").unwrap();
        git(&["add", "."]);
        git(&["commit", "--quiet", "--message", "first"]);
        let clean = Revision::of(place);
        assert!(clean.commit.len() >= 40 && !clean.dirty, "{clean:?}");
        fs::create_dir_all(place.join("deep/.cargo")).unwrap();
        for (name, dirty) in [
            ("notes.md", false),
            ("ignored.rs", false),
            ("deep/new.rs", true),
            ("deep/Cargo.lock", true),
            ("deep/.cargo/config", true),
            ("config", false),
        ] {
            write(name);
            assert_eq!(Revision::of(place), Revision { dirty, ..clean.clone() }, "{name}");
            fs::remove_file(place.join(name)).unwrap();
        }
        fs::write(place.join("main.rs"), "changed").unwrap();
        assert!(Revision::of(place).dirty);
        git(&["add", "."]);
        assert!(Revision::of(place).dirty, "what is staged is in no commit");
    }
}
