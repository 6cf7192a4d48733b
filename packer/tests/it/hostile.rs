//! Archives that nobody should write: what is not sound is told, what takes too much is refused, and neither takes long.

use std::fs;
use std::path::PathBuf;

use packer::{Error, Source};
use proptest::prelude::*;

use crate::workshop::{self, Workshop};
use testkit::handmade::{self, Tar, tar};

/// Keeps it as an image and verifies that; gives the error, if there is one. What cannot be read does not verify.
fn refused(shop: &Workshop, tar: &Tar) -> Option<Error> {
    let image: PathBuf = shop.keep(&tar.0, ".tar");
    let verified = Source::new(&image).verify();
    let read = Source::new(&image).inspect();
    fs::remove_file(image).unwrap();
    if let (Ok(_), Err(error)) = (&verified, &read) {
        panic!("sound, but: {error}");
    }
    verified.err()
}

#[test]
fn what_readers_do_not_agree_on_is_not_sound() {
    let shop = Workshop::new();
    let sized = |block: &mut [u8; 512]| block[124..135].copy_from_slice(b"00000001000");
    let field =
        |at: usize, text: &'static [u8]| move |block: &mut [u8; 512]| block[at..at + text.len()].copy_from_slice(text);
    let long = "x".repeat(5_000);
    for (tar, words) in [
        // Ends.
        (tar(), "it does not end with two blocks of zeros"),
        (tar().file("a"), "it does not end with two blocks of zeros"),
        (tar().file("a").raw(&[0; 512]), "it does not end with two blocks of zeros"),
        (tar().file("a").raw(&[0; 512]).file("b").end(), "a lone block of zeros"),
        (tar().file("a").end().file("b"), "something stands behind its end"),
        (tar().file("a").end().raw(&[0; 100]), "not a number of whole blocks"),
        (tar().with(b'0', "a", b"", sized).end(), "it does not end with two blocks of zeros"),
        (tar().with(b'0', "a", b"", field(124, b"77777777777")).end(), "`a`: it is cut short"),
        (
            tar().with(b'0', "a", b"", field(124, b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff")).end(),
            "`a`: it is cut short",
        ),
        (tar().with(b'0', "a", b"", field(124, b"\x80\0\0\x01\0\0\0\0\0\0\0\0")).end(), "beyond all sizes"),
        (tar().with(b'0', "a", b"", field(124, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")).end(), "negative"),
        (tar().with(b'0', "a", b"", field(124, b"0000000000x")).end(), "size is not a number"),
        // Headers.
        (tar().raw(&[b'x'; 512]).end(), "checksum is wrong"),
        (tar().with(b'0', "a", b"", field(108, b"\xff\xff\xff\xff\xff\xff\xff\xff")).end(), "`a`: its user is beyond"),
        (tar().with(b'0', "a", b"", field(116, b"\x80\0\0\x01\0\0\0\0")).end(), "`a`: its group is beyond"),
        (tar().with(b'0', "a", b"", field(136, b"\x80\0\0\x01\0\0\0\0\0\0\0\0")).end(), "`a`: its time is beyond"),
        (tar().with(b'0', "a", b"", field(136, b"not a time!")).end(), "`a`: a header's time is not a number"),
        (tar().with(b'3', "a", b"", field(329, b"\xff\xff\xff\xff\xff\xff\xff\xff")).end(), "`a`: its device number"),
        (tar().with(b'5', "a/", b"", sized).raw(&[0; 512]).end(), "`a/`: it is no file, and has a size"),
        (tar().file("b").with(b'1', "a", b"xx", field(157, b"b")).end(), "`a`: it is no file, and has a size"),
        (tar().with(b'2', "a", b"xx", field(157, b"b")).end(), "`a`: it is no file, and has a size"),
        (tar().member(b'0', "a/").end(), "its name is a directory's, and it is a file"),
        // Extended headers.
        (tar().records(b'x', &[("mtime", "1")]).end(), "an extended header stands at its end"),
        (tar().records(b'x', &[("mtime", "1")]).records(b'x', &[]).file("a").end(), "two extended headers"),
        (tar().records(b'x', &[]).records(b'g', &[]).file("a").end(), "a global header stands between"),
        (tar().with(b'L', "l", b"a\0", |_| {}).with(b'L', "l", b"a\0", |_| {}).file("a").end(), "two long names"),
        (
            tar().with(b'L', "l", b"a\0", |_| {}).records(b'x', &[("path", "b")]).file("a").end(),
            "a long name stands beside an extended header with a name",
        ),
        (
            tar().records(b'x', &[("size", "0")]).with(b'K', "l", b"a\0", |_| {}).link(b'2', "a", "b").end(),
            "a long name stands beside an extended header with a name or a size",
        ),
        (tar().with(b'K', "l", b"a\0", |_| {}).end(), "an extended header stands at its end"),
        (tar().with(b'x', "x", b"12 path=a", |_| {}).file("a").end(), "is not made of records"),
        (tar().records(b'x', &[("uid", "x")]).file("a").end(), "the record `uid` says `x`"),
        (tar().records(b'x', &[("mtime", "1e5")]).file("a").end(), "the record `mtime` says `1e5`"),
        (tar().records(b'x', &[("uid", &long)]).file("a").end(), "the record `uid` says `xxx"),
        (tar().records(b'x', &[("LIBARCHIVE.xattr.user.a", "?")]).file("a").end(), "is not base64"),
        (tar().records(b'x', &[("size", "99999999999999999999")]).file("a").end(), "the record `size` says"),
        (tar().records(b'x', &[("size", "18446744073709551615")]).file("a").end(), "`a`: it is cut short"),
        (tar().records(b'x', &[("uid", "4294967296")]).file("a").end(), "`a`: its user is beyond"),
        // Names.
        (tar().file("../a").end(), "the name `../a` leads upwards"),
        (tar().file("a/../../b").end(), "leads upwards"),
        (tar().records(b'x', &[("path", "a\0b")]).file("a").end(), "the name `a\\u{0}b` is empty or has a NUL"),
        (tar().file("").end(), "the name `` is empty or has a NUL"),
        (tar().member(b'2', ".").end(), "`.` is the top, and no directory"),
        (tar().file("b").link(b'1', "a", "../b").end(), "leads upwards"),
        (tar().link(b'1', "a", "a").end(), "`a` is a hard link of"),
        (tar().member(b'5', "b").link(b'1', "a", "b").end(), "`a` is a hard link of"),
        // Control characters stay away from the terminal.
        (tar().file("\x1b[31m/..").end(), "the name `\\u{1b}[31m/..`"),
    ] {
        let error = refused(&shop, &tar).unwrap_or_else(|| panic!("sound, but: {words}"));
        let said = error.to_string();
        assert!(
            error.kind() == packer::ErrorKind::Malformed && said.contains(words) && said.lines().count() == 1,
            "{words}: {said}"
        );
    }
}

/// Unpacking would do something with these; but nobody needs them, and each is a way to make two readers see two trees.
#[test]
fn names_that_stand_twice_or_below_a_symlink_do_not_verify() {
    let shop = Workshop::new();
    for (tar, words) in [
        (tar().file("a").file("a").end(), "`a` is there twice"),
        (tar().file("a").file("./a").end(), "`./a` is there twice"),
        (tar().member(b'5', "a/").member(b'5', "a").end(), "`a` is there twice"),
        (tar().link(b'2', "a", "/etc").file("a/passwd").end(), "`a/passwd` is below what is no directory"),
        (tar().file("a/b").file("a").end(), "`a` is no directory, and something is below it"),
    ] {
        let image = shop.keep(&tar.0, ".tar");
        let error = Source::new(&image).verify().unwrap_err();
        assert!(error.kind() == packer::ErrorKind::Malformed && error.to_string().contains(words), "{error}");
        Source::new(&image).inspect().unwrap();
    }
}

/// What LXD and Incus would not import, though every byte is where it should be.
#[test]
fn an_image_that_is_not_described_does_not_verify() {
    let shop = Workshop::new();
    let large = [workshop::METADATA, &"#".repeat(1 << 20)].concat();
    for (metadata, words) in [
        (workshop::METADATA, None),
        ("architecture: x86_64\ncreation_date: 1\nproperties:\n  serial: 20261125\n  variant:\n", None),
        ("architecture: x86_64\n", Some("its metadata.yaml has no `creation_date`")),
        ("creation_date: 1\n", Some("its metadata.yaml has no `architecture`")),
        ("\0", Some("its metadata.yaml is not YAML")),
        (&large, Some("its metadata.yaml has 1048638 bytes, and 1048576 are the limit")),
    ] {
        fs::write(shop.0.path().join("metadata.yaml"), metadata).unwrap();
        for image in [shop.unified(), shop.split()] {
            match (Source::new(&image).verify(), words) {
                (Ok(_), None) => {}
                (Err(error), Some(words)) => {
                    assert!(
                        error.kind() == packer::ErrorKind::Malformed && error.to_string().contains(words),
                        "{error}"
                    )
                }
                (verified, words) => panic!("{words:?}: {verified:?}"),
            }
        }
    }
}

#[test]
fn what_takes_too_much_or_is_not_known_is_refused() {
    let shop = Workshop::new();
    let megabyte = "x".repeat(1 << 20);
    for (tar, words) in [
        (tar().records(b'x', &[("comment", &megabyte)]).file("a").end(), "holds an extended header of 1048"),
        (tar().with(b'L', "l", megabyte.as_bytes(), |_| {}).file("a").end(), ""),
        (
            tar().with(b'L', "l", &[megabyte.as_bytes(), b"y"].concat(), |_| {}).file("a").end(),
            "holds an extended header of 1048577",
        ),
        (
            tar().with(b'x', "x", b"", |block| block[124..135].copy_from_slice(b"77777777777")).end(),
            "holds an extended header of 8589934591",
        ),
        (tar().records(b'g', &[("path", &megabyte[..70_000])]).file("a").end(), "64 KiB of global records"),
        (tar().records(b'x', &[("SCHILY.realsize", "1")]).file("a").end(), "star's sparse format"),
        (
            tar().records(b'x', &[("GNU.sparse.major", "2"), ("GNU.sparse.size", "1")]).file("a").end(),
            "sparse format 2.0",
        ),
        (tar().member(b'M', "a").end(), "multi-volume archive (`a`)"),
        (tar().member(b'D', "a").end(), "incremental"),
        (tar().member(b'Z', "a").end(), "the unknown type `Z` (`a`)"),
        (tar().member(0xff, "a").end(), "the unknown type `\\xff`"),
    ] {
        match refused(&shop, &tar) {
            None => assert_eq!(words, ""),
            Some(error) => {
                assert!(
                    error.kind() != packer::ErrorKind::Malformed && error.to_string().contains(words),
                    "{words}: {error}"
                );
            }
        }
    }
}

#[test]
fn maps_of_holes_are_checked() {
    let shop = Workshop::new();
    let sparse = |map: &str, size: &str, data: &[u8]| {
        let records = [
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "a"),
            ("GNU.sparse.realsize", size),
        ];
        let mut content = map.as_bytes().to_vec();
        content.resize(content.len().next_multiple_of(512), 0);
        content.extend_from_slice(data);
        tar().records(b'x', &records).with(b'0', "GNUSparseFile.0/a", &content, |_| {}).end()
    };
    let exabytes = (1_u64 << 63).to_string();
    for (tar, words) in [
        (sparse("0\n", "0", b""), ""),
        (sparse("1\n0\n512\n", "512", &[1; 512]), ""),
        (sparse("2\n0\n512\n1024\n3\n", "2000", &[1; 515]), ""),
        // No time is taken for what is not there.
        (sparse(&format!("2\n0\n512\n{exabytes}\n0\n"), &exabytes, &[1; 512]), ""),
        (sparse("0\n", "18446744073709551615", b""), ""),
        (sparse("1\n0\n512\n", "511", &[1; 512]), "is not in order, or beyond the end"),
        (sparse("2\n0\n512\n256\n512\n", "9999", &[1; 1024]), "is not in order"),
        (sparse("1\n1\n18446744073709551615\n", "9999", &[1; 512]), "is not in order"),
        (sparse("1\n0\n512\n", "9999", &[1; 1024]), "does not tell of all the data, or of more"),
        (sparse("1\n0\n1024\n", "9999", &[1; 512]), "does not tell of all the data"),
        (sparse("2\n0\n3\n1024\n512\n", "9999", &[1; 515]), "not whole blocks"),
        (sparse("3\n0\n512\n", "9999", b""), "the map of a sparse file is"),
        (sparse("", "9999", b""), "the map of a sparse file is cut short"),
        (sparse("99999999999999999999\n", "9999", b""), "a number that is too large"),
        (sparse("1\n\n", "9999", b""), "an empty line"),
        (sparse("x", "9999", b""), "is not made of numbers"),
        (sparse("4194305\n", "9999", b""), "is not made of numbers"),
        (tar().records(b'x', &[("GNU.sparse.name", "a")]).file("a").end(), "without the size"),
        (tar().records(b'x', &[("GNU.sparse.numbytes", "1")]).file("a").end(), "a length without an offset"),
        (tar().records(b'x', &[("GNU.sparse.map", "1,2,3")]).file("a").end(), "an offset without a length"),
        (tar().records(b'x', &[("GNU.sparse.map", "1;2")]).file("a").end(), "is not made of numbers"),
        (
            tar().records(b'x', &[("GNU.sparse.size", "0")]).member(b'5', "a").end(),
            "a member that is no file has a map",
        ),
        (tar().records(b'x', &[("GNU.sparse.size", "7"), ("GNU.sparse.map", "0,7")]).file("a").end(), ""),
        // GNU's old format: a block of extents that is announced and is not there.
        (
            tar().with(b'S', "a", b"", |block| {
                block[257..265].copy_from_slice(b"ustar  \0");
                block[482] = 1;
            }),
            "with two blocks of zeros",
        ),
        (
            tar().with(b'S', "a", b"", |block| block[386..398].copy_from_slice(b"not a number")).end(),
            "is not made of numbers",
        ),
    ] {
        match refused(&shop, &tar) {
            None => assert_eq!(words, ""),
            Some(error) => assert!(!words.is_empty() && error.to_string().contains(words), "{words}: {error}"),
        }
    }
}

#[test]
fn global_records_count_until_others_do() {
    let shop = Workshop::new();
    let tar = tar()
        .records(b'g', &[("comment", "made by"), ("uid", "7"), ("mtime", "1.5")])
        .file("a")
        .records(b'x', &[("uid", "8"), ("mtime", "")])
        .file("b")
        .records(b'g', &[("uid", "")])
        .file("c")
        .end();
    let image = shop.keep(&tar.0, ".tar");
    packer::verify(&image).unwrap();
    for name in ["a", "b", "c"] {
        fs::write(shop.tree().join(name), "content").unwrap();
    }
    let pack =
        packer::Pack::new(shop.tree()).owners("9:0".parse().map(packer::OwnerPolicy::Fixed).unwrap()).clamp_mtime(9);
    let lines = Source::new(&image).compare_with_tree(&pack).unwrap();
    let lines: Vec<_> = lines.iter().flat_map(|difference| difference.lines(["it", "the tree"])).collect();
    assert_eq!(
        lines[1..],
        [
            "a: owner 7:0 in it, 9:0 in the tree",
            "a: mtime 1.500000000 in it, 9 in the tree",
            "b: owner 8:0 in it, 9:0 in the tree",
            "b: mtime 0 in it, 9 in the tree",
            "c: owner 0:0 in it, 9:0 in the tree",
            "c: mtime 1.500000000 in it, 9 in the tree",
        ]
    );
}

proptest! {
    #![proptest_config(testkit::cases::cases(512, 50_000))]

    /// Headers whose checksums are right, with anything else in them.
    #[test]
    fn no_archive_makes_a_reader_panic(tar in handmade::archive()) {
        let _ = refused(&Workshop::new(), &tar);
    }
}
