//! What `inspect` tells of an image is what is in it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use packer::{ImageFormat, Pack, Source};
use proptest::prelude::*;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::trees;
use crate::workshop::{self, Layer, Layout, METADATA, WHOLE, Workshop, sha256, tagged};
use testkit::listing;

fn command(image: &Path, options: &[&str]) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_onepass")).arg("inspect").arg(image).args(options).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    String::from_utf8(run.stdout).unwrap()
}

/// A workshop with an entry of each kind that anybody can make.
fn shop() -> Workshop {
    let shop = Workshop::new();
    let at = |name: &str| shop.tree().join(name);
    fs::create_dir(at("etc")).unwrap();
    fs::write(at("etc/passwd"), "root").unwrap();
    fs::hard_link(at("etc/passwd"), at("etc/passwd-")).unwrap();
    fs::write(at("large"), vec![b'x'; 5_000]).unwrap();
    fs::write(shop.tree().join(std::ffi::OsStr::from_bytes(b"e\x1b[\xff")), "12345").unwrap();
    symlink("large", at("link")).unwrap();
    shop
}

/// The text without what depends on times and on encoders.
fn lasting(text: &str) -> String {
    let (mut lasting, mut of_archives) = (String::new(), true);
    for line in text.lines() {
        of_archives &= !line.starts_with("entries");
        let words: Vec<&str> = line.split(' ').collect();
        let word = |(at, word): (usize, &&str)| {
            let next = words.get(at + 1).copied().unwrap_or_default();
            let is_size = of_archives && (next.starts_with("bytes") || next == "kB");
            let digest = word.rsplit(':').next().unwrap_or_default();
            if is_size {
                if word.starts_with('(') { "(N".to_owned() } else { "N".to_owned() }
            } else if digest.len() == 64 {
                word.replace(digest, "DIGEST")
            } else {
                (*word).to_owned()
            }
        };
        let line = words.iter().enumerate().map(word).collect::<Vec<_>>().join(" ");
        // Whether a size has a readable form depends on the size.
        lasting.push_str(&line.replace("N kB (N bytes)", "N bytes"));
        lasting.push('\n');
    }
    lasting
}

#[test]
fn it_is_told_as_text() {
    let shop = shop();
    fs::write(shop.0.path().join("metadata.yaml"), format!("{METADATA}# \u{85}# red\n")).unwrap();
    let image = shop.split();
    let text = command(&image, &[]);
    insta::assert_snapshot!(lasting(&text), @r"
    format:      split
    fingerprint: DIGEST
    size:        N bytes
    tar size:    N bytes
    diffID:      sha256:DIGEST
    archives:    metadata.tar.gz: gzip, N bytes; tar of N bytes, sha256:DIGEST
                 rootfs.tar.zst: zstd, N bytes; tar of N bytes, sha256:DIGEST
    entries:     7 (directory 2, file 3, hard link 1, symlink 1)
    content:     5.01 kB (5009 bytes)
    largest:     5.00 kB (5000 bytes) large
                              5 bytes e\u{1b}[\xff
                              4 bytes etc/passwd
    metadata:    architecture: x86_64
                 creation_date: 1700000000
                 properties: {}
                 # \u{85}# red
    ");
    let fingerprint = text.lines().nth(1).unwrap().strip_prefix("fingerprint: ").unwrap();
    assert_eq!(image.file_stem().unwrap(), fingerprint);
}

#[test]
fn it_is_told_as_json() {
    let shop = shop();
    let image = shop.unified();
    let bytes = fs::read(&image).unwrap();
    let record: Value = serde_json::from_str(&command(&image, &["--json"])).unwrap();
    let keys: Vec<_> = record.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys.join(" "),
        "archives content diff_id entries fingerprint format largest metadata schema size tar_size"
    );
    assert_eq!(record["schema"], 1);
    assert_eq!(record["format"], "unified");
    assert_eq!(record["fingerprint"], sha256(&bytes));
    assert_eq!(record["size"], bytes.len());
    assert_eq!(record["entries"], json!({"directory": 2, "file": 3, "hard link": 1, "symlink": 1}));
    assert_eq!(record["content"], 5_009);
    let largest = json!([
        {"path": "large", "size": 5_000},
        {"path": "e\u{1b}[\u{fffd}", "path_hex": "651b5bff", "size": 5},
        {"path": "etc/passwd", "size": 4},
    ]);
    assert_eq!(record["largest"], largest);
    assert_eq!(record["metadata"], METADATA);
    let archive = &record["archives"][0];
    assert_eq!((&archive["compression"], &archive["diff_id"]), (&json!("gzip"), &record["diff_id"]));
    assert_eq!((&archive["size"], &archive["tar_size"]), (&record["size"], &record["tar_size"]));
}

#[test]
fn layers_and_their_configuration_are_told() {
    let shop = shop();
    let layout = Layout::new(&shop.images().join("layout"));
    let below = shop.tar("rootfs", &WHOLE, &["."]);
    fs::remove_file(shop.tree().join("large")).unwrap();
    fs::write(shop.tree().join(".wh.large"), "").unwrap();
    let above = shop.tar("rootfs", &WHOLE, &[".wh.large"]);
    let image = layout.image(&[Layer::gzip(&below), Layer::zstd(&above)]);
    layout.index(&[tagged(&image, "one")]);
    let record: Value = serde_json::from_str(&command(&layout.path, &["--json", "--tag", "one"])).unwrap();
    assert_eq!(record["format"], "oci");
    assert_eq!(format!("sha256:{}", record["fingerprint"].as_str().unwrap()), image["digest"]);
    assert_eq!(record["entries"], json!({"directory": 2, "file": 2, "hard link": 1, "symlink": 1}));
    assert_eq!(record["metadata"]["architecture"], "amd64");
    let of = |key: &str| record["archives"].as_array().unwrap().iter().map(|one| one[key].clone()).collect::<Vec<_>>();
    assert_eq!(of("compression"), ["gzip", "zstd"]);
    assert_eq!(of("diff_id"), [sha256(&below), sha256(&above)]);
    assert_eq!(of("name"), [sha256(&workshop::gzip(&below)), sha256(&workshop::zstd(&above))]);
    assert_eq!(record["tar_size"], below.len() + above.len());
    // The chain ID of OCI's image specification.
    let chain = format!("sha256:{} sha256:{}", sha256(&below), sha256(&above));
    assert_eq!(record["diff_id"], sha256(chain.as_bytes()));
}

proptest! {
    #![proptest_config(testkit::cases::usually(24))]

    #[test]
    fn the_figures_are_those_of_the_tree(plan in trees::plan()) {
        let (place, output) = (TempDir::new_in(crate::corners::PLACE).unwrap(), TempDir::new().unwrap());
        let root = place.path().join("tree");
        plan.create(&root, false);
        let image = Pack::new(&root).diff_id(true).publish(output.path()).unwrap();
        let found = Source::new(image.path.unwrap()).inspect().unwrap();
        prop_assert_eq!((found.format, found.fingerprint, found.size), (ImageFormat::Tar, image.fingerprint, image.size));
        prop_assert_eq!((Some(found.diff_id), found.tar_size()), (image.diff_id, image.tar_size));
        let members = listing::of_tree(&root);
        prop_assert_eq!(found.entries.values().sum::<u64>(), members.len() as u64);
        for (kind, flag) in [("file", '0'), ("hard link", '1'), ("symlink", '2'), ("directory", '5'), ("fifo", '6')] {
            let count = members.iter().filter(|member| member.kind == flag).count() as u64;
            prop_assert_eq!(found.entries.get(kind).copied().unwrap_or(0), count, "{}", kind);
        }
        let content: usize = members.iter().map(|member| member.content.len()).sum();
        prop_assert_eq!(found.content, content as u64);
        let mut sizes: Vec<u64> =
            members.iter().filter(|member| member.kind == '0').map(|member| member.content.len() as u64).collect();
        sizes.sort_unstable_by(|one, other| other.cmp(one));
        sizes.truncate(10);
        prop_assert_eq!(found.largest.iter().map(|(_, size)| *size).collect::<Vec<_>>(), sizes);
    }
}
