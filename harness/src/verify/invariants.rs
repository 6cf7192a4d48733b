//! Invariants, whatever the speed: of the images of both strategies, and of the disk space that they held.

use packer::Strategy;

use crate::inspect::{Comparison, Inspection, Listing};
use crate::plan::{ARMS, Case};
use crate::record::{Check, Role, Sample};
use crate::run::{Outcome, PackRecord};

/// An image that was made and looked at.
#[derive(Clone, Debug)]
pub(crate) struct InspectedPack {
    /// The case.
    pub(crate) case: Case,
    /// How it was made.
    pub(crate) strategy: Strategy,
    /// The outcome of the run.
    pub(crate) outcome: Outcome,
    /// The inspected image.
    pub(crate) inspection: Inspection,
}

impl InspectedPack {
    /// The packer's own figures.
    pub(crate) fn pack(&self) -> PackRecord {
        self.outcome.pack.clone().unwrap_or_default()
    }

    /// `gzip:5 2 threads, two-pass`
    pub(crate) fn name(&self) -> String {
        format!("{}, {}", self.case.name(), self.strategy)
    }
}

/// Whatever makes an image, it is the same image, and it holds the same tar.
pub(crate) fn identity(seen: &[InspectedPack]) -> Vec<Check> {
    let mut compressions: Vec<&str> = seen.iter().map(|one| one.case.compression.as_str()).collect();
    compressions.dedup();
    let fingerprints = compressions.into_iter().map(|compression| fingerprint(seen, compression));
    fingerprints.chain(decoded(seen)).collect()
}

/// Each image is what its name says, and all hold one tar.
pub(crate) fn decoded(seen: &[InspectedPack]) -> [Check; 2] {
    let named = seen.iter().filter(|one| one.pack().fingerprint == one.inspection.sha256).count();
    let hash = Check {
        law: "the fingerprint is the sha256 of the file".into(),
        holds: named == seen.len(),
        detail: format!("{named} of {} images", seen.len()),
    };
    [hash, tar(seen)]
}

fn fingerprint(seen: &[InspectedPack], compression: &str) -> Check {
    let of: Vec<String> =
        seen.iter().filter(|one| one.case.compression == compression).map(|one| one.pack().fingerprint).collect();
    let first = of.first().cloned().unwrap_or_default();
    Check {
        law: "one fingerprint for both strategies and any number of threads".into(),
        holds: of.iter().all(|fingerprint| *fingerprint == first) && !first.is_empty(),
        detail: format!("{compression}: {} runs, {first}", of.len()),
    }
}

fn tar(seen: &[InspectedPack]) -> Check {
    let readable = seen.iter().filter_map(|one| Some((one, one.inspection.tar.as_ref().ok()?)));
    let tars: Vec<(&str, u64)> = readable.map(|(_, tar)| (tar.diff_id.as_str(), tar.size)).collect();
    let (diff_id, size) = tars.first().copied().unwrap_or_default();
    let same = tars.iter().filter(|tar| **tar == (diff_id, size)).count();
    let unreadable = seen.iter().find_map(|one| Some((one.name(), one.inspection.tar.as_ref().err()?)));
    let unreadable = unreadable.map_or_else(String::new, |(name, cause)| format!("; {name}: {cause}"));
    Check {
        law: "every image holds the same tar".into(),
        holds: same == seen.len(),
        detail: format!("{same} of {} images decode to sha256 {diff_id}, {size} bytes{unreadable}", seen.len()),
    }
}

/// The images hold the tree as a walk finds it that is not the packer's.
pub(crate) fn contents(seen: &[InspectedPack], tree: &Listing) -> Check {
    let law = format!(
        "an image holds the {} entries of its tree in the order of their names, each with its owner, time, attributes and content",
        tree.entries()
    );
    // Images that cannot be decoded are the subject of another invariant.
    let images: Vec<_> =
        seen.iter().filter_map(|one| Some((one, &one.inspection.tar.as_ref().ok()?.comparison))).collect();
    let other = images.iter().find_map(|(one, comparison)| {
        let found = comparison.as_ref().map_or_else(|cause| Some(cause.clone()), Comparison::told)?;
        Some(format!("{}: {found}", one.name()))
    });
    Check { law, holds: other.is_none(), detail: other.unwrap_or_else(|| format!("{} images", images.len())) }
}

/// Every timed run made the image that was verified.
pub(crate) fn steadiness(samples: &[Sample]) -> Check {
    let packs = |role| {
        let of = samples.iter().filter(move |sample| sample.role == role);
        of.filter_map(|sample| Some((sample, sample.pack.as_ref()?)))
    };
    let same = |(one, pack): &(&Sample, &PackRecord)| {
        packs(Role::Verify).any(|(verified, image)| {
            (&verified.case, &verified.arm, &image.fingerprint, image.size)
                == (&one.case, &one.arm, &pack.fingerprint, one.image_size)
        })
    };
    let (all, right) = (packs(Role::Measure).count(), packs(Role::Measure).filter(same).count());
    Check {
        law: "every timed run made the image that was verified".into(),
        holds: right == all,
        detail: format!("{right} of {all} runs"),
    }
}

/// By the packer's own account, one stream holds the image on the disk, and two passes hold the tar as well.
pub(crate) fn disk(seen: &[InspectedPack]) -> Vec<Check> {
    let check = |strategy: Strategy| {
        let expected = |one: &InspectedPack| match strategy {
            // With `none` the two passes are the same one.
            Strategy::TwoPass if one.case.compression != "none" => one.outcome.image_size + one.pack().tar_size,
            Strategy::TwoPass | Strategy::SingleStream => one.outcome.image_size,
        };
        let of: Vec<&InspectedPack> = seen.iter().filter(|one| one.strategy == strategy).collect();
        let right = of.iter().filter(|one| one.pack().scratch_peak == expected(one)).count();
        let law = match strategy {
            Strategy::SingleStream => "single-stream needs no more disk than the image",
            Strategy::TwoPass => "two-pass needs the tar and the image",
        };
        Check { law: law.into(), holds: right == of.len(), detail: format!("{right} of {} runs", of.len()) }
    };
    ARMS.map(check).to_vec()
}
