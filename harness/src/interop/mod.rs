//! What the real clients make of our images: LXD, umoci, skopeo, a registry, podman, buildah, and every reader of archives that is
//! installed.
//!
//! Each check gives a packed image to a program that knows nothing of us, and looks at what comes out: the fingerprint that the
//! client shows, and a rootfs that has to be the tree, entry by entry. A client that is not installed is told, never passed over.

mod lxd;
mod oci;
mod readers;
mod trees;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::tool::Tool;

/// What is tried, and where.
#[derive(Clone, Debug)]
pub struct Setting<'a> {
    /// The built command.
    pub onepass: &'a Path,
    /// The tree to pack.
    pub tree: &'a Path,
    /// What the tree is called.
    pub name: &'a str,
    /// An empty directory with room for several times the tree.
    pub scratch: &'a Path,
    /// Which codecs are tried; all if there are none.
    pub codecs: &'a [String],
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client did what it should.
    Passed,
    /// This program is not installed, or cannot run here.
    Missing(String),
    /// The client cannot do this with any such image, whoever made it.
    Beyond(&'static str),
    /// What was wrong.
    Failed(String),
}

/// A check that was made.
#[derive(Clone, Debug)]
pub struct Check {
    /// The client.
    pub client: &'static str,
    /// What it had to do, with which image.
    pub what: String,
    /// How that ended.
    pub verdict: Verdict,
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Check { client, what, verdict } = self;
        match verdict {
            Verdict::Passed => write!(f, "ok       {client}: {what}"),
            Verdict::Missing(tool) => write!(f, "MISSING  {client}: {what}: {tool}"),
            Verdict::Beyond(limit) => write!(f, "limit    {client}: {what}: {limit}"),
            Verdict::Failed(why) => write!(f, "FAILED   {client}: {what}: {why}"),
        }
    }
}

/// Takes checks as they are made.
pub(crate) struct Checks<'a> {
    tell: &'a mut dyn FnMut(&Check),
    made: Vec<Check>,
    /// What the tree is called.
    name: &'a str,
}

impl Checks<'_> {
    fn add(&mut self, client: &'static str, what: impl fmt::Display, verdict: Verdict) {
        let check = Check { client, what: format!("{what} of {}", self.name), verdict };
        (self.tell)(&check);
        self.made.push(check);
    }

    fn outcome(&mut self, client: &'static str, what: impl fmt::Display, outcome: std::result::Result<(), String>) {
        self.add(client, what, outcome.map_or_else(Verdict::Failed, |()| Verdict::Passed));
    }

    /// Whether the tools of a client are there; if not, that is its check.
    fn has(&mut self, client: &'static str, what: impl fmt::Display, tools: &[&str]) -> bool {
        match tools.iter().find(|tool| !crate::peers::installed(tool)) {
            Some(missing) => {
                self.add(client, what, Verdict::Missing(format!("{missing} is not installed")));
                false
            }
            None => true,
        }
    }
}

/// Makes all checks; `tell` hears of each as it is made.
///
/// # Errors
///
/// If an image cannot be packed, or the tree not be read. What a client does wrong is a [`Verdict`].
pub fn run(setting: &Setting<'_>, tell: &mut dyn FnMut(&Check)) -> Result<Vec<Check>> {
    let mut checks = Checks { tell, made: Vec::new(), name: setting.name };
    readers::run(setting, &mut checks)?;
    oci::run(setting, &mut checks)?;
    lxd::run(setting, &mut checks)?;
    Ok(checks.made)
}

/// An image as the command told of it.
struct Packed {
    fingerprint: String,
    path: PathBuf,
}

impl Setting<'_> {
    /// Whether a codec is tried.
    fn tries(&self, codec: &str) -> bool {
        self.codecs.is_empty() || self.codecs.iter().any(|tried| tried == codec)
    }

    /// Packs the tree with these options into a new directory.
    fn pack(&self, place: &Path, options: &[&str]) -> Result<Packed> {
        std::fs::create_dir_all(place).map_err(|error| crate::Error::io("create", place, error))?;
        let mut tool = Tool::new(self.onepass).args(["pack", "--quiet", "--output"]).arg(place).args(options);
        // A tree of a test has no shell that would tell it.
        if options.contains(&"--format") {
            tool = tool.args(["--arch", std::env::consts::ARCH]);
        }
        let line = tool.arg(self.tree).output().map_err(|cause| crate::Error::run("onepass pack", cause))?;
        let (fingerprint, path) = line.trim_end().split_once("  ").unwrap_or_default();
        Ok(Packed { fingerprint: fingerprint.to_owned(), path: path.into() })
    }
}
