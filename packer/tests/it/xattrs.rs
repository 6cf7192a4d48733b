//! Which extended attributes an image has: none of the host, unless the options bring them back, and those alone that they keep.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use packer::{Compression, Pack, Source, Strategy};
use rustix::fs::XattrFlags;
use tempfile::TempDir;
use testkit::log::skip;

use crate::corners::{PLACE, pack};
use crate::same_bytes::succeeds;

/// What machines and filesystems give to files.
const OF_HOSTS: [(&str, &[u8]); 11] = [
    ("security.selinux", b"system_u:object_r:unlabeled_t:s0\0"),
    ("security.SMACK64", b"_"),
    ("security.csm", b"1"),
    ("security.ima", b"\x04\x04hash"),
    ("security.evm", b"\x03inode"),
    ("trusted.overlay.origin", b"\0\xfb\x1d\0\x81"),
    ("trusted.overlay.impure", b"y"),
    ("trusted.overlay.nlink", b"U+1"),
    ("trusted.overlay.uuid", b"0123456789abcdef"),
    ("user.overlay.origin", b"\0\xfb\x1d\0\x81"),
    ("user.overlay.uuid", b"0123456789abcdef"),
];

/// What belongs to the files themselves.
const OF_FILES: [(&str, &[u8]); 7] = [
    ("user.a", b"1"),
    ("user.overlay.opaque", b"y"),
    ("trusted.a", b"2"),
    ("trusted.overlay.redirect", b"/x"),
    ("security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0"),
    ("security.evm", b"\x05\x02signature"),
    ("security.ima", b"\x03\x02signature"),
];

/// `user::rwx,user:1000:r-x,group::r-x,mask::rwx,other::r--`.
const ACL: &[u8] = b"\x02\0\0\0\x01\0\x07\0\xff\xff\xff\xff\x02\0\x05\0\xe8\x03\0\0\x04\0\x05\0\xff\xff\xff\xff\
    \x10\0\x07\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";

fn set(path: &Path, name: &str, value: &[u8]) {
    let set = rustix::fs::lsetxattr(path, name, value, XattrFlags::empty());
    set.unwrap_or_else(|error| panic!("{path:?}: {name}: {error}"));
}

/// A tree with attributes of files, and a place for images; `None` for a user, who cannot set them.
fn place() -> Option<TempDir> {
    if !rustix::process::geteuid().is_root() {
        skip("only root can set labels");
        return None;
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let at = |path: &str| place.path().join(path);
    fs::create_dir_all(at("tree/directory")).unwrap();
    fs::create_dir(at("images")).unwrap();
    for name in ["tree/plain", "tree/directory/file", "tree/signed", "tree/list"] {
        fs::write(at(name), name).unwrap();
    }
    symlink("plain", at("tree/link")).unwrap();
    OF_FILES.iter().for_each(|(name, value)| set(&at("tree/signed"), name, value));
    set(&at("tree/directory"), "trusted.overlay.opaque", b"y");
    set(&at("tree/list"), "system.posix_acl_access", ACL);
    Some(place)
}

/// Gives the labels of a host to every entry but the signed one.
fn label(tree: &Path) {
    for path in ["", "plain", "directory", "directory/file", "list", "link"] {
        for (name, value) in OF_HOSTS {
            // A symlink has none of `user.`.
            if path != "link" || !name.starts_with("user.") {
                set(&tree.join(path), name, value);
            }
        }
    }
    set(&tree.join("signed"), "security.selinux", b"system_u:object_r:bin_t:s0\0");
}

/// The names of the attributes that a tar has, of all entries together, and the keys of ACLs.
fn names(tar: &[u8]) -> BTreeSet<String> {
    let starts = tar.windows(7).enumerate().filter(|(_, bytes)| bytes == b"SCHILY.").map(|(at, _)| at + 7);
    let key = |at: usize| tar[at..].split(|byte| *byte == b'=').next().unwrap();
    let name = |at: usize| String::from_utf8(key(at).to_vec()).unwrap();
    starts.map(|at| name(at).trim_start_matches("xattr.").to_owned()).collect()
}

fn image(place: &TempDir, options: &[&str]) -> PathBuf {
    let record = pack(&place.path().join("tree"), &place.path().join("images"), options);
    record["path"].as_str().unwrap().into()
}

fn verify(place: &TempDir, image: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
    command.arg("verify").arg(image).arg("--against").arg(place.path().join("tree")).args(options);
    command.output().unwrap()
}

#[test]
fn labels_of_the_host_change_no_fingerprint() {
    let Some(place) = place() else { return };
    let fingerprints = || {
        let mut found = Vec::new();
        for strategy in [Strategy::SingleStream, Strategy::TwoPass] {
            for compression in [Compression::None, Compression::ZSTD] {
                let pack = Pack::new(place.path().join("tree")).strategy(strategy).compression(compression);
                found.push(pack.publish(place.path().join("images")).unwrap().fingerprint);
            }
        }
        found
    };
    let plain = fingerprints();
    let image = image(&place, &[]);
    let kept = names(&fs::read(&image).unwrap());
    let expected = OF_FILES.iter().map(|(name, _)| *name).chain([
        "trusted.overlay.opaque",
        "acl.access",
        "system.posix_acl_access",
    ]);
    assert_eq!(kept, expected.map(str::to_owned).collect());
    label(&place.path().join("tree"));
    assert_eq!(fingerprints(), plain);
    let run = verify(&place, &image, &[]);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
    assert_eq!(Source::new(&image).compare_with_tree(&Pack::new(place.path().join("tree"))).unwrap(), []);
}

/// An included name is kept although it is of the host; everything else is left out.
#[test]
fn an_include_brings_labels_back_and_keeps_nothing_else() {
    let Some(place) = place() else { return };
    label(&place.path().join("tree"));
    let default = names(&fs::read(image(&place, &[])).unwrap());
    let all: BTreeSet<String> = default.iter().cloned().chain(OF_HOSTS.map(|(name, _)| name.to_owned())).collect();
    let matching = |keep: &dyn Fn(&str) -> bool| all.iter().filter(|name| keep(name)).cloned().collect();
    let is_acl = |name: &str| name == "acl.access" || name == "system.posix_acl_access";
    let cases: [(&[&str], BTreeSet<String>); 8] = [
        (&["--xattrs-include", "security.selinux"], matching(&|name| name == "security.selinux")),
        (&["--xattrs-include=*"], all.clone()),
        (&["--xattrs-include", "user.*"], matching(&|name| name.starts_with("user."))),
        (
            &["--xattrs-include", "user.?", "--xattrs-include", "trusted.*"],
            matching(&|name| name == "user.a" || name.starts_with("trusted.")),
        ),
        (&["--xattrs-include=*", "--xattrs-exclude=security.*"], matching(&|name| !name.starts_with("security."))),
        (&["--xattrs-exclude", "user.*"], default.iter().filter(|name| !name.starts_with("user.")).cloned().collect()),
        (&["--xattrs-exclude", "*"], BTreeSet::new()),
        (&["--xattrs-exclude=system.*"], default.iter().filter(|name| !is_acl(name)).cloned().collect()),
    ];
    for (options, expected) in cases {
        assert_eq!(names(&fs::read(image(&place, options)).unwrap()), expected, "{options:?}");
    }
    // A label has the value that it has on the disk.
    let tar = fs::read(image(&place, &["--xattrs-include=security.selinux"])).unwrap();
    let record = b"SCHILY.xattr.security.selinux=system_u:object_r:bin_t:s0\0\n";
    assert!(tar.windows(record.len()).any(|bytes| bytes == record));
}

#[test]
fn verify_agrees_with_pack_by_the_same_filter_and_names_what_another_would_keep() {
    let Some(place) = place() else { return };
    label(&place.path().join("tree"));
    for (options, told) in [
        (&[][..], ""),
        (&["--xattrs-include=*"], "plain: attribute `security.selinux` only in the image"),
        (&["--xattrs-include", "security.selinux"], "signed: attribute `user.a` only in the tree"),
        (&["--xattrs-exclude", "trusted.*"], "signed: attribute `trusted.a` only in the tree"),
        (
            &["--xattrs-include=*", "--xattrs-exclude=user.*", "--xattrs-exclude=trusted.?*"],
            "plain: attribute `security.csm` only in the image",
        ),
    ] {
        let image = image(&place, options);
        let run = verify(&place, &image, options);
        assert!(run.status.success() && run.stdout.is_empty(), "{options:?}: {}", String::from_utf8_lossy(&run.stdout));
        let run = verify(&place, &image, &[]);
        let said = String::from_utf8(run.stdout).unwrap();
        let code = if told.is_empty() { 0 } else { 1 };
        assert_eq!(run.status.code(), Some(code), "{options:?}: {said}");
        assert!(told.is_empty() || said.lines().any(|line| line == told), "{options:?}: {said}");
    }
}

/// `trusted.` is shown to the superuser of the machine alone.
#[test]
fn a_user_makes_the_image_that_root_makes_without_trusted_attributes() {
    let Some(place) = place() else { return };
    let [tree, images, theirs] = ["tree", "images", "theirs"].map(|name| place.path().join(name));
    // A user cannot reach the place by its path, but inherits it.
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(env!("CARGO_BIN_EXE_onepass"), place.path().join("onepass")).unwrap();
    fs::create_dir(&theirs).unwrap();
    fs::set_permissions(theirs, fs::Permissions::from_mode(0o777)).unwrap();
    // The namespace does not know the user of the ACL.
    for (user, options) in [
        ("setpriv --reuid=65534 --regid=65534 --clear-groups", &[][..]),
        ("unshare --user --map-root-user", &["--xattrs-exclude=system.*"]),
    ] {
        let of_all = pack(&tree, &images, options);
        let root = pack(&tree, &images, &[options, &["--xattrs-exclude=trusted.*"]].concat());
        assert_ne!(root["fingerprint"], of_all["fingerprint"]);
        let script = format!("exec {user} ./onepass pack tree -c none -o theirs {}", options.join(" "));
        let output = Command::new("sh").args(["-c", &script]).current_dir(place.path()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.starts_with("unshare:") {
            skip(&format!("no user namespace: {said}"));
            continue;
        }
        assert!(output.status.success(), "{user}: {said}");
        let line = String::from_utf8(output.stdout).unwrap();
        assert_eq!(line.split_once("  ").unwrap().0, root["fingerprint"], "{user}");
    }
}

/// The layer that an overlay wrote has file handles of the layer below, which is another on every machine.
#[test]
fn layers_of_two_overlays_have_one_fingerprint() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let mut found = Vec::new();
    for _ in 0..2 {
        let place = TempDir::new_in(PLACE).unwrap();
        let at = |path: &str| place.path().join(path);
        for directory in ["lower/directory", "upper", "work", "on", "images"] {
            fs::create_dir_all(at(directory)).unwrap();
        }
        fs::write(at("lower/directory/file"), "lower").unwrap();
        fs::hard_link(at("lower/directory/file"), at("lower/second")).unwrap();
        let script = "mount -t overlay none -o lowerdir=lower,upperdir=upper,workdir=work,index=on,redirect_dir=on on \
             && chmod 600 on/directory/file && touch on/directory/new && mv on/directory on/renamed && umount on \
             && find upper -exec touch -hd @1 {} +";
        if let Err(why) = succeeds(Command::new("sh").args(["-c", script]).current_dir(place.path())) {
            return skip(&format!("no overlay: {why}"));
        }
        let value = |path: &str, name: &str| {
            let mut value = vec![0; 256];
            let length = rustix::fs::lgetxattr(at(path), name, &mut value[..]).unwrap();
            value.truncate(length);
            value
        };
        let origin = value("upper/renamed", "trusted.overlay.origin");
        assert_eq!(value("upper/renamed", "trusted.overlay.redirect"), b"directory");
        let record = pack(&at("upper"), &at("images"), &[]);
        let kept = names(&fs::read(record["path"].as_str().unwrap()).unwrap());
        assert_eq!(kept, ["trusted.overlay.redirect".to_owned()].into());
        found.push((origin, record["fingerprint"].clone()));
    }
    assert_ne!(found[0].0, found[1].0);
    assert_eq!(found[0].1, found[1].1);
}

#[test]
fn an_invalid_glob_of_names_is_wrong_use_in_one_line() {
    let place = TempDir::new().unwrap();
    for (option, glob, reason) in
        [("--xattrs-include", "user.[a", "unclosed"), ("--xattrs-exclude", "", "names nothing")]
    {
        for arguments in [&["pack", ".", "-o", "."][..], &["verify", ".", "--against", "."]] {
            let mut command = Command::new(env!("CARGO_BIN_EXE_onepass"));
            let run = command.args(arguments).args([option, glob]).current_dir(place.path()).output().unwrap();
            let said = String::from_utf8(run.stderr).unwrap();
            assert_eq!(run.status.code(), Some(2), "{said}");
            let line = said.lines().next().unwrap();
            assert!(line.contains("is not a glob of attribute names") && line.contains(reason), "{said}");
        }
    }
}
