//! The exit codes, and what the help says of them. `docs/exit-codes.md` has the same in one table.

/// Failed; of `verify` and `diff`, an answer: not sound, or different.
pub(crate) const FAILED: u8 = 1;

/// Wrong use; of `verify`, `inspect` and `diff`, as of `diff` and `cmp`, also that there is no answer.
pub(crate) const WRONG_USE: u8 = 2;

/// `pack --live`: entries changed while they were packed; the image, if one was asked for, is complete.
pub(crate) const CHANGED: u8 = 3;

/// `pack`: the image is complete, and something failed after that. The message has its path.
pub(crate) const FAILED_LATE: u8 = 4;

/// A signal ended the command: this plus the signal's number, which is what a shell makes of it, too.
pub(crate) const SIGNAL: u8 = 128;

/// Ends `onepass --help`.
pub(crate) const OF_ALL: &str = "\
Exit codes:
  0        Done; verify: the image is sound; diff: the images are equal
  1        Failed; verify, inspect: the image is not sound; diff: the images differ
  2        Wrong use; verify, inspect, diff: also if the question could not be answered
  3        pack --live: entries changed while they were packed; the image is complete
  4        pack: the image is complete, but could not be reported or its directory not be synced
  128 + N  Signal N ended the command";

/// Ends `onepass pack --help`.
pub(crate) const OF_PACK: &str = "\
Exit codes:
  0        The image is complete and on the disk
  1        The pack failed, and no image is left
  2        Wrong use; nothing was packed
  3        With --live: entries changed while they were packed; the image is complete
  4        The image is complete, but something failed after that: the line on standard output or the
           record could not be written, or the directory not be synced. The message has the path
  128 + N  Signal N ended the pack, and no image is left";

/// Ends `onepass verify --help`.
pub(crate) const OF_VERIFY: &str = "\
Exit codes:
  0        The image is sound; with --against, it also holds the same as ROOTFS
  1        The image is not sound, or differs from ROOTFS
  2        Wrong use, the image or ROOTFS could not be read, or the result not be written";

/// Ends `onepass inspect --help`.
pub(crate) const OF_INSPECT: &str = "\
Exit codes:
  0        The summary was printed
  1        The image is not sound
  2        Wrong use, the image could not be read, or the summary not be written";

/// Ends `onepass diff --help`.
pub(crate) const OF_DIFF: &str = "\
Exit codes:
  0        The images do not differ
  1        The images differ, or one is not sound
  2        Wrong use, an image could not be read, or the result not be written";

/// Ends `onepass completions --help` and `onepass man --help`.
pub(crate) const OF_DOCUMENTS: &str = "\
Exit codes:
  0        Done
  1        The text could not be written
  2        Wrong use";
