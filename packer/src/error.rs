//! Errors: operation, path and cause in one line, and a kind that callers branch on.

use std::borrow::Cow;
use std::error::Error as StdError;
use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Why packing, or reading an image, failed.
///
/// `{}` names the operation and the path: ``cannot read `etc/shadow` ``. The cause is in
/// [`source`](std::error::Error::source) only, so error reporters that print the chain, such as anyhow's `{:#}`, print it once.
/// `{:#}` is one line with the cause: ``cannot read `etc/shadow`: permission denied``. Control characters in names are escaped.
///
/// ```
/// use packer::{ErrorKind, Pack};
///
/// let error = Pack::new("/nowhere").write(&mut Vec::new()).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Io);
/// assert_eq!(error.path(), Some("/nowhere".as_ref()));
/// assert_eq!(format!("{error:#}"), "cannot open the root filesystem `/nowhere`: no such file or directory");
/// ```
pub struct Error(Box<Failure>);

/// The result of packing or reading an image.
pub type Result<T> = std::result::Result<T, Error>;

/// The kind of an [`Error`]: what a caller can branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused a call, or the caller's writer failed: see [`Error::io_error`].
    Io,
    /// Options contradict each other. Nothing was packed.
    InvalidOptions,
    /// The given tree or image is not what the operation takes: a file instead of a directory, a layout without the wanted tag.
    InvalidInput,
    /// The format cannot hold an entry of the tree, or an image has a feature that this library does not read.
    Unsupported,
    /// Something else is where the image should go.
    OutputExists,
    /// A file or directory changed while it was read.
    Changed,
    /// The image would be larger than [`Pack::max_size`](crate::Pack::max_size).
    TooLarge,
    /// An external program is not installed, cannot be started, or failed.
    Program,
    /// An encoder of this library failed.
    Encoder,
    /// An image was read, and is not sound: cut short, damaged, or read differently by different readers.
    Malformed,
    /// A [`CancelToken`](crate::CancelToken) ended the work.
    Cancelled,
    /// A bug in this library.
    Internal,
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot {operation} `{}`", escape_path(.path))]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    /// `kind` is the public one; `what` is a predicate: `is not a directory`.
    #[error("`{}` {what}", escape_path(.path))]
    Unfit { kind: ErrorKind, path: PathBuf, what: Cow<'static, str> },
    #[error("`{}` changed while it was packed: {what}", escape_path(.path))]
    Changed { path: PathBuf, what: &'static str },
    #[error("`{program}` {cause}")]
    Program { program: &'static str, cause: String },
    #[error("{codec} encoder: {cause}")]
    Encoder { codec: &'static str, cause: String },
    #[error("`{}` is not a sound image: {cause}", escape_path(.path))]
    #[cfg_attr(not(feature = "read"), expect(dead_code, reason = "only reading finds a malformed image"))]
    Image { path: PathBuf, cause: String },
    #[error("{0}")]
    InvalidOptions(String),
    #[error("the image is larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("cannot write the image")]
    Stream { source: io::Error },
    #[error("cannot start a thread")]
    Thread { source: io::Error },
    #[error("the image got its name, `{}`, but the directory `{}` cannot be synced", escape_path(.image), escape_path(.directory))]
    Unsynced { image: PathBuf, directory: PathBuf, source: io::Error },
    #[error("the operation was cancelled")]
    Cancelled,
    #[error("internal error: {0}")]
    Panic(String),
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Failure::Io { operation, path: path.as_ref().to_owned(), source: source.into() }.into()
    }

    /// `what` is a predicate, such as `is of an unknown kind`, here and in the three functions below.
    pub(crate) fn unfit(path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Error::unfit_as(ErrorKind::Unsupported, path, what)
    }

    pub(crate) fn invalid_input(path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Error::unfit_as(ErrorKind::InvalidInput, path, what)
    }

    pub(crate) fn output_exists(path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Error::unfit_as(ErrorKind::OutputExists, path, what)
    }

    /// A file of an image, or of a tree that is compared with one, changed.
    #[cfg(feature = "read")]
    pub(crate) fn changed_while_read(path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Error::unfit_as(ErrorKind::Changed, path, what)
    }

    fn unfit_as(kind: ErrorKind, path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Failure::Unfit { kind, path: path.as_ref().to_owned(), what: what.into() }.into()
    }

    pub(crate) fn invalid_options(cause: String) -> Self {
        Failure::InvalidOptions(cause).into()
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        Failure::TooLarge { limit }.into()
    }

    /// The image could not be written where it was to go.
    pub(crate) fn stream(source: io::Error) -> Self {
        Failure::Stream { source }.into()
    }

    pub(crate) fn thread(source: io::Error) -> Self {
        Failure::Thread { source }.into()
    }

    /// The image has its name, which a power cut may take away again.
    pub(crate) fn unsynced(image: &Path, directory: &Path, source: impl Into<io::Error>) -> Self {
        Failure::Unsynced { image: image.to_owned(), directory: directory.to_owned(), source: source.into() }.into()
    }

    pub(crate) fn cancelled() -> Self {
        Failure::Cancelled.into()
    }

    pub(crate) fn changed(path: &[u8], what: &'static str) -> Self {
        Failure::Changed { path: OsStr::from_bytes(path).into(), what }.into()
    }

    pub(crate) fn compressor(program: &'static str, cause: impl Into<String>) -> Self {
        Failure::Program { program, cause: cause.into() }.into()
    }

    pub(crate) fn codec(codec: &'static str, cause: impl ToString) -> Self {
        Failure::Encoder { codec, cause: cause.to_string() }.into()
    }

    #[cfg(feature = "read")]
    pub(crate) fn image(path: &Path, cause: impl ToString) -> Self {
        // Readers quote names of the archive in the cause.
        let cause = cause.to_string().chars().flat_map(escaped).collect();
        Failure::Image { path: path.to_owned(), cause }.into()
    }

    /// Completes the path of an entry: it is below the tree at `top`.
    pub(crate) fn below(mut self, top: &Path) -> Self {
        match &mut *self.0 {
            Failure::Io { path, .. } | Failure::Unfit { path, .. } | Failure::Changed { path, .. } => {
                // Joining an empty path would end in a slash.
                *path = if path.as_os_str().is_empty() { top.to_owned() } else { top.join(&path) };
            }
            Failure::Program { .. }
            | Failure::Encoder { .. }
            | Failure::Image { .. }
            | Failure::InvalidOptions(_)
            | Failure::TooLarge { .. }
            | Failure::Stream { .. }
            | Failure::Thread { .. }
            | Failure::Unsynced { .. }
            | Failure::Cancelled
            | Failure::Panic(_) => {}
        }
        self
    }

    /// What callers branch on.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match &*self.0 {
            Failure::Io { .. } | Failure::Stream { .. } | Failure::Thread { .. } | Failure::Unsynced { .. } => {
                ErrorKind::Io
            }
            Failure::Unfit { kind, .. } => *kind,
            Failure::Changed { .. } => ErrorKind::Changed,
            Failure::Program { .. } => ErrorKind::Program,
            Failure::Encoder { .. } => ErrorKind::Encoder,
            Failure::Image { .. } => ErrorKind::Malformed,
            Failure::InvalidOptions(_) => ErrorKind::InvalidOptions,
            Failure::TooLarge { .. } => ErrorKind::TooLarge,
            Failure::Cancelled => ErrorKind::Cancelled,
            Failure::Panic(_) => ErrorKind::Internal,
        }
    }

    /// The file or directory that the error is about, if there is one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Failure::Io { path, .. }
            | Failure::Unfit { path, .. }
            | Failure::Changed { path, .. }
            | Failure::Image { path, .. } => Some(path),
            Failure::Unsynced { directory, .. } => Some(directory),
            Failure::Program { .. }
            | Failure::Encoder { .. }
            | Failure::InvalidOptions(_)
            | Failure::TooLarge { .. }
            | Failure::Stream { .. }
            | Failure::Thread { .. }
            | Failure::Cancelled
            | Failure::Panic(_) => None,
        }
    }

    /// The cause, if the operating system or the caller's writer gave it.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &*self.0 {
            Failure::Io { source, .. }
            | Failure::Stream { source }
            | Failure::Thread { source }
            | Failure::Unsynced { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The image, if it is complete and has its name: the fsync of its directory failed after that, so that the image is there,
    /// but may be lost if the power fails.
    #[must_use]
    pub fn published(&self) -> Option<&Path> {
        match &*self.0 {
            Failure::Unsynced { image, .. } => Some(image),
            _ => None,
        }
    }

    /// The entry that changed while it was packed, and how.
    pub(crate) fn change(&self) -> Option<(&Path, &'static str)> {
        match &*self.0 {
            Failure::Changed { path, what } => Some((path, what)),
            _ => None,
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        if f.alternate() {
            for cause in std::iter::successors(self.source(), |cause| (*cause).source()) {
                write!(f, ": {}", in_house_style(&cause.to_string()))?;
            }
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source()
    }
}

/// A thread panicked; holds the message.
#[derive(Debug)]
pub(crate) struct Panicked(pub(crate) String);

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        Error(Box::new(failure))
    }
}

impl From<Panicked> for Error {
    fn from(panic: Panicked) -> Self {
        Failure::Panic(panic.0).into()
    }
}

/// A character as it is, or its escape if it controls a terminal.
#[cfg(feature = "read")]
fn escaped(character: char) -> impl Iterator<Item = char> {
    let (plain, control) = if character.is_control() { (None, Some(character)) } else { (Some(character), None) };
    plain.into_iter().chain(control.into_iter().flat_map(char::escape_default))
}

/// A path as text for a terminal: control characters, backquotes and bytes that are not UTF-8 are escaped.
#[must_use]
pub fn escape_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '`' {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// A cause in lower case and without the error number.
fn in_house_style(text: &str) -> String {
    let text = text.split(" (os error").next().unwrap_or(text);
    let mut characters = text.chars();
    match characters.next() {
        Some(first) => first.to_lowercase().chain(characters).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_is_printed_once() {
        let error = Error::io("read", "etc/shadow", io::Error::from_raw_os_error(13));
        assert_eq!(error.to_string(), "cannot read `etc/shadow`");
        assert_eq!(format!("{error:#}"), "cannot read `etc/shadow`: permission denied");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("Permission denied (os error 13)"));
        assert_eq!(error.path(), Some(Path::new("etc/shadow")));
        assert_eq!(error.io_error().and_then(io::Error::raw_os_error), Some(13));
    }

    #[test]
    fn the_cause_of_a_cause_is_printed() {
        let cause = Error::io("read", "b", io::Error::from_raw_os_error(5));
        let error = Error::io("compare", "a", io::Error::other(cause));
        assert_eq!(format!("{error:#}"), "cannot compare `a`: cannot read `b`: input/output error");
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let error = Error::changed(b"a\x1b[31m\n\xff", "it grew");
        assert_eq!(error.to_string(), "`a\\u{1b}[31m\\n\\xff` changed while it was packed: it grew");
    }
}
