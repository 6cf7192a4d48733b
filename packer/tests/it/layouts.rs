//! Images of more than one file: split ones, and those in an OCI layout, with what stands there before and beside them.

use std::fs;
use std::path::Path;

use packer::{Architecture, ContainerConfig, ErrorKind, Format, Image, LxdOptions, OciOptions, Outcome, Pack};
use rustix::fs::{FileType, Mode};
use serde_json::Value;
use tempfile::TempDir;
use testkit::log::skip;

use crate::formats::{files, sha256, system};
use crate::laws::names;

#[test]
fn a_split_image_is_replaced_if_it_is_broken_and_stays_if_it_is_whole() {
    let (root, output) = (system(), TempDir::new().unwrap());
    let pack = Pack::new(root.path()).format(Format::Split(LxdOptions::new()));
    let image = pack.publish(output.path()).unwrap();
    let (path, whole) = (image.path.unwrap(), files(output.path()));
    assert_eq!(pack.publish(output.path()).unwrap().outcome, Outcome::AlreadyThere);
    for (name, bytes) in [("rootfs.tar.gz", &b""[..]), ("metadata.tar.gz", b"short")] {
        fs::write(path.join(name), bytes).unwrap();
        assert_eq!(pack.publish(output.path()).unwrap().outcome, Outcome::Published);
        assert!(files(output.path()) == whole, "broken {name}");
    }
    fs::remove_file(path.join("rootfs.tar.gz")).unwrap();
    assert_eq!(pack.publish(output.path()).unwrap().outcome, Outcome::Published);
    assert!(files(output.path()) == whole);
    fs::remove_file(path.join("rootfs.tar.gz")).unwrap();
    fs::write(path.join("letter"), "of somebody").unwrap();
    let error = pack.publish(output.path()).unwrap_err().to_string();
    assert!(error.ends_with("stands where the image should, and holds something else"), "{error}");
    assert_eq!(names(output.path()).len(), 1, "something is left");
    fs::remove_dir_all(&path).unwrap();
    fs::write(&path, "a file").unwrap();
    let error = pack.publish(output.path()).unwrap_err().to_string();
    assert!(error.ends_with("stands where the image should, and is not a directory"), "{error}");
}

fn tagged(tag: &str) -> Format {
    Format::Oci(OciOptions::new().architecture(Architecture::X86_64).tag(tag.parse().unwrap()))
}

/// The tags of a layout, each with its digest.
fn tags(layout: &Path) -> Vec<(String, String)> {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let tag = |entry: &Value| {
        let tag = entry["annotations"]["org.opencontainers.image.ref.name"].as_str().unwrap_or("-");
        (tag.to_owned(), entry["digest"].as_str().unwrap()[7..].to_owned())
    };
    index["manifests"].as_array().unwrap().iter().map(tag).collect()
}

#[test]
fn a_layout_takes_more_images_and_a_name_belongs_to_the_last() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let pack = |format: Format| Pack::new(root.path()).format(format).publish(layout.path()).unwrap();
    let tag = |name: &str, image: &Image| (name.to_owned(), image.fingerprint.to_string());
    let first = pack(tagged("one"));
    assert_eq!((tags(layout.path()), pack(tagged("one")).outcome), (vec![tag("one", &first)], Outcome::AlreadyThere));
    assert_eq!(pack(tagged("two")).outcome, Outcome::Published);
    assert_eq!(tags(layout.path()), [tag("one", &first), tag("two", &first)]);
    // Somebody else's entries and fields stay as they are.
    let path = layout.path().join("index.json");
    let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    index["annotations"] = serde_json::json!({ "org.example": "kept" });
    index["manifests"]
        .as_array_mut()
        .unwrap()
        .push(serde_json::json!({ "digest": "sha256:0", "mediaType": "x", "size": 1 }));
    fs::write(&path, serde_json::to_vec_pretty(&index).unwrap()).unwrap();
    fs::write(root.path().join("new"), "new").unwrap();
    let second = pack(tagged("one"));
    assert_ne!(second.fingerprint, first.fingerprint);
    assert_eq!(tags(layout.path()), [tag("two", &first), ("-".to_owned(), "0".to_owned()), tag("one", &second)]);
    let index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(index["annotations"]["org.example"], "kept");
    // A name more or less does not make the image another one.
    let untagged = Format::Oci(OciOptions::new().architecture(Architecture::X86_64));
    assert_eq!(pack(untagged).outcome, Outcome::AlreadyThere);
    // A blob that is broken is replaced.
    let blob = layout.path().join(format!("blobs/sha256/{}", second.layer.unwrap().digest));
    fs::write(&blob, "short").unwrap();
    assert_eq!(pack(tagged("one")).outcome, Outcome::Published);
    assert_eq!(sha256(&[&fs::read(&blob).unwrap()]), second.layer.unwrap().digest.to_string());
}

#[test]
fn what_is_no_layout_stays_as_it_is() {
    let root = system();
    let check = |files_there: &[(&str, &str)], words: &str| {
        let layout = TempDir::new().unwrap();
        files_there.iter().for_each(|(name, text)| fs::write(layout.path().join(name), text).unwrap());
        let before = files(layout.path());
        let error = Pack::new(root.path()).format(tagged("x")).publish(layout.path()).unwrap_err();
        assert!(format!("{error:#}").contains(words), "{files_there:?}: {error:#}");
        assert!(files(layout.path()) == before, "{files_there:?}");
    };
    let mark = ("oci-layout", r#"{"imageLayoutVersion": "1.0.0"}"#);
    check(&[("letter", "")], "is neither an OCI image layout nor empty");
    check(&[("oci-layout", "{}")], "is of version ``, and 1 is what is known");
    check(&[("oci-layout", r#"{"imageLayoutVersion":"2.0.0"}"#)], "is of version `2.0.0`");
    check(&[("oci-layout", "[")], "is not a JSON object");
    check(&[mark, ("index.json", "[]")], "is not a JSON object");
    check(&[mark, ("index.json", "{}")], "is not an OCI image index");
    check(&[mark, ("index.json", r#"{"schemaVersion":2,"manifests":{}}"#)], "is not an OCI image index");
    check(&[mark, ("index.json", &format!("{{{}", " ".repeat(17 << 20)))], "is larger than 16 MiB");
    check(&[mark, ("blobs", "")], "blobs`: not a directory");
}

/// All that was said of how it is run is in the config, and makes another image.
#[test]
fn an_image_says_how_it_is_run() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let config = ContainerConfig::new().cmd(["-c", "id"]).user("1:2");
    let pack = |oci: OciOptions| Pack::new(root.path()).format(Format::Oci(oci)).publish(layout.path()).unwrap();
    let (with, without) = (pack(OciOptions::new().config(config)), pack(OciOptions::new()));
    assert_eq!((with.layer, with.fingerprint == without.fingerprint), (without.layer, false));
    let configs = files(&layout.path().join("blobs/sha256"));
    let configs: Vec<Value> =
        configs.values().flatten().filter_map(|bytes| serde_json::from_slice(bytes).ok()).collect();
    let config = |found: &&Value| found["config"]["Cmd"].is_array();
    let config = configs.iter().find(config).unwrap();
    assert_eq!(config["config"].to_string(), r#"{"Cmd":["-c","id"],"User":"1:2"}"#);
    assert_eq!(config["created"], "2023-11-14T22:13:20Z");
}

#[test]
fn packs_that_add_to_one_layout_at_the_same_time_lose_nothing() {
    let roots: Vec<TempDir> = (0..3).map(|_| system()).collect();
    for (number, root) in roots.iter().enumerate() {
        fs::write(root.path().join("number"), number.to_string()).unwrap();
    }
    for count in 2..=8 {
        let layout = TempDir::new().unwrap();
        let mut expected: Vec<(String, String)> = std::thread::scope(|scope| {
            let pack = |number: usize| {
                let (root, tag, layout) = (roots[number % 3].path(), format!("t{number}"), layout.path());
                scope.spawn(move || {
                    let image = Pack::new(root).format(tagged(&tag)).publish(layout).unwrap();
                    (tag, image.fingerprint.to_string())
                })
            };
            let packs: Vec<_> = (0..count).map(pack).collect();
            packs.into_iter().map(|pack| pack.join().unwrap()).collect()
        });
        let mut found = tags(layout.path());
        found.sort();
        expected.sort();
        assert_eq!(found, expected);
        for (name, bytes) in files(&layout.path().join("blobs/sha256")) {
            assert_eq!(sha256(&[&bytes.unwrap()]), name.to_str().unwrap());
        }
    }
}

/// A pack that is killed between its first blob and the file that makes a layout of the directory.
#[test]
fn blobs_alone_are_no_obstacle() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let pack = || Pack::new(root.path()).format(tagged("x")).publish(layout.path()).unwrap();
    let first = pack();
    for name in ["oci-layout", "index.json"] {
        fs::remove_file(layout.path().join(name)).unwrap();
    }
    assert_eq!(pack().outcome, Outcome::Published);
    assert_eq!(tags(layout.path()), [("x".to_owned(), first.fingerprint.to_string())]);
}

#[test]
fn what_a_layer_would_take_for_a_whiteout_is_refused() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    fs::write(root.path().join("etc/.wh.hosts"), "").unwrap();
    let pack = Pack::new(root.path()).format(tagged("x"));
    let error = pack.publish(layout.path()).unwrap_err();
    assert!(error.to_string().contains("etc/.wh.hosts` would stand for the absence of another file"), "{error}");
    assert_eq!(names(layout.path()).len(), 0);
    pack.exclude(["**/.wh.*".parse().unwrap()]).publish(layout.path()).unwrap();
    // Anywhere else it is a file as any other.
    Pack::new(root.path()).publish(TempDir::new().unwrap().path()).unwrap();
}

/// Overlay filesystems show a character device 0:0 as the absence of its name, and clients that use them cannot make it.
#[test]
fn what_an_overlay_would_take_for_a_whiteout_is_refused() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let node = root.path().join("etc/gone");
    let made = rustix::fs::mknodat(rustix::fs::CWD, &node, FileType::CharacterDevice, Mode::RUSR, 0);
    if made == Err(rustix::io::Errno::PERM) {
        return skip("only root makes devices");
    }
    made.unwrap();
    let pack = Pack::new(root.path()).format(tagged("x"));
    let error = pack.publish(layout.path()).unwrap_err();
    assert!(error.to_string().contains("etc/gone` is a character device 0:0"), "{error}");
    assert_eq!(names(layout.path()).len(), 0);
    pack.exclude(["etc/gone".parse().unwrap()]).publish(layout.path()).unwrap();
    Pack::new(root.path()).publish(TempDir::new().unwrap().path()).unwrap();
}

#[test]
fn what_an_overlay_would_take_for_a_whiteout_by_its_attribute_is_refused() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    let file = root.path().join("etc/gone");
    fs::write(&file, "").unwrap();
    if rustix::fs::setxattr(&file, "user.overlay.whiteout", b"y", rustix::fs::XattrFlags::empty()).is_err() {
        return skip("the directory for temporary files has no attributes");
    }
    let pack = Pack::new(root.path()).format(tagged("x"));
    let error = pack.publish(layout.path()).unwrap_err();
    assert!(error.to_string().contains("etc/gone` has an attribute that stands for the absence"), "{error}");
    assert_eq!(names(layout.path()).len(), 0);
    pack.clone().exclude(["etc/gone".parse().unwrap()]).publish(layout.path()).unwrap();
    pack.exclude_xattrs(["user.overlay.*".parse().unwrap()]).publish(layout.path()).unwrap();
    Pack::new(root.path()).publish(TempDir::new().unwrap().path()).unwrap();
}

#[test]
fn a_layout_with_something_else_for_an_index_stays_as_it_was() {
    let (root, layout) = (system(), TempDir::new().unwrap());
    Pack::new(root.path()).format(tagged("one")).publish(layout.path()).unwrap();
    fs::write(root.path().join("more"), "more").unwrap();
    fs::rename(layout.path().join("index.json"), layout.path().join("aside")).unwrap();
    fs::create_dir(layout.path().join("index.json")).unwrap();
    let before = files(layout.path());
    let error = Pack::new(root.path()).format(tagged("two")).publish(layout.path()).unwrap_err().to_string();
    assert!(error.ends_with("index.json` is not a regular file"), "{error}");
    assert!(files(layout.path()) == before);
}

/// Whatever the image's parts are. An index of this image alone counts; the mark of a layout, which all its images share, does not.
#[test]
fn a_limit_of_size_counts_every_part_of_an_image() {
    let root = system();
    for format in [Format::Tar, Format::Split(LxdOptions::new()), tagged("a"), tagged(&"long".repeat(30))] {
        let (output, limited) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let pack = Pack::new(root.path()).format(format);
        let image = pack.publish(output.path()).unwrap();
        let parts = files(output.path());
        let size = parts.iter().filter(|(path, _)| *path != Path::new("oci-layout"));
        let size = size.filter_map(|(_, bytes)| bytes.as_ref()).map(|bytes| bytes.len() as u64).sum::<u64>();
        assert!(size >= image.size);
        for most in [0, 1, size / 2, image.size - 1, size - 1] {
            let error = pack.clone().max_size(most).publish(limited.path()).unwrap_err();
            assert_eq!(error.to_string(), format!("the image is larger than the limit of {most} bytes"));
            assert_eq!((error.kind(), names(limited.path())), (ErrorKind::TooLarge, Vec::new()));
        }
        pack.max_size(size).publish(limited.path()).unwrap();
    }
}
