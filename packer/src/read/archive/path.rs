//! Member names as paths below the top of a tree.

use crate::read::archive::error::{ReadError, quoted};

/// Normalizes a member's name: drops `./`, slashes at either end and doubled ones. The top itself is the empty path.
pub(crate) fn normalize(name: &[u8]) -> Result<Vec<u8>, ReadError> {
    let malformed = |what: &str| Err(ReadError::Malformed(format!("the name {} {what}", quoted(name))));
    if name.is_empty() || name.contains(&0) {
        return malformed("is empty or has a NUL");
    }
    let components = name.split(|byte| *byte == b'/').filter(|component| !matches!(*component, b"" | b"."));
    let mut path = Vec::with_capacity(name.len());
    for component in components {
        if component == b".." {
            return malformed("leads upwards");
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    Ok(path)
}

/// The parent of a path and its last component. `None` for the top.
pub(crate) fn split(path: &[u8]) -> Option<(&[u8], &[u8])> {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => Some((&path[..slash], &path[slash + 1..])),
        None if path.is_empty() => None,
        None => Some((b"", path)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_spellings_of_a_name_are_one_path() {
        for (name, path) in [
            (&b"etc/passwd"[..], Some(&b"etc/passwd"[..])),
            (b"./etc/passwd", Some(b"etc/passwd")),
            (b"/etc//./passwd", Some(b"etc/passwd")),
            (b"etc/", Some(b"etc")),
            (b"./", Some(b"")),
            (b".", Some(b"")),
            (b"/", Some(b"")),
            (b"...", Some(b"...")),
            (b"a/..b", Some(b"a/..b")),
            (b"", None),
            (b"..", None),
            (b"a/../b", None),
            (b"a\0b", None),
        ] {
            assert_eq!(normalize(name).ok().as_deref(), path, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn a_path_splits_before_its_last_component() {
        assert_eq!(split(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(split(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split(b""), None);
    }
}
