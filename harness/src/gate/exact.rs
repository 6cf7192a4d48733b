//! The exact gates, in order. A gate that cannot run reports so; the others go on.

use std::path::PathBuf;

use packer::Strategy;

use super::expected::Expected;
use super::image_size::Size;
use super::memory::{self, Budget, Peaks};
use super::sizes;
use super::{sameness, space};
use crate::error::{Error, Result};
use crate::inspect::Listing;
use crate::plan::{Case, Work};
use crate::progress::Progress;
use crate::record::{Label, Role, SampleLog};
use crate::run::{DiskLimitRunner, Outcome};
use crate::verify::{Finding, Gate, InspectedPack, io_volume};

/// A tree and the runner that packs it.
pub struct Tree<'a> {
    /// Its name, such as `debian-base x0.4 seed 1`.
    pub name: String,
    /// Where it is.
    pub rootfs: PathBuf,
    /// The runner.
    pub runner: &'a mut dyn DiskLimitRunner,
}

/// The inputs of the exact gates.
pub struct ExactGates<'a> {
    /// The user and the group that the runners pack every entry with, so that whoever made the trees does not matter.
    pub owner: (u32, u32),
    /// The tree for all gates but the last two.
    pub tree: Tree<'a>,
    /// How it is packed.
    pub cases: Vec<Case>,
    /// A further tree whose images' sizes are compared.
    pub further: Tree<'a>,
    /// How that is compressed.
    pub compressions: Vec<String>,
    /// A small input and a large one, for memory.
    pub inputs: [Tree<'a>; 2],
    /// How much memory each compression may take.
    pub budgets: Vec<Budget>,
    /// The accepted table.
    pub expected: &'a Expected,
}

/// The findings of the exact gates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExactFindings {
    /// One finding for each gate.
    pub findings: Vec<Finding>,
    /// The sizes of images that can be accepted.
    pub sizes: Vec<Size>,
}

/// How each case is packed: the two strategies, and the one again.
const RUNS: [Strategy; 3] = [Strategy::TwoPass, Strategy::SingleStream, Strategy::SingleStream];

impl ExactGates<'_> {
    /// Runs and judges all of them. A failed run is a finding of its gate.
    #[must_use]
    pub fn run(mut self, log: &mut SampleLog<'_>, progress: &mut dyn Progress) -> ExactFindings {
        let mut sizes = Vec::new();
        // The further trees are looked at, too: every level, and content that no small tree has.
        let mut same = Vec::new();
        let mut findings = match self.observe(log, progress) {
            Err(error) => {
                same.push(Finding::missing(Gate::Sameness, &error));
                [Gate::Space, Gate::Written, Gate::Read].map(|gate| Finding::missing(gate, &error)).to_vec()
            }
            Ok((seen, tree)) => {
                sizes.extend(seen.iter().filter_map(|one| self.size(one)));
                sizes.dedup();
                progress.update(0, 1, "disk space", None);
                let space = space::prove(&seen, self.tree.runner);
                same.push(sameness::judge(&seen, &tree));
                vec![
                    space.unwrap_or_else(|error| Finding::missing(Gate::Space, error)),
                    io_volume::written(&seen),
                    io_volume::read(&seen),
                ]
            }
        };
        let further = self.compress(log, progress);
        findings.push(match further {
            Err(error) => {
                // Some sizes without the others are nothing to accept.
                sizes.clear();
                same.push(Finding::missing(Gate::Sameness, &error));
                Finding::missing(Gate::Sizes, error)
            }
            Ok((further, finding)) => {
                sizes.extend(further);
                same.push(finding);
                sizes::judge(&sizes, self.expected)
            }
        });
        findings.push(match self.fill(&mut same, log, progress) {
            Err(error) => Finding::missing(Gate::Memory, error),
            Ok(peaks) => memory::judge(&peaks),
        });
        let same = same.into_iter().map(|finding| (finding.verdict, finding.figures));
        findings.insert(0, Finding::gather(Gate::Sameness, same));
        ExactFindings { findings, sizes }
    }

    /// Packs the tree in all cases, and compares the images with it.
    fn observe(
        &mut self,
        log: &mut SampleLog<'_>,
        progress: &mut dyn Progress,
    ) -> Result<(Vec<InspectedPack>, Listing)> {
        let tree = listing(&self.tree, self.owner)?;
        let mut seen = Vec::new();
        let all = self.cases.len() * RUNS.len();
        for case in &self.cases {
            for (run, strategy) in RUNS.into_iter().enumerate() {
                let work = Work::Pack(case, strategy);
                progress.update(seen.len(), all, &work.name(), None);
                let (outcome, inspection) = self.tree.runner.inspect(work, &tree)?;
                log.append(label(&self.tree.name, work, run), &outcome)?;
                seen.push(InspectedPack { case: case.clone(), strategy, outcome, inspection });
            }
        }
        Ok((seen, tree))
    }

    fn size(&self, one: &InspectedPack) -> Option<Size> {
        (one.strategy == Strategy::SingleStream).then(|| size(&self.tree.name, &one.case, &one.outcome))
    }

    /// Packs the further tree, and compares the images with it.
    fn compress(&mut self, log: &mut SampleLog<'_>, progress: &mut dyn Progress) -> Result<(Vec<Size>, Finding)> {
        let all = self.compressions.len();
        let tree = listing(&self.further, self.owner)?;
        let Tree { name, runner, .. } = &mut self.further;
        let (mut sizes, mut seen) = (Vec::new(), Vec::new());
        for (number, compression) in self.compressions.iter().enumerate() {
            let case = Case { compression: compression.clone(), threads: memory::THREADS };
            let (strategy, work) = (Strategy::SingleStream, Work::Pack(&case, Strategy::SingleStream));
            progress.update(number, all, &format!("{name}, {}", work.name()), None);
            let (outcome, inspection) = runner.inspect(work, &tree)?;
            log.append(label(name, work, 0), &outcome)?;
            sizes.push(size(name, &case, &outcome));
            seen.push(InspectedPack { case, strategy, outcome, inspection });
        }
        Ok((sizes, sameness::judge(&seen, &tree)))
    }

    /// Packs the small input and the large one, and compares the first image of each with it.
    fn fill(
        &mut self,
        same: &mut Vec<Finding>,
        log: &mut SampleLog<'_>,
        progress: &mut dyn Progress,
    ) -> Result<Vec<(Budget, Peaks)>> {
        let mut found = Vec::new();
        let all = self.budgets.len();
        for budget in &self.budgets {
            let case = Case { compression: budget.compression.clone(), threads: memory::THREADS };
            let (strategy, work) = (Strategy::SingleStream, Work::Pack(&case, Strategy::SingleStream));
            let mut peaks = [Vec::new(), Vec::new()];
            for (tree, peaks) in self.inputs.iter_mut().zip(&mut peaks) {
                progress.update(found.len(), all, &format!("{}, {}", tree.name, work.name()), None);
                let listing = listing(tree, self.owner)?;
                for run in 0..memory::RUNS {
                    let (outcome, inspection) = match run {
                        0 => tree.runner.inspect(work, &listing).map(|(outcome, found)| (outcome, Some(found)))?,
                        _ => (tree.runner.run(work)?, None),
                    };
                    log.append(label(&tree.name, work, run), &outcome)?;
                    peaks.push(outcome.pack.as_ref().and_then(|pack| pack.vm_hwm));
                    let seen = |inspection| InspectedPack { case: case.clone(), strategy, outcome, inspection };
                    same.extend(inspection.map(|inspection| sameness::judge(&[seen(inspection)], &listing)));
                }
            }
            let [small, large] = peaks;
            found.push((budget.clone(), Peaks { small, large }));
        }
        Ok(found)
    }
}

/// What a walk that is not the packer's finds, with the owner that every entry is packed with.
fn listing(tree: &Tree<'_>, (user, group): (u32, u32)) -> Result<Listing> {
    let listing = Listing::of_tree(&tree.rootfs).map_err(|error| Error::run("reading the tree", error))?;
    Ok(listing.with_owner(user, group))
}

/// The label of an untimed pack.
fn label(tree: &str, work: Work<'_>, pair: usize) -> Label {
    let case = match work {
        Work::Pack(case, _) => format!("{tree}, {}", case.name()),
        Work::Peer { .. } | Work::Floor(_) => tree.to_owned(),
    };
    Label { role: Role::Verify, case, arm: work.arm(), pair }
}

fn size(fixture: &str, case: &Case, outcome: &Outcome) -> Size {
    let encoders = outcome.pack.iter().flat_map(|pack| &pack.encoders);
    let encoders: Vec<String> = encoders.map(|encoder| format!("{} {}", encoder.name, encoder.version)).collect();
    Size {
        fixture: fixture.to_owned(),
        compression: case.compression.clone(),
        bytes: outcome.image_size,
        encoder: encoders.join(", "),
    }
}
