//! `--dry-run` counts what a pack would pack, and writes nothing.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use packer::{Format, LxdOptions, OciOptions, Pack, Sparse};
use proptest::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::formats::system;
use crate::trees;

fn onepass(place: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onepass")).arg("pack").args(arguments).current_dir(place).output().unwrap()
}

fn record(run: &Output) -> Value {
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A system with a socket, templates, and a file with a hole.
fn place() -> TempDir {
    let (place, root) = (TempDir::new().unwrap(), system());
    let at = |name: &str| place.path().join(name);
    assert!(Command::new("cp").arg("-a").args([root.path(), &at("tree")]).status().unwrap().success());
    std::os::unix::net::UnixListener::bind(at("tree/socket")).unwrap();
    fs::write(at("tree/etc/short"), "short").unwrap();
    fs::hard_link(at("tree/etc/short"), at("tree/etc/second")).unwrap();
    fs::write(at(&format!("tree/etc/{}", "long".repeat(60))), "").unwrap();
    fs::File::create(at("tree/sparse")).unwrap().set_len(20 << 20).unwrap();
    fs::create_dir(at("templates")).unwrap();
    fs::write(at("templates/hosts.tpl"), "hosts").unwrap();
    place
}

#[test]
fn a_dry_run_counts_what_the_pack_of_each_format_counts() {
    let place = place();
    for (number, options) in [
        &["-f", "tar"][..],
        &["-f", "tar", "-c", "none", "--sparse", "auto"],
        &["-f", "tar", "--strategy", "two-pass", "--exclude", "etc/*"],
        &["-f", "unified"],
        &["-f", "unified", "--sparse", "never", "--property", "name=value"],
        &["-f", "unified", "--templates", "templates"],
        &["-f", "split"],
        &["-f", "split", "--templates", "templates", "-c", "zstd"],
        &["-f", "oci", "--tag", "latest"],
    ]
    .into_iter()
    .enumerate()
    {
        let dry = record(&onepass(place.path(), &[&["tree", "--dry-run", "--json"], options].concat()));
        let out = format!("out{number}");
        fs::create_dir(place.path().join(&out)).unwrap();
        let packed = record(&onepass(place.path(), &[&["tree", "-o", &out, "--json"], options].concat()));
        for key in [
            "schema",
            "format",
            "entries",
            "tar_size",
            "sockets_skipped",
            "mounts_skipped",
            "changes",
            "further_changes",
            "unmatched_exclusions",
        ] {
            assert_eq!(dry[key], packed[key], "{options:?}: {key}");
        }
        assert_eq!((&dry["outcome"], &dry["sockets_skipped"]), (&"dry-run".into(), &1.into()));
        let keys = dry.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ");
        assert_eq!(
            keys,
            "changes entries format further_changes mounts_skipped outcome schema sockets_skipped tar_size unmatched_exclusions"
        );
    }
}

#[test]
fn a_dry_run_is_one_line_and_writes_nothing() {
    let place = place();
    let all = || {
        let list = Command::new("find").args([".", "-printf", "%p %s %T@ %C@\n"]).current_dir(place.path()).output();
        String::from_utf8(list.unwrap().stdout).unwrap()
    };
    fs::create_dir(place.path().join("out")).unwrap();
    let before = all();
    let measured = Pack::new(place.path().join("tree")).measure().unwrap();
    assert!(measured.tar_size > 20 << 20);
    let expected = format!(
        "{} entries in a tar of {:.2} MB ({} bytes)\n",
        measured.entries,
        measured.tar_size as f64 / 1e6,
        measured.tar_size
    );
    // An output may be named all the same, so that the option can be added to any command; it is not even looked at.
    for options in [&[][..], &["-o", "out"], &["-o", "missing"], &["-o", "-"], &["--strategy", "two-pass", "-o", "out"]]
    {
        let run = onepass(place.path(), &[&["tree", "--dry-run"], options].concat());
        assert_eq!(String::from_utf8(run.stdout).unwrap(), expected, "{options:?}");
        assert!(run.status.success() && run.stderr.is_empty(), "{options:?}");
    }
    assert_eq!(all(), before);
    let run = onepass(place.path(), &["tree", "--dry-run", "--json=record"]);
    assert_eq!(String::from_utf8(run.stdout).unwrap(), expected);
    let record: Value = serde_json::from_slice(&fs::read(place.path().join("record")).unwrap()).unwrap();
    assert_eq!(record["entries"], measured.entries);
}

/// What would fail the pack before a byte is packed fails a dry run, too.
#[test]
fn a_dry_run_fails_as_the_pack_would() {
    let place = TempDir::new().unwrap();
    fs::create_dir_all(place.path().join("tree/.wh.a")).unwrap();
    fs::create_dir_all(place.path().join("out")).unwrap();
    for options in [
        &["missing"][..],
        &["tree", "-f", "unified"],
        &["tree", "-f", "oci"],
        &["tree", "-f", "oci", "--arch", "amd64"],
        &["tree", "-f", "unified", "--arch", "amd64", "--templates", "missing"],
        &["tree", "--idmap", "both:0:4000000000:10"],
    ] {
        let [dry, wet] =
            [&["--dry-run"][..], &["-o", "out"]].map(|more| onepass(place.path(), &[options, more].concat()));
        let text = |run: &Output| String::from_utf8_lossy(&run.stderr).into_owned();
        assert_eq!((dry.status.code(), text(&dry)), (Some(1), text(&wet)), "{options:?}");
    }
}

proptest! {
    #![proptest_config(testkit::cases::usually(24))]

    #[test]
    fn measuring_counts_what_packing_counts(plan in trees::plan()) {
        let (place, output) = (TempDir::new_in(crate::corners::PLACE).unwrap(), TempDir::new().unwrap());
        let root = place.path().join("tree");
        plan.create(&root, false);
        let amd64 = "amd64".parse().unwrap();
        let lxd = || LxdOptions::new().architecture(amd64);
        for format in [Format::Tar, Format::Unified(lxd()), Format::Split(lxd()), Format::Oci(OciOptions::new().architecture(amd64))] {
            let out = output.path().join(format.name());
            fs::create_dir(&out).unwrap();
            let pack = Pack::new(&root).format(format).sparse(Sparse::Never);
            let (measured, image) = (pack.measure().unwrap(), pack.publish(&out).unwrap());
            prop_assert_eq!((measured.entries, measured.tar_size), (image.entries, image.tar_size));
        }
    }
}
