//! Paths in JSON, whose strings are not bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

/// A path. If it is not UTF-8, `path` has replacement characters, and `path_hex` the bytes.
#[derive(Debug, Serialize)]
pub(crate) struct JsonPath {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl JsonPath {
    pub(crate) fn new(path: &Path) -> Self {
        JsonPath { path: path.to_string_lossy().into_owned(), path_hex: path_hex(path) }
    }
}

/// The bytes of a path that is not UTF-8.
pub(crate) fn path_hex(path: &Path) -> Option<String> {
    let bytes = path.as_os_str().as_bytes();
    path.to_str().is_none().then(|| bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn bytes_are_given_only_of_paths_that_are_not_text() {
        let json = |bytes: &[u8]| serde_json::to_string(&JsonPath::new(Path::new(OsStr::from_bytes(bytes)))).unwrap();
        assert_eq!(json("\u{fc}\n".as_bytes()), "{\"path\":\"\u{fc}\\n\"}");
        assert_eq!(json(b"a\xff"), "{\"path\":\"a\u{fffd}\",\"path_hex\":\"61ff\"}");
    }
}
