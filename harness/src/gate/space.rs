//! G1: how much disk a pack holds at most, proved by a filesystem that has no more.
//!
//! One stream fits where the image fits. Two passes fail there with a message, and fit where the tar fits as well.
//! Where no such filesystem can be made, the packer's own account is compared with the free space of the filesystem,
//! and the gate is *reduced*.

use packer::Strategy;

use crate::error::Result;
use crate::format::bytes;
use crate::plan::Work;
use crate::run::{self, DiskLimitRunner, LimitedRun};
use crate::verify::{Finding, Gate, GateVerdict, InspectedPack, invariants};

/// The bytes that a filesystem needs for itself.
const SPARE: u64 = 64 << 10;

/// How often more a pack is watched if something else seems to write to the same filesystem.
const AGAIN: usize = 4;

/// Room for so many bytes, and one in a hundred more.
fn room(bytes: u64) -> u64 {
    bytes + bytes / 100 + SPARE
}

/// The two sizes that a filesystem gets for one case.
#[derive(Clone, Copy, Debug)]
struct DiskLimits {
    /// For the image.
    image: u64,
    /// For the tar and the image.
    both: u64,
}

/// Packs the tree again on filesystems of limited size; `seen` has its images of all cases.
///
/// # Errors
///
/// If a run cannot be started.
pub(super) fn prove(seen: &[InspectedPack], runner: &mut dyn DiskLimitRunner) -> Result<Finding> {
    let mut found: Vec<(GateVerdict, String)> = Vec::new();
    for check in invariants::disk(seen) {
        let verdict = if check.holds { GateVerdict::Passed } else { GateVerdict::broken(check.law, check.detail) };
        found.push((verdict, String::new()));
    }
    // With `none` the two strategies are the same pass.
    let piped = seen.iter().filter(|one| one.case.compression != "none" && one.strategy == Strategy::TwoPass);
    for one in piped {
        let (image, tar) = (one.outcome.image_size, one.pack().tar_size);
        let limits = DiskLimits { image: room(image), both: room(image + tar) };
        let pack = |strategy| Work::Pack(&one.case, strategy);
        let narrow = runner.run_with_disk_limit(pack(Strategy::SingleStream), limits.image)?;
        let verdict = if let LimitedRun::Forbidden(why) = narrow {
            reduced(one, seen, limits, runner, &why)?
        } else {
            let tight = runner.run_with_disk_limit(pack(Strategy::TwoPass), limits.image)?;
            let wide = runner.run_with_disk_limit(pack(Strategy::TwoPass), limits.both)?;
            proved(&one.case.name(), limits, &[narrow, tight, wide])
        };
        let [narrow, wide] = [limits.image, limits.both].map(bytes);
        found.push((verdict, format!("{}: one stream in {narrow}, two passes in {wide}", one.case.compression)));
    }
    Ok(Finding::gather(Gate::Space, found))
}

/// Judges one stream and two passes in the room of an image, and two passes in that of both.
fn proved(name: &str, limits: DiskLimits, outcomes: &[LimitedRun; 3]) -> GateVerdict {
    let [narrow, tight, wide] = outcomes;
    let fits = |outcome: &LimitedRun, what: &str, room: u64| match outcome {
        LimitedRun::Succeeded => GateVerdict::Passed,
        LimitedRun::Failed(words) => GateVerdict::broken(format!("{name}: {what} fits {room} bytes"), words),
        LimitedRun::Forbidden(why) => GateVerdict::NotMeasured(why.clone()),
    };
    let full = format!("{name}: two passes do not fit {} bytes, and say that there is no space left", limits.image);
    let tight = match tight {
        LimitedRun::Succeeded => GateVerdict::broken(full, "they do"),
        LimitedRun::Failed(words) if words.contains("no space left on device") => GateVerdict::Passed,
        LimitedRun::Failed(words) => GateVerdict::broken(full, words),
        LimitedRun::Forbidden(why) => GateVerdict::NotMeasured(why.clone()),
    };
    let verdicts = [fits(narrow, "one stream", limits.image), tight, fits(wide, "two passes", limits.both)];
    Finding::gather(Gate::Space, verdicts.map(|verdict| (verdict, String::new()))).verdict
}

/// Judges by the packer's own account and by the free space of the filesystem.
fn reduced(
    one: &InspectedPack,
    seen: &[InspectedPack],
    limits: DiskLimits,
    runner: &mut dyn DiskLimitRunner,
    why: &str,
) -> Result<GateVerdict> {
    let name = one.case.name();
    let held = one.pack().scratch_peak;
    if held <= limits.image || held > limits.both {
        return Ok(GateVerdict::broken(
            format!("{name}: two passes hold the tar and the image"),
            format!("{held} bytes"),
        ));
    }
    let streams = seen.iter().filter(|other| other.case == one.case && other.strategy == Strategy::SingleStream);
    // The packer's bytes show in every run, those of other processes do not.
    let mut least = streams.map(|stream| stream.outcome.scratch.peak).min().unwrap_or(u64::MAX);
    let most = limits.image + run::tolerance(limits.image);
    for _ in 0..AGAIN {
        if least <= most {
            break;
        }
        least = least.min(runner.run(Work::Pack(&one.case, Strategy::SingleStream))?.scratch.peak);
    }
    Ok(if least <= most {
        GateVerdict::Reduced(format!("by the packer's own account, and as seen from outside: {why}"))
    } else {
        GateVerdict::NotMeasured(format!(
            "{name}: {why}; and {least} bytes were seen from outside where the packer tells of {}: it hides something, or \
             others write to that filesystem",
            one.outcome.image_size
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{Inspection, Listing};
    use crate::run::{Curve, Outcome, Runner};
    use crate::verify::test_support::{IMAGE, TAR, outcome, seen};

    /// A packer that holds hidden bytes beside those that it reports.
    struct Holding {
        hidden: u64,
        forbidden: bool,
        words: &'static str,
    }

    const HONEST: Holding = Holding { hidden: 0, forbidden: false, words: "no space left on device" };

    impl Runner for Holding {
        fn run(&mut self, work: Work<'_>) -> Result<Outcome> {
            let Work::Pack(_, strategy) = work else { unreachable!("a gate packs") };
            let outcome = outcome(strategy);
            let peak = outcome.pack.as_ref().unwrap().scratch_peak + self.hidden;
            Ok(Outcome { scratch: Curve { peak, points: Vec::new() }, ..outcome })
        }

        fn inspect(&mut self, _: Work<'_>, _: &Listing) -> Result<(Outcome, Inspection)> {
            unreachable!("it was looked at before")
        }
    }

    impl DiskLimitRunner for Holding {
        fn run_with_disk_limit(&mut self, work: Work<'_>, room: u64) -> Result<LimitedRun> {
            if self.forbidden {
                return Ok(LimitedRun::Forbidden("operation not permitted".into()));
            }
            let fits = self.run(work)?.scratch.peak <= room;
            Ok(if fits { LimitedRun::Succeeded } else { LimitedRun::Failed(self.words.into()) })
        }
    }

    fn verdict(mut packer: Holding) -> GateVerdict {
        let mut seen = seen("gzip:5");
        for one in &mut seen {
            one.outcome = packer.run(Work::Pack(&one.case, one.strategy)).unwrap();
        }
        prove(&seen, &mut packer).unwrap().verdict
    }

    #[test]
    fn one_stream_holds_the_image_alone() {
        assert_eq!(verdict(HONEST), GateVerdict::Passed);
        assert_eq!(verdict(Holding { hidden: IMAGE / 100, ..HONEST }), GateVerdict::Passed);
        let hidden = verdict(Holding { hidden: TAR, ..HONEST });
        assert!(
            matches!(&hidden, GateVerdict::Broken { expected, .. } if expected.contains("one stream")),
            "{hidden:?}"
        );
    }

    #[test]
    fn two_passes_that_fit_or_fail_for_another_reason_are_told() {
        let words = verdict(Holding { words: "broken pipe", ..HONEST });
        assert!(matches!(&words, GateVerdict::Broken { found, .. } if found == "broken pipe"), "{words:?}");
        let limits = DiskLimits { image: 1, both: 2 };
        let fits = proved("gzip", limits, &[LimitedRun::Succeeded, LimitedRun::Succeeded, LimitedRun::Succeeded]);
        assert!(matches!(&fits, GateVerdict::Broken { found, .. } if found == "they do"), "{fits:?}");
    }

    #[test]
    fn where_no_filesystem_can_be_made_the_gate_is_reduced() {
        let forbidden = Holding { forbidden: true, ..HONEST };
        assert!(matches!(verdict(forbidden), GateVerdict::Reduced(why) if why.contains("not permitted")));
        let hidden = verdict(Holding { hidden: TAR, forbidden: true, ..HONEST });
        assert!(matches!(&hidden, GateVerdict::NotMeasured(why) if why.contains("hides something")), "{hidden:?}");
    }
}
