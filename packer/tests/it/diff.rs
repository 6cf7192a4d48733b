//! What `diff` tells of two images is what the trees that they were made of differ in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use packer::{ChangeKind, Compression, Pack, Section, Source};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::trees;
use crate::workshop::{self, Layer, Layout, WHOLE, Workshop, tagged};
use testkit::listing::{self, Member};

/// What differs, as it is compared here: for each path where it is, and the names of what differs in it.
type Told = BTreeMap<Vec<u8>, (ChangeKind, BTreeSet<&'static str>)>;

/// What differs between two listings. Hard links are compared as the sets of names that they are: of those that both sides have.
fn expected(first: &[Member], second: &[Member]) -> Told {
    let sides = [first, second]
        .map(|members| members.iter().map(|member| (member.path.clone(), member)).collect::<BTreeMap<_, _>>());
    let whole = |side: &BTreeMap<Vec<u8>, &Member>, path: &[u8]| -> Member {
        let member = side[path];
        if member.kind == '1' { side[&member.link].clone() } else { member.clone() }
    };
    let names = |side: usize, path: &[u8]| -> BTreeSet<Vec<u8>> {
        let first = whole(&sides[side], path).path;
        let common = sides[side].keys().filter(|path| sides[1 - side].contains_key(*path));
        common.filter(|path| whole(&sides[side], path).path == first).cloned().collect()
    };
    let mut told = Told::new();
    for path in sides[0].keys().chain(sides[1].keys()) {
        let change = match sides.each_ref().map(|side| side.contains_key(path)) {
            [true, true] => ChangeKind::Changed,
            [true, false] => ChangeKind::Removed,
            _ => ChangeKind::Added,
        };
        if change != ChangeKind::Changed {
            told.insert(path.clone(), (change, BTreeSet::new()));
            continue;
        }
        let leaders = [0, 1].map(|side| names(side, path).first().unwrap().clone());
        let mut differing = BTreeSet::new();
        if leaders[0] != leaders[1] {
            differing.insert("hard-link");
        } else if leaders[0] != *path {
            continue;
        }
        let [one, other] = sides.each_ref().map(|side| whole(side, path));
        let mut differ = |what, differs: bool| {
            if differs {
                differing.insert(what);
            }
        };
        let alike = one.kind == other.kind;
        differ("kind", !alike);
        differ("mode", one.mode != other.mode);
        differ("owner", one.owner != other.owner);
        differ("mtime", one.mtime != other.mtime);
        differ("size", alike && one.content.len() != other.content.len());
        differ("content", alike && one.content.len() == other.content.len() && one.content != other.content);
        differ("target", alike && one.link != other.link);
        differ("xattr", one.attributes != other.attributes);
        if !differing.is_empty() {
            told.insert(path.clone(), (change, differing));
        }
    }
    told
}

fn found(first: &Path, second: &Path) -> Told {
    let differences = packer::diff(&Source::new(first), &Source::new(second)).unwrap();
    let told = differences.iter().map(|difference| {
        assert_eq!(difference.section, Section::Tree);
        let path = difference.path.as_os_str().as_bytes();
        let path = if path.is_empty() { b"." } else { path };
        let names = difference.fields.iter().map(|change| change.field.name()).collect();
        (path.to_vec(), (difference.change, names))
    });
    told.collect()
}

fn image(tree: &Path, compression: &str, into: &Path) -> PathBuf {
    let compression: Compression = compression.parse().unwrap();
    Pack::new(tree).compression(compression).publish(into).unwrap().path.unwrap()
}

proptest! {
    #![proptest_config(testkit::cases::cases(14, 384))]

    /// Two trees, one of which is made of some of the other's entries and of others.
    #[test]
    fn it_tells_what_the_trees_differ_in(
        plan in trees::plan(), other in trees::plan(), kept in proptest::collection::vec(any::<bool>(), 40),
    ) {
        let (place, output) = (TempDir::new_in(crate::corners::PLACE).unwrap(), TempDir::new().unwrap());
        let mixed = plan.mixed(&other, &kept);
        let trees = ["one", "other"].map(|name| place.path().join(name));
        plan.create(&trees[0], false);
        mixed.create(&trees[1], true);
        let images = [image(&trees[0], "none", output.path()), image(&trees[1], "zstd:1", output.path())];
        let listings = trees.each_ref().map(|tree| listing::of_tree(tree));
        prop_assert_eq!(found(&images[0], &images[1]), expected(&listings[0], &listings[1]));
        prop_assert_eq!(found(&images[1], &images[0]), expected(&listings[1], &listings[0]));
        let again = image(&trees[0], "gzip:1", output.path());
        prop_assert_eq!(found(&images[0], &again), Told::new());
    }
}

fn command(arguments: &[&Path], options: &[&str]) -> (i32, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_onepass")).arg("diff").args(options).args(arguments).output().unwrap();
    let said = [run.stdout, run.stderr].concat();
    (run.status.code().unwrap(), String::from_utf8(said).unwrap())
}

/// A workshop with a small tree.
fn shop() -> Workshop {
    let shop = Workshop::new();
    fs::create_dir(shop.tree().join("etc")).unwrap();
    for (name, content) in [("etc/passwd", "root"), ("etc/shadow", "x"), ("etc/old", "")] {
        fs::write(shop.tree().join(name), content).unwrap();
        fs::set_permissions(shop.tree().join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    symlink("passwd", shop.tree().join("etc/link")).unwrap();
    shop
}

#[test]
fn the_format_makes_no_difference() {
    let shop = shop();
    let images = [
        shop.unified(),
        shop.split(),
        shop.oci(),
        image(&shop.tree(), "gzip", &shop.images()),
        shop.keep(&shop.tar("rootfs", &WHOLE, &["."]), ".tar"),
        // What is beside the tree in another order.
        shop.keep(&workshop::zstd(&shop.tar(".", &WHOLE, &["templates", "rootfs", "metadata.yaml"])), ".tar.zst"),
        shop.keep(&shop.tar(".", &WHOLE, &["./metadata.yaml", "./templates", "./rootfs"]), ".tar"),
    ];
    for one in &images {
        for other in &images {
            assert_eq!(command(&[one, other], &[]), (0, String::new()), "{} {}", one.display(), other.display());
        }
    }
}

#[test]
fn differences_are_lines_or_json_and_one_is_the_answer() {
    let shop = shop();
    let at = |name: &str| shop.tree().join(name);
    let before = shop.unified();
    let time = fs::metadata(at("etc")).unwrap().modified().unwrap();
    fs::write(shop.0.path().join("metadata.yaml"), workshop::METADATA.replace("x86_64", "aarch64")).unwrap();
    fs::rename(shop.0.path().join("templates/hosts.tpl"), shop.0.path().join("templates/h.tpl")).unwrap();
    fs::set_permissions(at("etc/shadow"), fs::Permissions::from_mode(0o640)).unwrap();
    fs::rename(at("etc/old"), at("etc").join(std::ffi::OsStr::from_bytes(b"new\xff"))).unwrap();
    fs::File::open(at("etc")).unwrap().set_modified(time).unwrap();
    let after = shop.unified();
    let (code, said) = command(&[&before, &after], &[]);
    assert_eq!(code, 1);
    insta::assert_snapshot!(said, @r"
    etc/new\xff: only in B
    etc/old: only in A
    etc/shadow: mode 0600 in A, 0640 in B
    metadata.yaml (metadata): size 62 in A, 63 in B
    templates/h.tpl (metadata): only in B
    templates/hosts.tpl (metadata): only in A
    ");
    let (code, said) = command(&[&before, &after], &["--json"]);
    assert_eq!(code, 1);
    let record: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(record["schema"], 1);
    assert_eq!(
        record["differences"].as_array().unwrap()[..3],
        [
            json!({"path": "etc/new\u{fffd}", "path_hex": "6574632f6e6577ff", "section": "tree", "change": "added",
                   "size_before": null, "size_after": 0, "attributes": []}),
            json!({"path": "etc/old", "section": "tree", "change": "removed",
                   "size_before": 0, "size_after": null, "attributes": []}),
            json!({"path": "etc/shadow", "section": "tree", "change": "changed", "size_before": 1, "size_after": 1,
                   "attributes": [{"name": "mode", "before": "0600", "after": "0640"}]}),
        ]
    );
    // A tree alone has no metadata that could differ.
    let tree = image(&shop.tree(), "none", &shop.images());
    assert_eq!(command(&[&after, &tree], &[]), (0, String::new()));
}

#[test]
fn one_layout_may_hold_both() {
    let shop = shop();
    let layout = Layout::new(&shop.images().join("layout"));
    let layer = Layer::plain(&shop.tar("rootfs", &WHOLE, &["."]));
    let one = layout.image(&[layer]);
    fs::set_permissions(shop.tree().join("etc/shadow"), fs::Permissions::from_mode(0o644)).unwrap();
    let layer = Layer::zstd(&shop.tar("rootfs", &WHOLE, &["."]));
    let configuration = json!({
        "architecture": "arm64", "os": "linux", "created": "2026-01-01T00:00:00Z",
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", layer.diff_id)]},
    });
    let other = layout.image_with(&[layer], &configuration);
    layout.index(&[tagged(&one, "one"), tagged(&other, "other")]);
    let path = &*layout.path;
    let (code, said) = command(&[path, path], &["--tag", "one", "--b-tag", "other"]);
    assert_eq!((code, &*said), (1, "etc/shadow: mode 0600 in A, 0644 in B\nconfig (metadata): content differs\n"));
    assert_eq!(command(&[path, path], &["--tag", other["digest"].as_str().unwrap()]), (0, String::new()));
    for (options, words) in [
        (&[][..], "holds 2 such images"),
        (&["--tag", "third"], "holds no image with this tag"),
        (&["--tag", "sha256:00"], "a fingerprint has 64 hexadecimal digits"),
    ] {
        let (code, said) = command(&[path, path], options);
        assert!(code == 2 && said.contains(words), "{said}");
    }
}

#[test]
fn trouble_is_no_answer() {
    let shop = shop();
    let tree = image(&shop.tree(), "none", &shop.images());
    let broken = shop.images().join("broken");
    fs::write(&broken, &fs::read(&tree).unwrap()[..1_000]).unwrap();
    for (second, code, words) in [
        (&*broken, 1, "is not a sound image"),
        (Path::new("/nowhere"), 2, "cannot open `/nowhere`"),
        (&*shop.tree(), 2, "is neither an OCI image layout nor a split image"),
    ] {
        let (found, said) = command(&[&tree, second], &[]);
        assert!(found == code && said.contains(words) && said.lines().count() == 1, "{found}: {said}");
    }
    assert_eq!(command(&[&tree, &tree], &["--tag", "x"]).0, 2);
    assert_eq!(command(&[&tree], &[]).0, 2);
}
