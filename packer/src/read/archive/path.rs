//! Names of members as paths below the top of a tree.

use crate::read::archive::error::{Flaw, quoted};

/// The path that a name stands for: `./`, slashes at either end and doubled ones make no difference; empty for the top itself.
pub(crate) fn of_name(name: &[u8]) -> Result<Vec<u8>, Flaw> {
    let unfit = |what: &str| Err(Flaw::Unsound(format!("the name {} {what}", quoted(name))));
    if name.is_empty() || name.contains(&0) {
        return unfit("is none");
    }
    let components = name.split(|byte| *byte == b'/').filter(|component| !matches!(*component, b"" | b"."));
    let mut path = Vec::with_capacity(name.len());
    for component in components {
        if component == b".." {
            return unfit("leads upwards");
        }
        if !path.is_empty() {
            path.push(b'/');
        }
        path.extend_from_slice(component);
    }
    Ok(path)
}

/// What is above a path, and its last component; nothing for the top.
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
    fn names_are_paths_however_they_are_written() {
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
            assert_eq!(of_name(name).ok().as_deref(), path, "{}", name.escape_ascii());
        }
    }

    #[test]
    fn paths_end_in_a_component() {
        assert_eq!(split(b"a/b/c"), Some((&b"a/b"[..], &b"c"[..])));
        assert_eq!(split(b"a"), Some((&b""[..], &b"a"[..])));
        assert_eq!(split(b""), None);
    }
}
