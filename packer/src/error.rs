//! What can go wrong, told as operation, thing and cause in one line.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::pool::Panicked;

/// Why a pack, or the check of an image, failed.
///
/// Its text names the operation, the thing and the cause: ``cannot read `etc/shadow`: permission denied``. Control
/// characters in names are escaped.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(Box<Failure>);

/// The result of most functions here.
pub type Result<T> = std::result::Result<T, Error>;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("cannot {operation} `{}`: {}", shown(.path), cause(.source))]
    Io { operation: &'static str, path: PathBuf, source: io::Error },
    #[error("`{}` {what}", shown(.path))]
    Unfit { path: PathBuf, what: Cow<'static, str> },
    #[error("`{}` changed while it was packed: {what}", shown(.path))]
    Changed { path: PathBuf, what: &'static str },
    #[error("`{program}` {cause}")]
    Compressor { program: &'static str, cause: String },
    #[error("{codec} encoder: {cause}")]
    Codec { codec: &'static str, cause: String },
    #[error("`{}` is not a sound image: {cause}", shown(.path))]
    Image { path: PathBuf, cause: String },
    #[error("{0}")]
    Rules(String),
    #[error("the image is larger than the limit of {limit} bytes")]
    TooLarge { limit: u64 },
    #[error("cannot write the image: {}", cause(.source))]
    Stream { source: io::Error },
    #[error("the pack was cancelled")]
    Cancelled,
    #[error("internal error: {0}")]
    Panic(String),
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: impl AsRef<Path>, source: impl Into<io::Error>) -> Self {
        Failure::Io { operation, path: path.as_ref().to_owned(), source: source.into() }.into()
    }

    pub(crate) fn unfit(path: impl AsRef<Path>, what: impl Into<Cow<'static, str>>) -> Self {
        Failure::Unfit { path: path.as_ref().to_owned(), what: what.into() }.into()
    }

    pub(crate) fn rules(cause: String) -> Self {
        Failure::Rules(cause).into()
    }

    pub(crate) fn too_large(limit: u64) -> Self {
        Failure::TooLarge { limit }.into()
    }

    /// The image could not be written where it was to go.
    pub(crate) fn stream(source: io::Error) -> Self {
        Failure::Stream { source }.into()
    }

    pub(crate) fn cancelled() -> Self {
        Failure::Cancelled.into()
    }

    pub(crate) fn changed(path: &[u8], what: &'static str) -> Self {
        Failure::Changed { path: OsStr::from_bytes(path).into(), what }.into()
    }

    pub(crate) fn compressor(program: &'static str, cause: impl Into<String>) -> Self {
        Failure::Compressor { program, cause: cause.into() }.into()
    }

    pub(crate) fn codec(codec: &'static str, cause: impl ToString) -> Self {
        Failure::Codec { codec, cause: cause.to_string() }.into()
    }

    pub(crate) fn image(path: &Path, cause: impl ToString) -> Self {
        // Readers put names of the archive into what they say.
        let cause = cause.to_string().chars().flat_map(escaped).collect();
        Failure::Image { path: path.to_owned(), cause }.into()
    }

    /// The same failure, told with the whole path of an entry of the tree at `top`.
    pub(crate) fn below(mut self, top: &Path) -> Self {
        match &mut *self.0 {
            Failure::Io { path, .. } | Failure::Unfit { path, .. } | Failure::Changed { path, .. } => {
                // Joining an empty path would end in a slash.
                *path = if path.as_os_str().is_empty() { top.to_owned() } else { top.join(&path) };
            }
            Failure::Compressor { .. }
            | Failure::Codec { .. }
            | Failure::Image { .. }
            | Failure::Rules(_)
            | Failure::TooLarge { .. }
            | Failure::Stream { .. }
            | Failure::Cancelled
            | Failure::Panic(_) => {}
        }
        self
    }

    /// The file or directory that the failure is about, if it is about one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &*self.0 {
            Failure::Io { path, .. }
            | Failure::Unfit { path, .. }
            | Failure::Changed { path, .. }
            | Failure::Image { path, .. } => Some(path),
            Failure::Compressor { .. }
            | Failure::Codec { .. }
            | Failure::Rules(_)
            | Failure::TooLarge { .. }
            | Failure::Stream { .. }
            | Failure::Cancelled
            | Failure::Panic(_) => None,
        }
    }

    /// The operating system's error, if there was one.
    #[must_use]
    pub fn io_error(&self) -> Option<&io::Error> {
        match &*self.0 {
            Failure::Io { source, .. } | Failure::Stream { source } => Some(source),
            _ => None,
        }
    }

    /// Whether an entry of the tree changed between being listed and being packed.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.change().is_some()
    }

    /// Whether a [cancellation token](crate::CancelToken) ended the work.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(&*self.0, Failure::Cancelled)
    }

    /// Whether an image was read, and is no sound one.
    #[must_use]
    pub fn is_unsound(&self) -> bool {
        matches!(&*self.0, Failure::Image { .. })
    }

    /// The entry that changed, and how.
    pub(crate) fn change(&self) -> Option<(&Path, &'static str)> {
        match &*self.0 {
            Failure::Changed { path, what } => Some((path, what)),
            _ => None,
        }
    }
}

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
fn escaped(character: char) -> impl Iterator<Item = char> {
    let (plain, control) = if character.is_control() { (None, Some(character)) } else { (Some(character), None) };
    plain.into_iter().chain(control.into_iter().flat_map(char::escape_default))
}

/// A name fit for a terminal: control characters, backquotes and bytes that are not UTF-8 are escaped.
#[must_use]
pub fn shown(path: &Path) -> String {
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

/// The cause in the house's style: lower case, without the error number.
fn cause(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or(&text);
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
    fn one_line_with_operation_thing_and_cause() {
        let error = Error::io("read", "etc/shadow", io::Error::from_raw_os_error(13));
        assert_eq!(error.to_string(), "cannot read `etc/shadow`: permission denied");
        assert_eq!(error.path(), Some(Path::new("etc/shadow")));
        assert_eq!(error.io_error().and_then(io::Error::raw_os_error), Some(13));
    }

    #[test]
    fn control_characters_never_reach_the_terminal() {
        let error = Error::changed(b"a\x1b[31m\n\xff", "it grew");
        assert_eq!(error.to_string(), "`a\\u{1b}[31m\\n\\xff` changed while it was packed: it grew");
    }
}
