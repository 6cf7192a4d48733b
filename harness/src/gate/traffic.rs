//! G2 and G3: what one stream writes and reads, for each byte of the image and of the tar.
//!
//! Counted twice: by the packer itself, by the role of each file, and by the kernel, whatever the bytes were for. The kernel
//! counts what a program of another's is fed as well, so of external compressors the packer's account is all there is.

use packer::Strategy;

use super::finding::{Finding, Gate, Verdict};
use crate::laws::Seen;
use crate::record::{Io, PackRecord};

/// Bytes that may be written for every hundred of the image.
const WRITTEN: u64 = 101;

/// Bytes that may be read for every hundred of the tar.
const READ: u64 = 105;

/// Judges what was written.
pub(super) fn written(seen: &[Seen]) -> Finding {
    let own = |pack: &PackRecord| pack.bytes_written.image + pack.bytes_written.temporary_tar;
    let judge = |one: &Seen| Quantity { own, kernel: |io| io.written, limit: WRITTEN, per: "image" }.judge(one);
    Finding::gather(Gate::Written, streams(seen).map(judge))
}

/// Judges what was read.
pub(super) fn read(seen: &[Seen]) -> Finding {
    let own = |pack: &PackRecord| pack.bytes_read;
    let judge = |one: &Seen| Quantity { own, kernel: |io| io.read, limit: READ, per: "tar" }.judge(one);
    Finding::gather(Gate::Read, streams(seen).map(judge))
}

fn streams(seen: &[Seen]) -> impl Iterator<Item = &Seen> {
    seen.iter().filter(|one| one.strategy == Strategy::SingleStream)
}

/// Bytes of one kind.
struct Quantity {
    own: fn(&PackRecord) -> u64,
    kernel: fn(&Io) -> u64,
    /// How many there may be for every hundred.
    limit: u64,
    /// Of what.
    per: &'static str,
}

impl Quantity {
    fn judge(&self, one: &Seen) -> (Verdict, String) {
        let name = one.case.name();
        let Some(pack) = &one.outcome.pack else {
            return (Verdict::NotMeasured(format!("{name}: the packer told nothing")), String::new());
        };
        let whole = if self.per == "tar" { pack.tar_size } else { one.outcome.image_size };
        let own = (self.own)(pack);
        let counts = !one.case.compression.starts_with("external:");
        let kernel = one.outcome.usage.io.as_ref().filter(|_| counts).map(self.kernel);
        let ratio = |bytes: u64| bytes as f64 / whole as f64;
        let most = own.max(kernel.unwrap_or(0));
        let figures = format!("{name} {:.3}", ratio(most));
        let verdict = if u128::from(most) * 100 > u128::from(whole) * u128::from(self.limit) {
            let account = if own == most { "by the packer's own account" } else { "by the kernel's account" };
            let expected = format!("at most {:.2} × the {}", self.limit as f64 / 100.0, self.per);
            Verdict::broken(expected, format!("{:.3} × with {name}, {account}", ratio(most)))
        } else if kernel.is_none() && counts {
            Verdict::Reduced("the kernel does not tell what a process reads and writes".into())
        } else {
            Verdict::Passed
        };
        (verdict, figures)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sound::{IMAGE, TAR, seen};
    use super::*;

    fn io(seen: &mut [Seen]) -> &mut Io {
        seen[1].outcome.usage.io.as_mut().unwrap()
    }

    fn pack(seen: &mut [Seen]) -> &mut PackRecord {
        seen[1].outcome.pack.as_mut().unwrap()
    }

    /// Both verdicts after a change to one stream's run.
    fn verdicts(change: impl FnOnce(&mut [Seen])) -> [Verdict; 2] {
        let mut seen = seen("gzip:5");
        change(&mut seen);
        [written(&seen).verdict, read(&seen).verdict]
    }

    #[test]
    fn what_is_needed_passes_and_two_passes_are_not_asked() {
        assert_eq!(verdicts(|_| {}), [Verdict::Passed, Verdict::Passed]);
        assert_eq!(verdicts(|seen| io(seen).written = IMAGE * 101 / 100), [Verdict::Passed, Verdict::Passed]);
        assert_eq!(verdicts(|seen| io(seen).read = TAR * 105 / 100), [Verdict::Passed, Verdict::Passed]);
    }

    #[test]
    fn too_much_breaks_its_gate_alone_whoever_counted_it() {
        let broken = |verdict: &Verdict| matches!(verdict, Verdict::Broken { .. });
        for [written, read] in [
            verdicts(|seen| io(seen).written = IMAGE * 101 / 100 + 1),
            verdicts(|seen| pack(seen).bytes_written.temporary_tar = TAR),
        ] {
            assert!(broken(&written) && read == Verdict::Passed, "{written:?} {read:?}");
        }
        for [written, read] in
            [verdicts(|seen| io(seen).read = TAR * 105 / 100 + 1), verdicts(|seen| pack(seen).bytes_read = TAR * 2)]
        {
            assert!(broken(&read) && written == Verdict::Passed, "{written:?} {read:?}");
        }
    }

    #[test]
    fn without_the_kernel_it_is_said_so_and_of_other_programs_it_is_not_asked() {
        let [written, read] = verdicts(|seen| seen[1].outcome.usage.io = None);
        assert!(matches!(written, Verdict::Reduced(_)) && matches!(read, Verdict::Reduced(_)));
        let mut fed = seen("external:gzip");
        io(&mut fed).written = IMAGE + TAR;
        assert_eq!(super::written(&fed).verdict, Verdict::Passed);
    }
}
