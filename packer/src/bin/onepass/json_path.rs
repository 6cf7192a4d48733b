//! Names in JSON, which has no bytes.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::Serialize;

/// A path; where it is not UTF-8, `path` has replacement characters, and `path_hex` the bytes.
#[derive(Debug, Serialize)]
pub(crate) struct Named {
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_hex: Option<String>,
}

impl Named {
    pub(crate) fn of(path: &Path) -> Self {
        let bytes = path.as_os_str().as_bytes();
        let path_hex = std::str::from_utf8(bytes).is_err().then(|| hex(bytes));
        Named { path: String::from_utf8_lossy(bytes).into_owned(), path_hex }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn bytes_are_told_only_where_they_are_no_text() {
        let json = |bytes: &[u8]| serde_json::to_string(&Named::of(Path::new(OsStr::from_bytes(bytes)))).unwrap();
        assert_eq!(json("\u{fc}\n".as_bytes()), "{\"path\":\"\u{fc}\\n\"}");
        assert_eq!(json(b"a\xff"), "{\"path\":\"a\u{fffd}\",\"path_hex\":\"61ff\"}");
    }
}
