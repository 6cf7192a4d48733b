//! Programs that show others another tree by way of a preloaded library: fakeroot and its kind.
//!
//! onepass calls the kernel without that library, so it would pack the real owners, and files in the place of devices.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use anyhow::{Result, bail};

/// The start of a library's file name, and the program that preloads it.
const LIBRARIES: [(&[u8], &str); 3] =
    [(b"libfakeroot", "fakeroot"), (b"libfakechroot", "fakechroot"), (b"libpseudo", "pseudo")];

/// Fails in the environment of such a program.
pub(crate) fn refuse() -> Result<()> {
    let variable = |name: &str| std::env::var_os(name).unwrap_or_default();
    match active(&variable("LD_PRELOAD"), &variable("FAKEROOTKEY")) {
        Some(program) => bail!(
            "cannot see the tree that {program} shows: onepass calls the kernel itself and would find the real owners \
             and files; run it outside of {program}"
        ),
        None => Ok(()),
    }
}

/// The program whose library is preloaded, or whose key is set.
fn active(preloaded: &OsStr, fakeroot_key: &OsStr) -> Option<&'static str> {
    let libraries = preloaded.as_bytes().split(|byte| matches!(byte, b':' | b' '));
    let names = libraries.filter_map(|path| path.rsplit(|byte| *byte == b'/').next());
    let programs = names.filter_map(|name| LIBRARIES.iter().find(|(start, _)| name.starts_with(start)));
    let fakeroot = (!fakeroot_key.is_empty()).then_some("fakeroot");
    programs.map(|(_, program)| *program).next().or(fakeroot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_show_another_tree_are_known_by_name() {
        for (preloaded, key, expected) in [
            ("", "", None),
            ("libeatmydata.so:/usr/lib/libfaketime.so.1", "", None),
            ("/home/libfakeroot/libm.so", "", None),
            ("", "1234", Some("fakeroot")),
            ("libfakeroot-sysv.so", "1234", Some("fakeroot")),
            ("/usr/lib/x86_64-linux-gnu/libfakeroot/libfakeroot-tcp.so", "", Some("fakeroot")),
            ("libeatmydata.so libfakechroot.so", "", Some("fakechroot")),
            ("a.so:/opt/lib/libpseudo.so", "", Some("pseudo")),
        ] {
            assert_eq!(active(preloaded.as_ref(), key.as_ref()), expected, "{preloaded} {key}");
        }
    }
}
