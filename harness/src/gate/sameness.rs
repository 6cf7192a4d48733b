//! G0: strategies, threads and runs make one image, and it holds the tree: every entry once and in order, with its content.

use packer::Strategy;

use super::paired_trial::Note;
use crate::error::Result;
use crate::inspect::Listing;
use crate::plan::{Case, Work};
use crate::progress::Progress;
use crate::record::{Check, Label, Role};
use crate::run::Runner;
use crate::verify::{Finding, Gate, GateVerdict, InspectedPack, invariants};

/// Packs each case in one stream, and compares the images with the tree.
///
/// # Errors
///
/// If a run fails, or cannot be noted.
pub(super) fn observe(
    cases: &[Case],
    runner: &mut dyn Runner,
    tree: &Listing,
    arm: &'static str,
    note: Note<'_>,
    progress: &mut dyn Progress,
) -> Result<Vec<InspectedPack>> {
    let mut seen = Vec::new();
    for (number, case) in cases.iter().enumerate() {
        let (strategy, work) = (Strategy::SingleStream, Work::Pack(case, Strategy::SingleStream));
        progress.update(number, cases.len(), &format!("verifying {}", work.name()), None);
        let (outcome, inspection) = runner.inspect(work, tree)?;
        note(Label { role: Role::Verify, case: case.name(), arm, pair: 0 }, &outcome)?;
        seen.push(InspectedPack { case: case.clone(), strategy, outcome, inspection });
    }
    Ok(seen)
}

/// Judges images of one tree.
pub(super) fn judge(seen: &[InspectedPack], tree: &Listing) -> Finding {
    let mut laws = invariants::identity(seen);
    laws.push(invariants::contents(seen, tree));
    let figures = format!("{} images, {} members each", seen.len(), tree.entries());
    let verdict = |check: Check| match check.holds {
        true => GateVerdict::Passed,
        false => GateVerdict::broken(check.law, check.detail),
    };
    Finding::gather(Gate::Sameness, laws.into_iter().map(|check| (verdict(check), figures.clone())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Comparison, Difference, InnerTar};
    use crate::verify::test_support::seen;

    /// The expectation that is broken after a change to the last image.
    fn broken(change: impl FnOnce(&mut InspectedPack)) -> String {
        let mut seen = seen("gzip:5");
        change(&mut seen[2]);
        match judge(&seen, &Listing::default()).verdict {
            GateVerdict::Broken { expected, .. } => expected,
            other => format!("{other:?}"),
        }
    }

    fn inside(seen: &mut InspectedPack) -> &mut InnerTar {
        seen.inspection.tar.as_mut().unwrap()
    }

    #[test]
    fn one_image_of_the_tree_passes() {
        assert_eq!(judge(&seen("gzip:5"), &Listing::default()).verdict, GateVerdict::Passed);
    }

    #[test]
    fn each_other_image_breaks_its_own_law() {
        let other_hash = broken(|seen| seen.inspection.sha256 = "other".into());
        assert_eq!(other_hash, "the fingerprint is the sha256 of the file");
        let other_image = broken(|seen| {
            seen.inspection.sha256 = "other".into();
            seen.outcome.pack.as_mut().unwrap().fingerprint = "other".into();
        });
        assert_eq!(other_image, "one fingerprint for both strategies and any number of threads");
        for tar in [
            broken(|seen| seen.inspection.tar = Err("invalid gzip header".into())),
            broken(|seen| inside(seen).diff_id = "other".into()),
        ] {
            assert_eq!(tar, "every image holds the same tar");
        }
        let missing =
            Comparison { differing: 1, first: Some(Difference::Missing { path: "a".into() }), ..Comparison::default() };
        for contents in [
            broken(|seen| inside(seen).comparison = Err("no tar".into())),
            broken(|seen| inside(seen).comparison = Ok(missing)),
        ] {
            assert!(contents.starts_with("an image holds the 0 entries of its tree"), "{contents}");
        }
    }
}
