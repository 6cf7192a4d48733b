//! G2 and G3: what one stream writes and reads, for each byte of the image and of the tar.
//!
//! Counted twice: by the packer itself, by the role of each file, and by the kernel, whatever the bytes were for. The kernel
//! counts what a program of another's is fed as well, so of external compressors the packer's account is all there is.

use packer::Strategy;

use super::finding::{Finding, Gate, GateVerdict};
use crate::record::Check;
use crate::run::{Io, PackRecord};
use crate::verify::InspectedPack;

/// Bytes that may be written for each of the image.
const WRITTEN: f64 = 1.01;

/// Bytes that may be read for each of the tar.
const READ: f64 = 1.05;

/// What is written and read in any case: what is printed, the program's libraries. Beside a tree of a gate it is nothing.
const BESIDE: u64 = 64 << 10;

/// Judges what was written.
pub(crate) fn written(seen: &[InspectedPack]) -> Finding {
    let own = |pack: &PackRecord| pack.bytes_written.image + pack.bytes_written.temporary_tar;
    Quantity { own, kernel: |io| io.written, limit: WRITTEN, per: "image" }.find(Gate::Written, seen)
}

/// Judges what was read.
pub(crate) fn read(seen: &[InspectedPack]) -> Finding {
    let own = |pack: &PackRecord| pack.bytes_read;
    Quantity { own, kernel: |io| io.read, limit: READ, per: "tar" }.find(Gate::Read, seen)
}

/// Both, as laws.
pub(crate) fn laws(seen: &[InspectedPack]) -> Vec<Check> {
    let law = |finding: Finding, law: &str| Check {
        law: law.into(),
        holds: finding.verdict.holds(),
        detail: match finding.verdict {
            GateVerdict::Passed => finding.figures,
            GateVerdict::Reduced(why) => format!("{}; {why}", finding.figures),
            GateVerdict::Broken { found, .. } => found,
            GateVerdict::NotMeasured(why) => why,
        },
    };
    vec![
        law(
            written(seen),
            "single-stream writes no more than 1.01 × the image, by its own account and by the kernel's",
        ),
        law(read(seen), "single-stream reads no more than 1.05 × the tar, by its own account and by the kernel's"),
    ]
}

/// Bytes of one kind.
struct Quantity {
    own: fn(&PackRecord) -> u64,
    kernel: fn(&Io) -> u64,
    /// How many there may be for each.
    limit: f64,
    /// Of what.
    per: &'static str,
}

impl Quantity {
    /// Judges every single stream.
    fn find(&self, gate: Gate, seen: &[InspectedPack]) -> Finding {
        let streams = || seen.iter().filter(|one| one.strategy == Strategy::SingleStream);
        let finding = Finding::gather(gate, streams().map(|one| (self.judge(one), String::new())));
        let most = streams().filter_map(|one| self.ratio(one)).map(|(ratio, _)| ratio).fold(0.0, f64::max);
        Finding { figures: format!("at most {most:.3} × the {}, {} runs", self.per, streams().count()), ..finding }
    }

    /// For each byte of what it is measured by; and by whose account that is.
    fn ratio(&self, one: &InspectedPack) -> Option<(f64, &'static str)> {
        let pack = one.outcome.pack.as_ref()?;
        let whole = if self.per == "tar" { pack.tar_size } else { one.outcome.image_size };
        let (own, kernel) = ((self.own)(pack), self.kernel_of(one).unwrap_or(0));
        let account = if own >= kernel { "by the packer's own account" } else { "by the kernel's account" };
        Some((own.max(kernel).saturating_sub(BESIDE) as f64 / whole as f64, account))
    }

    /// What the kernel counted; nothing where that would be something else.
    fn kernel_of(&self, one: &InspectedPack) -> Option<u64> {
        one.outcome.usage.io.as_ref().filter(|_| !is_fed(one)).map(self.kernel)
    }

    fn judge(&self, one: &InspectedPack) -> GateVerdict {
        let name = one.case.name();
        let Some((ratio, account)) = self.ratio(one) else {
            return GateVerdict::NotMeasured(format!("{name}: the packer told nothing"));
        };
        if ratio > self.limit {
            let expected = format!("at most {:.2} × the {}", self.limit, self.per);
            GateVerdict::broken(expected, format!("{ratio:.3} × with {name}, {account}"))
        } else if self.kernel_of(one).is_none() && !is_fed(one) {
            GateVerdict::Reduced("the kernel does not tell what a process reads and writes".into())
        } else {
            GateVerdict::Passed
        }
    }
}

/// Whether a program of another's is fed.
fn is_fed(one: &InspectedPack) -> bool {
    one.case.compression.starts_with("external:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::test_support::{IMAGE, TAR, seen};

    fn io(seen: &mut [InspectedPack]) -> &mut Io {
        seen[1].outcome.usage.io.as_mut().unwrap()
    }

    fn pack(seen: &mut [InspectedPack]) -> &mut PackRecord {
        seen[1].outcome.pack.as_mut().unwrap()
    }

    /// Both verdicts after a change to one stream's run.
    fn verdicts(change: impl FnOnce(&mut [InspectedPack])) -> [GateVerdict; 2] {
        let mut seen = seen("gzip:5");
        change(&mut seen);
        [written(&seen).verdict, read(&seen).verdict]
    }

    #[test]
    fn what_is_needed_passes_and_two_passes_are_not_asked() {
        assert_eq!(verdicts(|_| {}), [GateVerdict::Passed, GateVerdict::Passed]);
        assert_eq!(
            verdicts(|seen| io(seen).written = IMAGE * 101 / 100 + BESIDE),
            [GateVerdict::Passed, GateVerdict::Passed]
        );
        assert_eq!(
            verdicts(|seen| io(seen).read = TAR * 105 / 100 + BESIDE),
            [GateVerdict::Passed, GateVerdict::Passed]
        );
    }

    #[test]
    fn too_much_breaks_its_gate_alone_whoever_counted_it() {
        let broken = |verdict: &GateVerdict| matches!(verdict, GateVerdict::Broken { .. });
        for [written, read] in [
            verdicts(|seen| io(seen).written = IMAGE * 101 / 100 + BESIDE + 1),
            verdicts(|seen| pack(seen).bytes_written.temporary_tar = TAR),
        ] {
            assert!(broken(&written) && read == GateVerdict::Passed, "{written:?} {read:?}");
        }
        for [written, read] in [
            verdicts(|seen| io(seen).read = TAR * 105 / 100 + BESIDE + 1),
            verdicts(|seen| pack(seen).bytes_read = TAR * 2),
        ] {
            assert!(broken(&read) && written == GateVerdict::Passed, "{written:?} {read:?}");
        }
    }

    #[test]
    fn without_the_kernel_it_is_said_so_and_of_other_programs_it_is_not_asked() {
        let [written, read] = verdicts(|seen| seen[1].outcome.usage.io = None);
        assert!(matches!(written, GateVerdict::Reduced(_)) && matches!(read, GateVerdict::Reduced(_)));
        let mut fed = seen("external:gzip");
        io(&mut fed).written = IMAGE + TAR;
        assert_eq!(super::written(&fed).verdict, GateVerdict::Passed);
    }
}
