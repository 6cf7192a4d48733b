//! G1: how much disk a pack holds at most, proved by a filesystem that has no more.
//!
//! One stream fits where the image fits. Two passes do not, and say so; they fit where the tar fits as well. Where no such
//! filesystem can be made, the packer's own account is compared with what is seen from outside, and the gate is *reduced*.

use packer::Strategy;

use crate::error::Result;
use crate::format::bytes;
use crate::plan::Work;
use crate::run::{self, Confine, Confined};
use crate::verify::{Finding, Gate, Seen, Verdict, invariants};

/// What a filesystem needs for itself.
const SPARE: u64 = 64 << 10;

/// How often more a pack is watched if something else seems to write to the same filesystem.
const AGAIN: usize = 4;

/// Room for so many bytes, and one in a hundred more.
fn room(bytes: u64) -> u64 {
    bytes + bytes / 100 + SPARE
}

/// The two sizes that a filesystem gets for one case.
#[derive(Clone, Copy, Debug)]
struct Rooms {
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
pub(super) fn prove(seen: &[Seen], runner: &mut dyn Confine) -> Result<Finding> {
    let mut found: Vec<(Verdict, String)> = Vec::new();
    for check in invariants::disk(seen) {
        let verdict = if check.holds { Verdict::Passed } else { Verdict::broken(check.law, check.detail) };
        found.push((verdict, String::new()));
    }
    // With `none` the two strategies are the same pass.
    let piped = seen.iter().filter(|one| one.case.compression != "none" && one.strategy == Strategy::TwoPass);
    for one in piped {
        let (image, tar) = (one.outcome.image_size, one.pack().tar_size);
        let rooms = Rooms { image: room(image), both: room(image + tar) };
        let pack = |strategy| Work::Pack(&one.case, strategy);
        let narrow = runner.confine(pack(Strategy::SingleStream), rooms.image)?;
        let verdict = if let Confined::Forbidden(why) = narrow {
            reduced(one, seen, rooms, runner, &why)?
        } else {
            let tight = runner.confine(pack(Strategy::TwoPass), rooms.image)?;
            let wide = runner.confine(pack(Strategy::TwoPass), rooms.both)?;
            proved(&one.case.name(), rooms, &[narrow, tight, wide])
        };
        let [narrow, wide] = [rooms.image, rooms.both].map(bytes);
        found.push((verdict, format!("{}: one stream in {narrow}, two passes in {wide}", one.case.compression)));
    }
    Ok(Finding::gather(Gate::Space, found))
}

/// Judges one stream and two passes in the room of an image, and two passes in that of both.
fn proved(name: &str, rooms: Rooms, outcomes: &[Confined; 3]) -> Verdict {
    let [narrow, tight, wide] = outcomes;
    let fits = |outcome: &Confined, what: &str, room: u64| match outcome {
        Confined::Succeeded => Verdict::Passed,
        Confined::Failed(words) => Verdict::broken(format!("{name}: {what} fits {room} bytes"), words),
        Confined::Forbidden(why) => Verdict::NotMeasured(why.clone()),
    };
    let full = format!("{name}: two passes do not fit {} bytes, and say that there is no space left", rooms.image);
    let tight = match tight {
        Confined::Succeeded => Verdict::broken(full, "they do"),
        Confined::Failed(words) if words.contains("no space left on device") => Verdict::Passed,
        Confined::Failed(words) => Verdict::broken(full, words),
        Confined::Forbidden(why) => Verdict::NotMeasured(why.clone()),
    };
    let verdicts = [fits(narrow, "one stream", rooms.image), tight, fits(wide, "two passes", rooms.both)];
    Finding::gather(Gate::Space, verdicts.map(|verdict| (verdict, String::new()))).verdict
}

/// Judges by the packer's own account, and by what is seen of the filesystem.
fn reduced(one: &Seen, seen: &[Seen], rooms: Rooms, runner: &mut dyn Confine, why: &str) -> Result<Verdict> {
    let name = one.case.name();
    let held = one.pack().scratch_peak;
    if held <= rooms.image || held > rooms.both {
        return Ok(Verdict::broken(format!("{name}: two passes hold the tar and the image"), format!("{held} bytes")));
    }
    let streams = seen.iter().filter(|other| other.case == one.case && other.strategy == Strategy::SingleStream);
    // What a pack holds is seen in every run, what others write is not.
    let mut least = streams.map(|stream| stream.outcome.scratch.peak).min().unwrap_or(u64::MAX);
    let most = rooms.image + run::tolerance(rooms.image);
    for _ in 0..AGAIN {
        if least <= most {
            break;
        }
        least = least.min(runner.run(Work::Pack(&one.case, Strategy::SingleStream))?.scratch.peak);
    }
    Ok(if least <= most {
        Verdict::Reduced(format!("by the packer's own account, and as seen from outside: {why}"))
    } else {
        Verdict::NotMeasured(format!(
            "{name}: {why}; and {least} bytes were seen from outside where the packer tells of {}: it hides something, or \
             others write to that filesystem",
            one.outcome.image_size
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspection;
    use crate::run::{Curve, Outcome, Runner};
    use crate::verify::test_support::{IMAGE, TAR, outcome, seen};

    /// A packer that holds what it says and so much more.
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

        fn inspect(&mut self, _: Work<'_>) -> Result<(Outcome, Inspection)> {
            unreachable!("it was looked at before")
        }
    }

    impl Confine for Holding {
        fn confine(&mut self, work: Work<'_>, room: u64) -> Result<Confined> {
            if self.forbidden {
                return Ok(Confined::Forbidden("operation not permitted".into()));
            }
            let fits = self.run(work)?.scratch.peak <= room;
            Ok(if fits { Confined::Succeeded } else { Confined::Failed(self.words.into()) })
        }
    }

    fn verdict(mut packer: Holding) -> Verdict {
        let mut seen = seen("gzip:5");
        for one in &mut seen {
            one.outcome = packer.run(Work::Pack(&one.case, one.strategy)).unwrap();
        }
        prove(&seen, &mut packer).unwrap().verdict
    }

    #[test]
    fn one_stream_holds_the_image_alone() {
        assert_eq!(verdict(HONEST), Verdict::Passed);
        assert_eq!(verdict(Holding { hidden: IMAGE / 100, ..HONEST }), Verdict::Passed);
        let hidden = verdict(Holding { hidden: TAR, ..HONEST });
        assert!(matches!(&hidden, Verdict::Broken { expected, .. } if expected.contains("one stream")), "{hidden:?}");
    }

    #[test]
    fn two_passes_that_fit_or_fail_for_another_reason_are_told() {
        let words = verdict(Holding { words: "broken pipe", ..HONEST });
        assert!(matches!(&words, Verdict::Broken { found, .. } if found == "broken pipe"), "{words:?}");
        let rooms = Rooms { image: 1, both: 2 };
        let fits = proved("gzip", rooms, &[Confined::Succeeded, Confined::Succeeded, Confined::Succeeded]);
        assert!(matches!(&fits, Verdict::Broken { found, .. } if found == "they do"), "{fits:?}");
    }

    #[test]
    fn where_no_filesystem_can_be_made_the_gate_is_reduced() {
        let forbidden = Holding { forbidden: true, ..HONEST };
        assert!(matches!(verdict(forbidden), Verdict::Reduced(why) if why.contains("not permitted")));
        let hidden = verdict(Holding { hidden: TAR, forbidden: true, ..HONEST });
        assert!(matches!(&hidden, Verdict::NotMeasured(why) if why.contains("hides something")), "{hidden:?}");
    }
}
