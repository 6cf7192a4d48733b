//! Running one thing once. The real runner starts processes; tests have another one.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde::Deserialize;

use super::conditions::observe;
use super::launch::Launched;
use super::lxd::Container;
use super::outcome::{Outcome, PackRecord};
use super::page_cache::warm;
use super::usage::Usage;
use super::{disk_usage, usage};
use crate::error::{Error, Result};
use crate::inspect::{self, Comparison, Expectation, Inspection, Listing};
use crate::plan::{Limit, Maker, Work};
use crate::programs::PATH;

/// Runs things.
pub trait Runner {
    /// Runs it once and removes its output.
    ///
    /// # Errors
    ///
    /// If it fails.
    fn run(&mut self, work: Work<'_>) -> Result<Outcome>;

    /// Runs it once, and compares the image with the tree before it is removed.
    ///
    /// # Errors
    ///
    /// If it fails, or its image is missing. An undecodable image is no error: the inspection says so.
    fn inspect(&mut self, work: Work<'_>, tree: &Listing) -> Result<(Outcome, Inspection)>;
}

/// Runs other tools as well, and looks at their images.
pub trait PeerRunner: Runner {
    /// Runs a peer once, and compares its image with the tree within its known limits. An image that cannot be read
    /// is no error: the reason is returned.
    ///
    /// # Errors
    ///
    /// If it fails.
    fn inspect_peer(
        &mut self,
        work: Work<'_>,
        tree: &Listing,
        limits: &[Limit],
    ) -> Result<(Outcome, std::result::Result<Comparison, String>)>;
}

/// Runs processes, each in an empty directory and with a fixed environment.
#[derive(Debug, Default)]
pub struct Processes {
    /// The `onepass` to be measured.
    pub onepass: PathBuf,
    /// The tree.
    pub rootfs: PathBuf,
    /// A directory of our own.
    pub scratch: PathBuf,
    /// The program that prints a [`Floor`](super::Floor), called as `floor ROOTFS --compression SPEC --threads N`, and
    /// starts peers, called as `launch SCRIPT`. Without it there is no floor, and the memory of the peers is
    /// unknown.
    pub helper: Option<PathBuf>,
    /// Further options of each pack.
    pub options: Vec<String>,
    /// The tree in LXD, if LXD is measured.
    pub container: Option<Container>,
}

/// A pipeline, as bash runs it.
#[must_use]
pub fn shell(script: &str) -> Command {
    let mut command = Command::new("bash");
    command.args(["-o", "pipefail", "-c", script]);
    command
}

/// The packer's output, with the path that records leave out.
#[derive(Deserialize)]
struct Printed {
    path: PathBuf,
    #[serde(flatten)]
    record: PackRecord,
}

impl Processes {
    pub(crate) fn command(&self, work: Work<'_>, out: &Path) -> Command {
        let mut command = match work {
            Work::Pack(case, strategy) => {
                let mut command = Command::new(&self.onepass);
                command.arg("pack").arg(&self.rootfs).arg("--output").arg(out);
                command.args(["--compression", &case.compression, "--strategy", strategy.name()]);
                command.args(["--threads", &case.threads.to_string(), "--json"]).args(&self.options);
                command
            }
            Work::Peer { script, maker, .. } => match self.launcher(maker) {
                Some(helper) => {
                    let mut command = Command::new(helper);
                    command.args(["launch", script]);
                    command
                }
                None => shell(script),
            },
            Work::Floor(case) => {
                let mut command = Command::new(self.helper.clone().unwrap_or_default());
                command.arg("floor").arg(&self.rootfs).args(["--compression", &case.compression]);
                command.args(["--threads", &case.threads.to_string()]);
                command
            }
        };
        self.set_environment(&mut command, out);
        if let Work::Peer { threads, .. } = work {
            command.env("THREADS", threads.to_string());
        }
        command
    }

    /// The program that starts a peer, if any. LXD's client knows nothing about the daemon's work.
    fn launcher(&self, maker: Maker) -> Option<&Path> {
        self.helper.as_deref().filter(|_| maker == Maker::Pipeline)
    }

    /// Sets the environment of a process.
    pub(crate) fn set_environment(&self, command: &mut Command, out: &Path) {
        command.env_clear().env("PATH", PATH).env("LC_ALL", "C").env("ROOTFS", &self.rootfs).env("OUT", out);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    }

    /// Runs it in a new directory; gives that directory and the image in it.
    fn once(&self, work: Work<'_>) -> Result<(Outcome, tempfile::TempDir, PathBuf)> {
        let out =
            tempfile::tempdir_in(&self.scratch).map_err(|error| Error::io("create directory", &self.scratch, error))?;
        self.quiesce();
        warm(self.tree_of(work));
        let ((run, scratch), conditions) = observe(&self.scratch, &self.rootfs, || {
            disk_usage::watch(&self.scratch, || {
                let start = Instant::now();
                let mut command = self.command(work, out.path());
                if let (Work::Peer { maker: Maker::Lxd, .. }, Some(container)) = (work, &self.container) {
                    container.set_environment(&mut command)?;
                }
                let child = command.spawn()?;
                let (printed, words, code, usage) = collect(child)?;
                Ok::<_, std::io::Error>((start.elapsed(), printed, words, code, usage))
            })
        });
        let (wall, printed, words, code, usage) = run.map_err(|error| Error::run(work.name(), error))?;
        if code != 0 {
            let words = if matches!(work, Work::Peer { .. }) { self.without_places(&words, out.path()) } else { words };
            return Err(Error::run(work.name(), format!("exit code {code}: {}", words.trim())));
        }
        let wall_ns = u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX);
        let conditions = Some(conditions);
        let mut outcome = Outcome { wall_ns, conditions, usage, scratch, ..Outcome::default() };
        let unclear = |error| Error::run(work.name(), error);
        let image = match work {
            Work::Pack(..) => {
                let Printed { path, record } = serde_json::from_str(&printed).map_err(unclear)?;
                outcome.pack = Some(record);
                path
            }
            Work::Peer { maker: Maker::Pipeline, .. } => {
                if self.helper.is_some() {
                    let Launched { wall_ns, memory, memory_together } =
                        serde_json::from_str(&printed).map_err(unclear)?;
                    outcome.wall_ns = wall_ns;
                    (outcome.memory, outcome.memory_together) = (Some(memory), memory_together);
                }
                out.path().join("image")
            }
            Work::Peer { maker: Maker::Lxd, .. } => {
                outcome.image_size = self.container(work)?.published_size()?;
                return Ok((outcome, out, PathBuf::new()));
            }
            Work::Floor(_) => {
                outcome.floor = Some(serde_json::from_str(&printed).map_err(unclear)?);
                return Ok((outcome, out, PathBuf::new()));
            }
        };
        outcome.image_size = fs::metadata(&image).map_err(|error| Error::io("stat", &image, error))?.len();
        Ok((outcome, out, image))
    }

    /// The tree that is read: LXD reads a copy of its own.
    fn tree_of(&self, work: Work<'_>) -> &Path {
        let own = match work {
            Work::Peer { maker: Maker::Lxd, .. } => self.container.as_ref().and_then(Container::rootfs),
            Work::Pack(..) | Work::Peer { .. } | Work::Floor(_) => None,
        };
        own.unwrap_or(&self.rootfs)
    }

    /// The tree in LXD.
    fn container(&self, work: Work<'_>) -> Result<&Container> {
        self.container.as_ref().ok_or_else(|| Error::run(work.name(), "the tree is not in LXD"))
    }

    /// What another tool says, for a record: the places of this machine by their names in scripts.
    fn without_places(&self, words: &str, out: &Path) -> String {
        [(out, "$OUT"), (&*self.rootfs, "$ROOTFS")]
            .into_iter()
            .fold(words.to_owned(), |words, (place, name)| words.replace(&*place.to_string_lossy(), name))
    }

    /// Removes what a run left elsewhere than in its directory.
    fn clean_up(&self, work: Work<'_>) -> Result<()> {
        match work {
            Work::Peer { maker: Maker::Lxd, .. } => self.container(work)?.remove_published(),
            _ => Ok(()),
        }
    }

    /// Waits until the writes and removals of the previous run are done.
    fn quiesce(&self) {
        if let Ok(directory) = fs::File::open(&self.scratch) {
            // A filesystem that cannot is no reason not to measure.
            let _ = rustix::fs::syncfs(&directory);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Runner for Processes {
    fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
        let (outcome, ..) = self.once(work)?;
        self.clean_up(work)?;
        Ok(outcome)
    }

    fn inspect(&mut self, work: Work<'_>, tree: &Listing) -> Result<(Outcome, Inspection)> {
        let (outcome, _out, image) = self.once(work)?;
        let inspection = inspect::inspect(&image, tree).map_err(|error| Error::io("read", &image, error))?;
        Ok((outcome, inspection))
    }
}

impl PeerRunner for Processes {
    fn inspect_peer(
        &mut self,
        work: Work<'_>,
        tree: &Listing,
        limits: &[Limit],
    ) -> Result<(Outcome, std::result::Result<Comparison, String>)> {
        let (outcome, out, image) = self.once(work)?;
        let (image, top) = match work {
            Work::Peer { maker: Maker::Lxd, .. } => (self.container(work)?.export_published(out.path())?, "rootfs"),
            _ => (image, ""),
        };
        let found = inspect::inspect_foreign(&image, &Expectation { tree, top, limits }, out.path());
        self.clean_up(work)?;
        Ok((outcome, found.map_err(|words| self.without_places(&words, out.path()))))
    }
}

/// Reads all that a child prints, and waits for it.
pub(crate) fn collect(mut child: Child) -> std::io::Result<(String, String, i32, Usage)> {
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let read = |from: Option<Box<dyn Read + Send>>| {
        let mut text = String::new();
        from.map_or(Ok(0), |mut from| from.read_to_string(&mut text)).map(|_| text)
    };
    let words = std::thread::spawn(move || read(err.map(|err| Box::new(err) as Box<dyn Read + Send>)));
    let printed = read(out.map(|out| Box::new(out) as Box<dyn Read + Send>));
    let (code, usage) = usage::wait(child)?;
    let words = words.join().unwrap_or_else(|_| Ok(String::new()))?;
    Ok((printed?, words, code, usage))
}
