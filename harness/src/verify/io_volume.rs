//! G2 and G3: bytes that one stream writes and reads, per byte of the image and of the tar.
//!
//! Counted twice: by the packer itself, by the role of each file, and by the kernel, whatever the bytes were for. The
//! kernel also counts the bytes fed to another program, so external compressors are judged by the packer's account
//! alone.

use packer::Strategy;

use super::finding::{Finding, Gate, GateVerdict};
use crate::record::Check;
use crate::run::{Io, PackRecord};
use crate::verify::InspectedPack;

/// Bytes that may be written for each of the image.
const WRITTEN: f64 = 1.01;

/// Bytes that may be read for each of the tar.
const READ: f64 = 1.05;

/// Bytes written and read by any run: output, libraries. Negligible beside the tree of a gate.
const BESIDE: u64 = 64 << 10;

/// Judges the bytes written.
pub(crate) fn written(seen: &[InspectedPack]) -> Finding {
    let own = |pack: &PackRecord| pack.bytes_written.image + pack.bytes_written.temporary_tar;
    Quantity { own, kernel: |io| io.written, limit: WRITTEN, per: "image" }.find(Gate::Written, seen)
}

/// Judges the bytes read.
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
    /// The unit: `image` or `tar`.
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

    /// The ratio to the unit, and the account that it comes from.
    fn ratio(&self, one: &InspectedPack) -> Option<(f64, &'static str)> {
        let pack = one.outcome.pack.as_ref()?;
        let whole = if self.per == "tar" { pack.tar_size } else { one.outcome.image_size };
        let (own, kernel) = ((self.own)(pack), self.kernel_of(one).unwrap_or(0));
        let account = if own >= kernel { "by the packer's own account" } else { "by the kernel's account" };
        Some((own.max(kernel).saturating_sub(BESIDE) as f64 / whole as f64, account))
    }

    /// The kernel's count; `None` where it includes other programs.
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
