//! Paths in JSON, whose strings are not bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

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

/// Paths. If any is not UTF-8, `hex` has an element for each: the bytes of such a path, and null for others.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct JsonPaths {
    pub(crate) texts: Vec<String>,
    pub(crate) hex: Option<Vec<Option<String>>>,
}

impl JsonPaths {
    pub(crate) fn new(paths: &[PathBuf]) -> Self {
        let hex: Vec<_> = paths.iter().map(|path| path_hex(path)).collect();
        JsonPaths {
            texts: paths.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            hex: hex.iter().any(Option::is_some).then_some(hex),
        }
    }
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

    #[test]
    fn a_list_has_bytes_only_if_a_path_of_it_is_not_text() {
        let paths = |paths: &[&[u8]]| {
            let paths: Vec<_> = paths.iter().map(|path| PathBuf::from(OsStr::from_bytes(path))).collect();
            JsonPaths::new(&paths)
        };
        let expected = JsonPaths { texts: vec!["a".to_owned()], hex: None };
        assert_eq!(paths(&[b"a"]), expected);
        let texts = vec!["a".to_owned(), "b\u{fffd}".to_owned()];
        assert_eq!(paths(&[b"a", b"b\xff"]), JsonPaths { texts, hex: Some(vec![None, Some("62ff".to_owned())]) });
    }
}
