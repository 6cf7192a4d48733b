//! OCI image layouts: what is sound, what is not, and what could make a reader wait, wander or run out of memory.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use packer::{Error, Fingerprint, Source};
use rustix::fs::{CWD, FileType, Mode};
use serde_json::{Value, json};

use crate::workshop::{INDEX, Layer, Layout, MANIFEST, Workshop, sha256, tagged};

/// An archive of empty files and directories with these names.
fn tar(names: &[&str]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for name in names {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(if name.ends_with('/') { tar::EntryType::Directory } else { tar::EntryType::Regular });
        header.set_size(0);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, &b""[..]).unwrap();
    }
    tar.into_inner().unwrap()
}

fn layout(shop: &Workshop) -> Layout {
    let path = shop.images().join("layout");
    let _ = fs::remove_dir_all(&path);
    Layout::new(&path)
}

/// The paths in the image of these layers.
fn paths(shop: &Workshop, layers: &[&[&str]]) -> String {
    let layout = layout(shop);
    let layers: Vec<_> = layers.iter().map(|names| Layer::plain(&tar(names))).collect();
    layout.index(&[layout.image(&layers)]);
    packer::verify(&layout.path).unwrap();
    let empty = Layout::new(&shop.images().join("empty"));
    empty.index(&[empty.image(&[])]);
    let differences = packer::diff(&Source::new(&layout.path), &Source::new(&empty.path));
    let paths = differences.unwrap().into_iter().filter(|found| found.section == packer::Section::Tree);
    paths.map(|found| found.path.display().to_string()).collect::<Vec<_>>().join(" ")
}

#[test]
fn layers_lie_on_top_of_each_other() {
    let shop = Workshop::new();
    for (layers, expected) in [
        (&[&["a", "b/", "b/c"][..]][..], "a b b/c"),
        (&[&["a", "b/", "b/c"], &["b/.wh.c", "b/d"]], "a b b/d"),
        (&[&["a", "b/", "b/c"], &[".wh.b"]], "a"),
        (&[&["a", "b/", "b/c"], &["b/", "b/d", "b/.wh..wh..opq"]], "a b b/d"),
        (&[&["a", "b/", "b/c"], &[".wh..wh..opq", "c"]], "c"),
        (&[&["a", "b/", "b/c"], &["b"]], "a b"),
        (&[&["a", "b/", "b/c"], &[".wh.a", "a/", "a/new"]], "a a/new b b/c"),
        (&[&["a", "b/"], &[".wh..wh.plnk/", ".wh..wh.aufs"]], "a b"),
        (&[&["a"], &[".wh.a"], &["a"]], "a"),
        (&[&["a"], &[".wh.nothing", "b/.wh..wh..opq"]], "a"),
        (&[], ""),
    ] {
        assert_eq!(paths(&shop, layers), expected, "{layers:?}");
    }
}

/// A layout with one image of one layer, and its manifest.
fn one(shop: &Workshop) -> (Layout, Value) {
    let layout = layout(shop);
    let image = layout.image(&[Layer::gzip(&tar(&["./", "file"]))]);
    layout.index(&[tagged(&image, "one")]);
    (layout, image)
}

/// A document with something changed in it, kept under its new digest.
fn changed(layout: &Layout, descriptor: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut document: Value = serde_json::from_slice(&fs::read(layout.blob_path(descriptor)).unwrap()).unwrap();
    change(&mut document);
    layout.blob(document.to_string().as_bytes(), descriptor["mediaType"].as_str().unwrap())
}

fn error(layout: &Layout) -> Error {
    let error = Source::new(&layout.path).verify().unwrap_err();
    let same = Source::new(&layout.path).inspect().unwrap_err();
    assert_eq!(error.kind(), same.kind(), "{error}; {same}");
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
    error
}

#[track_caller]
fn unsound(layout: &Layout, words: &str) {
    let error = error(layout);
    assert!(error.kind() == packer::ErrorKind::Malformed && error.to_string().contains(words), "{error}");
}

#[track_caller]
fn beyond(layout: &Layout, words: &str) {
    let error = error(layout);
    assert!(error.kind() != packer::ErrorKind::Malformed && error.to_string().contains(words), "{error}");
}

#[test]
fn a_manifest_or_configuration_that_does_not_fit_is_told() {
    let shop = Workshop::new();
    let (layout, image) = one(&shop);
    let with = |change: &dyn Fn(&mut Value)| layout.index(&[changed(&layout, &image, |manifest| change(manifest))]);
    let with_configuration = |change: &dyn Fn(&mut Value)| {
        with(&|manifest| manifest["config"] = changed(&layout, &manifest["config"], |document| change(document)));
    };
    let zeros = format!("sha256:{}", "0".repeat(64));
    with(&|manifest| manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+zstd".into());
    unsound(&layout, "is said to be zstd, and is gzip");
    with(&|manifest| manifest["layers"][0]["mediaType"] = "application/vnd.oci.image.layer.v1.tar+encrypted".into());
    beyond(&layout, "media type `application/vnd.oci.image.layer.v1.tar+encrypted`");
    with(&|manifest| manifest["layers"][0]["size"] = 7.into());
    unsound(&layout, "and should have 7");
    with(&|manifest| manifest["layers"][0]["digest"] = zeros.clone().into());
    unsound(&layout, "is missing");
    with(&|manifest| manifest["layers"][0]["digest"] = "sha256:../../../etc/passwd".into());
    unsound(&layout, "is not a digest");
    with(&|manifest| manifest["layers"][0]["digest"] = format!("sha512:{}", "0".repeat(128)).into());
    beyond(&layout, "only sha256 is read here");
    with(&|manifest| manifest["layers"] = json!([]));
    unsound(&layout, "the manifest names 0 layers, and the configuration 1");
    with(&|manifest| *manifest = json!({"schemaVersion": 2}));
    unsound(&layout, "missing field `config`");
    with_configuration(&|document| document["rootfs"]["diff_ids"][0] = zeros.clone().into());
    unsound(&layout, &format!("and should to {}", "0".repeat(64)));
    with_configuration(&|document| document["rootfs"]["type"] = "tree".into());
    unsound(&layout, "not made of layers");
    with_configuration(&|document| drop(document.as_object_mut().unwrap().remove("architecture")));
    unsound(&layout, "missing field `architecture`");
    with(&|_| {});
    packer::verify(&layout.path).unwrap();
}

#[test]
fn a_blob_is_a_file_of_its_size_and_digest() {
    let shop = Workshop::new();
    let (layout, image) = one(&shop);
    let manifest: Value = serde_json::from_slice(&fs::read(layout.blob_path(&image)).unwrap()).unwrap();
    for (descriptor, name) in
        [(&image, "manifest"), (&manifest["config"], "configuration"), (&manifest["layers"][0], "layer")]
    {
        let path = layout.blob_path(descriptor);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        *bytes.last_mut().unwrap() ^= 1;
        for (bytes, words) in
            [(&bytes[..], "its sha256 is"), (&whole[1..], "and should have"), (b"", "and should have")]
        {
            fs::write(&path, bytes).unwrap();
            unsound(&layout, words);
        }
        // Nobody writes to it: whoever opens it as a file waits for ever.
        fs::remove_file(&path).unwrap();
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        unsound(&layout, "is not a regular file");
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        unsound(&layout, "is not a regular file");
        fs::remove_dir(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(shop.0.path().join("s")).unwrap());
        fs::rename(shop.0.path().join("s"), &path).unwrap();
        unsound(&layout, "is not a regular file");
        fs::remove_file(&path).unwrap();
        unsound(&layout, "is missing");
        // The right bytes, but from anywhere.
        let elsewhere = shop.0.path().join(name);
        fs::write(&elsewhere, &whole).unwrap();
        symlink(&elsewhere, &path).unwrap();
        unsound(&layout, "is a symbolic link");
        fs::remove_file(&path).unwrap();
        fs::write(&path, &whole).unwrap();
        packer::verify(&layout.path).unwrap();
    }
    fs::rename(layout.path.join("blobs"), shop.0.path().join("blobs")).unwrap();
    symlink(shop.0.path().join("blobs"), layout.path.join("blobs")).unwrap();
    unsound(&layout, "layout/blobs` is not a sound image");
}

#[test]
fn the_files_at_the_top_are_checked_and_read_up_to_a_limit() {
    let shop = Workshop::new();
    let (layout, _) = one(&shop);
    let at = |name: &str| layout.path.join(name);
    let index = fs::read(at("index.json")).unwrap();
    fs::remove_file(at("index.json")).unwrap();
    unsound(&layout, "it has no index.json");
    // Nothing of it is read.
    fs::File::create(at("index.json")).unwrap().set_len(1 << 30).unwrap();
    beyond(&layout, "has 1073741824 bytes, and documents are read up to 4194304");
    for (text, words) in [
        (&b""[..], "index.json: EOF"),
        (b"{\"manifests\": 7}", "index.json: invalid type"),
        (&b"[".repeat(1 << 20), "index.json: invalid type"),
        (&b"{\"a\":".repeat(1 << 19), "index.json: EOF"),
        (&[b"{\"manifests\":", &b"[".repeat(1 << 20)[..]].concat(), "index.json: "),
        (b"{\"manifests\": [{\"mediaType\": \"x\", \"digest\": \"y\", \"size\": -1}]}", "invalid value"),
        (b"{\"manifests\": [{\"mediaType\": \"x\", \"digest\": \"\x1b[31m\", \"size\": 1}]}", "control character"),
        (
            b"{\"manifests\": [{\"mediaType\": \"x\", \"digest\": \"\\u001b[31m\", \"size\": 1}]}",
            "`\\u{1b}[31m` is not a digest",
        ),
    ] {
        fs::write(at("index.json"), text).unwrap();
        unsound(&layout, words);
    }
    fs::write(at("index.json"), "{\"manifests\": []}").unwrap();
    beyond(&layout, "holds no image");
    fs::write(at("index.json"), index).unwrap();
    for (text, words) in
        [("{\"imageLayoutVersion\": \"2.0.0\"}", "version `2.0.0`"), ("{\"imageLayoutVersion\": \"1\"}", "version `1`")]
    {
        fs::write(at("oci-layout"), text).unwrap();
        beyond(&layout, words);
    }
    fs::write(at("oci-layout"), "{}").unwrap();
    unsound(&layout, "missing field `imageLayoutVersion`");
    fs::remove_file(at("oci-layout")).unwrap();
    beyond(&layout, "is neither an OCI image layout nor a split image");
}

#[test]
fn indexes_are_followed_but_not_for_ever() {
    let shop = Workshop::new();
    let (layout, image) = one(&shop);
    let nested = |levels: usize| (0..levels).fold(image.clone(), |inner, _| layout.nested(&[inner]));
    layout.index(&[nested(8)]);
    assert_eq!(packer::verify(&layout.path).unwrap().entries, 2);
    layout.index(&[nested(9)]);
    beyond(&layout, "nested more than 8 deep");
    // A thousand ways at every level; each blob is looked at once.
    let mut inner = image.clone();
    for _ in 0..8 {
        inner = layout.nested(&vec![inner; 1_000]);
    }
    layout.index(&[inner]);
    assert_eq!(Source::new(&layout.path).verify_all().unwrap().len(), 1);
    let missing = |number: usize| json!({"mediaType": MANIFEST, "digest": format!("sha256:{}", sha256(&number.to_le_bytes())), "size": 1});
    layout.index(&[nested(1), missing(1)]);
    unsound(&layout, "is missing");
    // An index that names itself would have to know its own digest.
    layout.index(&[json!({"mediaType": INDEX, "digest": image["digest"], "size": image["size"]})]);
    unsound(&layout, "missing field `manifests`");
}

#[test]
fn several_images_are_all_verified_or_the_one_that_is_meant() {
    let shop = Workshop::new();
    let layout = layout(&shop);
    let one = layout.image(&[Layer::gzip(&tar(&["./", "one"]))]);
    let other = layout.image(&[Layer::zstd(&tar(&["./", "other"])), Layer::plain(&tar(&["more", "./"]))]);
    let artifact = layout.blob(
        json!({"config": layout.blob(b"{}", "application/vnd.oci.empty.v1+json"), "layers": [layout.blob(b"signature", "text/plain")]})
            .to_string()
            .as_bytes(),
        MANIFEST,
    );
    let bare = layout.blob(b"text", "text/plain");
    layout.index(&[
        tagged(&one, "one"),
        tagged(&layout.nested(std::slice::from_ref(&other)), "other"),
        artifact,
        bare.clone(),
    ]);
    let verified = |tag: &str| {
        let source = Source::new(&layout.path).tag(tag.parse().unwrap());
        source.verify_all().inspect(|found| assert_eq!((found.len(), &found[0]), (1, &source.verify().unwrap())))
    };
    assert_eq!(Source::new(&layout.path).verify_all().unwrap().len(), 2);
    assert_eq!(verified("one").unwrap()[0].tag.as_deref(), Some("one"));
    assert_eq!(verified("other").unwrap()[0].entries, 4);
    let digest: Fingerprint = other["digest"].as_str().unwrap()["sha256:".len()..].parse().unwrap();
    assert_eq!(Source::new(&layout.path).digest(digest).verify_all().unwrap()[0].fingerprint, digest);
    assert!(verified("third").unwrap_err().to_string().contains("no image with this tag"));
    assert!(packer::verify(&layout.path).unwrap_err().to_string().contains("holds several images"));
    // What is no image is looked at if all is.
    fs::write(layout.blob_path(&bare), "txet").unwrap();
    assert!(Source::new(&layout.path).verify_all().unwrap_err().kind() == packer::ErrorKind::Malformed);
    assert_eq!(verified("one").unwrap().len(), 1);
}

#[test]
fn a_split_image_is_two_files_and_nothing_else() {
    let shop = Workshop::new();
    fs::write(shop.tree().join("file"), "content").unwrap();
    let image = shop.split();
    assert!(packer::verify(&image).is_ok());
    let refused = |words: &str| {
        let error = packer::verify(&image).unwrap_err();
        assert!(error.kind() == packer::ErrorKind::Malformed && error.to_string().contains(words), "{error}");
    };
    fs::write(image.join("more"), "").unwrap();
    refused("there is more in it");
    fs::remove_file(image.join("more")).unwrap();
    let (rootfs, elsewhere) = (image.join("rootfs.tar.zst"), shop.0.path().join("elsewhere"));
    fs::rename(&rootfs, &elsewhere).unwrap();
    symlink(&elsewhere, &rootfs).unwrap();
    refused("is a symbolic link");
    fs::remove_file(&rootfs).unwrap();
    rustix::fs::mknodat(CWD, &rootfs, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    refused("is not a regular file");
    fs::remove_file(&rootfs).unwrap();
    assert!(packer::verify(&image).unwrap_err().to_string().contains("is neither"));
    fs::rename(&elsewhere, &rootfs).unwrap();
    assert!(packer::verify(&image).is_ok());
    // Named one by one, as `lxc image export` writes them.
    let fingerprint = image.file_stem().unwrap().to_str().unwrap().to_owned();
    let pair =
        |metadata: &Path| Source::new(metadata).rootfs(&rootfs).verify().map(|found| found.fingerprint.to_string());
    let metadata = shop.images().join(format!("meta-{fingerprint}.tar.gz"));
    fs::copy(image.join("metadata.tar.gz"), &metadata).unwrap();
    assert_eq!(pair(&metadata).unwrap(), fingerprint);
    assert!(
        pair(&image.join("metadata.tar.gz")).unwrap_err().to_string().contains("does not begin with a fingerprint")
    );
    assert!(Source::new(&rootfs).rootfs(&metadata).verify().unwrap_err().kind() == packer::ErrorKind::Malformed);
    let other = shop.images().join(format!("meta-{}.tar.gz", sha256(b"another")));
    fs::copy(image.join("metadata.tar.gz"), &other).unwrap();
    assert!(pair(&other).unwrap_err().to_string().contains(&format!("its sha256 is {fingerprint}")));
}
