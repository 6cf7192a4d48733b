//! The formats: which files there are, what is in them, and that nothing but the tree and the options decides it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::num::NonZeroUsize;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use packer::{Architecture, Compression, Format, Image, LxdOptions, Metadata, OciOptions, Pack, Sparse, Strategy};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::laws::{decoded, names};
use crate::trees;
use testkit::listing::{self, Member};

/// Everything in a directory, by path: the bytes of files, nothing of directories.
pub(crate) type Files = BTreeMap<PathBuf, Option<Vec<u8>>>;

pub(crate) fn files(directory: &Path) -> Files {
    let mut files = Files::new();
    for entry in fs::read_dir(directory).unwrap() {
        let (path, entry) = (entry.as_ref().unwrap().path(), entry.as_ref().unwrap().file_name());
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(below, bytes)| (Path::new(&entry).join(below), bytes)));
            files.insert(entry.into(), None);
        } else {
            files.insert(entry.into(), Some(fs::read(&path).unwrap()));
        }
    }
    files
}

pub(crate) fn sha256(parts: &[&[u8]]) -> String {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn described() -> LxdOptions {
    LxdOptions::new().architecture(Architecture::X86_64)
}

/// An image in a format, packed in every way; all agree.
fn agreed(root: &Path, format: &Format, compression: Compression) -> (Image, Files) {
    let mut first: Option<(Image, Files)> = None;
    for strategy in Strategy::ALL {
        for threads in [1, 2, 7] {
            let output = TempDir::new().unwrap();
            let pack = Pack::new(root).format(format.clone()).compression(compression).strategy(strategy);
            let image = pack.threads(NonZeroUsize::new(threads).unwrap()).publish(output.path()).unwrap();
            let files = files(output.path());
            let case = format!("{} {compression} {strategy} {threads}", format.name());
            let sizes =
                files.iter().filter(|(path, _)| !["oci-layout", "index.json"].map(Path::new).contains(&&***path));
            let size: usize = sizes.map(|(_, bytes)| bytes.as_ref().map_or(0, Vec::len)).sum();
            assert_eq!(image.size, size as u64, "{case}");
            match &first {
                None => first = Some((image, files)),
                Some((same, expected)) => {
                    assert_eq!(same.fingerprint, image.fingerprint, "{case}");
                    assert!(*expected == files, "{case}: other bytes");
                }
            }
        }
    }
    let (image, files) = first.unwrap();
    read_back(root, format, &image, &files);
    (image, files)
}

/// The reading side, which shares nothing with the writing one, sees the same image and the same tree.
fn read_back(root: &Path, format: &Format, image: &Image, files: &Files) {
    let output = TempDir::new().unwrap();
    for (path, bytes) in files {
        let path = output.path().join(path);
        match bytes {
            Some(bytes) => fs::write(path, bytes).unwrap(),
            None => fs::create_dir_all(path).unwrap(),
        }
    }
    let name = image.path.as_ref().unwrap().file_name().unwrap();
    let found = match format {
        Format::Oci(_) => output.path().to_owned(),
        _ => output.path().join(name),
    };
    let verified = packer::verify(&found).unwrap();
    let form = verified.format.name();
    assert_eq!((form, verified.fingerprint, verified.entries), (format.name(), image.fingerprint, image.entries));
    assert_eq!(packer::Source::new(found).compare_with_tree(&Pack::new(root)).unwrap(), [], "{form}");
}

pub(crate) fn only<'a>(files: &'a Files, name: &str) -> &'a [u8] {
    files.get(Path::new(name)).unwrap_or_else(|| panic!("no {name} among {:?}", files.keys())).as_ref().unwrap()
}

/// The members that the tree has in an LXD image.
fn expected(root: &Path, prefix: &[u8]) -> Vec<Member> {
    let mut members = listing::of_tree(root);
    for member in &mut members {
        let below = |path: &[u8]| [prefix, path].concat();
        member.path = if member.path == b"." && !prefix.is_empty() {
            prefix[..prefix.len() - 1].into()
        } else {
            below(&member.path)
        };
        if member.kind == '1' {
            member.link = below(&member.link);
        }
    }
    members
}

#[track_caller]
fn same(found: &[Member], expected: &[Member]) {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).for_each(|(found, expected)| assert_eq!(found, expected));
}

proptest! {
    #![proptest_config(testkit::cases::cases(1, 48))]

    #[test]
    fn every_format_holds_the_tree_whichever_way_it_is_packed(plan in trees::plan()) {
        let root = TempDir::new().unwrap();
        plan.create(root.path(), false);
        for compression in [Compression::None, Compression::GZIP, Compression::ZSTD] {
            unified(root.path(), compression);
            split(root.path(), compression);
            oci(root.path(), compression);
        }
    }
}

fn unified(root: &Path, compression: Compression) {
    let (image, files) = agreed(root, &Format::Unified(described()), compression);
    let bytes = only(&files, &format!("{}{}", image.fingerprint, compression.extension()));
    assert_eq!((sha256(&[bytes]), files.len()), (image.fingerprint.to_string(), 1));
    let members = listing::of_tar(&decoded(compression, bytes));
    assert_eq!(
        (&members[0].path[..], members[0].kind, members.len() as u64),
        (&b"metadata.yaml"[..], '0', image.entries)
    );
    let metadata = Metadata::parse(&members[0].content).unwrap();
    assert_eq!(i128::from(metadata.created()) * 1_000_000_000, members[0].mtime);
    same(&members[1..], &expected(root, b"rootfs/"));
}

fn split(root: &Path, compression: Compression) {
    let (image, files) = agreed(root, &Format::Split(described()), compression);
    let file = |what: &str| only(&files, &format!("{}.split/{what}{}", image.fingerprint, compression.extension()));
    let (metadata, rootfs) = (file("metadata"), file("rootfs"));
    assert_eq!((sha256(&[metadata, rootfs]), files.len()), (image.fingerprint.to_string(), 3));
    let members = listing::of_tar(&decoded(compression, metadata));
    assert_eq!((&members[0].path[..], members.len()), (&b"metadata.yaml"[..], 1));
    Metadata::parse(&members[0].content).unwrap();
    let members = listing::of_tar(&decoded(compression, rootfs));
    assert_eq!(members.len() as u64 + 1, image.entries);
    same(&members, &expected(root, b""));
}

fn oci(root: &Path, compression: Compression) {
    let (image, files) = agreed(root, &Format::Oci(OciOptions::new().architecture(Architecture::X86_64)), compression);
    let plain = TempDir::new().unwrap();
    let layer = Pack::new(root).compression(compression).diff_id(true).publish(plain.path()).unwrap();
    let json = |name: &str| -> Value { serde_json::from_slice(only(&files, name)).unwrap() };
    assert_eq!(json("oci-layout")["imageLayoutVersion"], "1.0.0");
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
        let bytes = only(&files, &format!("blobs/sha256/{digest}"));
        assert_eq!((sha256(&[bytes]), bytes.len() as u64), (digest, descriptor["size"].as_u64().unwrap()));
        bytes
    };
    let index = json("index.json");
    let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])).unwrap();
    assert_eq!(index["manifests"][0]["digest"], format!("sha256:{}", image.fingerprint));
    let config: Value = serde_json::from_slice(blob(&manifest["config"])).unwrap();
    assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", layer.diff_id.unwrap()));
    assert_eq!((config["os"].as_str(), config["architecture"].as_str()), (Some("linux"), Some("amd64")));
    // The layer is the image that the same tree makes in the format `tar`.
    assert_eq!(blob(&manifest["layers"][0]), fs::read(layer.path.unwrap()).unwrap());
    assert_eq!((image.layer.map(|layer| layer.digest), files.len()), (Some(layer.fingerprint), 7));
}

/// A tree whose shell and os-release tell what it is.
pub(crate) fn system() -> TempDir {
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    fs::create_dir_all(at("usr/bin")).unwrap();
    fs::create_dir_all(at("usr/lib")).unwrap();
    fs::create_dir_all(at("etc")).unwrap();
    // A program's head says what it runs on; the whole of this one is a hundred megabytes.
    let mut head = Vec::new();
    fs::File::open("/proc/self/exe").unwrap().take(64 << 10).read_to_end(&mut head).unwrap();
    fs::write(at("usr/bin/dash"), head).unwrap();
    symlink("dash", at("usr/bin/sh")).unwrap();
    symlink("/usr/bin", at("bin")).unwrap();
    let release =
        "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n";
    fs::write(at("usr/lib/os-release"), release).unwrap();
    symlink("../usr/lib/os-release", at("etc/os-release")).unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_700_000_000_500);
    fs::File::open(root.path()).unwrap().set_modified(time).unwrap();
    root
}

/// The metadata.yaml of a unified image, and the names of all members.
fn published(root: &Path, lxd: LxdOptions) -> (String, Vec<String>) {
    let output = TempDir::new().unwrap();
    let pack = Pack::new(root).format(Format::Unified(lxd)).compression(Compression::None);
    let image = pack.publish(output.path()).unwrap();
    let members = listing::of_tar(&fs::read(image.path.unwrap()).unwrap());
    let names = members.iter().map(|member| String::from_utf8(member.path.clone()).unwrap()).collect();
    (String::from_utf8(members[0].content.clone()).unwrap(), names)
}

#[test]
fn the_tree_says_what_it_is() {
    let root = system();
    let (metadata, _) = published(root.path(), LxdOptions::new());
    insta::assert_snapshot!(metadata.replace(std::env::consts::ARCH, "ARCH"), @r"
    architecture: ARCH
    creation_date: 1700000000
    properties:
      architecture: ARCH
      description: Debian GNU/Linux 12 (bookworm)
      os: debian
      release: bookworm
    ");
    let lxd = LxdOptions::new()
        .architecture(Architecture::S390x)
        .created(5)
        .property("os", "Other")
        .property("serial", "0815");
    insta::assert_snapshot!(published(root.path(), lxd).0, @r"
    architecture: s390x
    creation_date: 5
    properties:
      architecture: s390x
      description: Debian GNU/Linux 12 (bookworm)
      os: Other
      release: bookworm
      serial: '0815'
    ");
}

#[test]
fn a_tree_that_says_nothing_needs_an_architecture() {
    let (root, output) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for format in [Format::Unified(LxdOptions::new()), Format::Split(LxdOptions::new()), Format::Oci(OciOptions::new())]
    {
        let error = Pack::new(root.path()).format(format).publish(output.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("has no shell that would tell its architecture, which has to be given then")
        );
        assert_eq!(names(output.path()).len(), 0);
    }
}

#[test]
fn templates_stand_behind_the_rootfs_and_depend_on_names_and_content_alone() {
    let (root, templates) = (system(), TempDir::new().unwrap());
    fs::create_dir(templates.path().join("more")).unwrap();
    fs::write(templates.path().join("hostname.tpl"), "{{ container.name }}\n").unwrap();
    fs::write(templates.path().join("more/hosts.tpl"), "127.0.0.1 localhost\n").unwrap();
    let lxd = || LxdOptions::new().templates(templates.path());
    let (_, members) = published(root.path(), lxd());
    assert_eq!(
        members[members.len() - 4..],
        ["templates", "templates/hostname.tpl", "templates/more", "templates/more/hosts.tpl"]
    );
    let fingerprint = |lxd: LxdOptions| {
        let output = TempDir::new().unwrap();
        Pack::new(root.path()).format(Format::Split(lxd)).publish(output.path()).unwrap().fingerprint
    };
    let before = fingerprint(lxd());
    let file = fs::File::options().write(true).open(templates.path().join("hostname.tpl")).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    fs::set_permissions(templates.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(fingerprint(lxd()), before);
    fs::write(templates.path().join("hostname.tpl"), "other\n").unwrap();
    assert_ne!(fingerprint(lxd()), before);
}

#[test]
fn templates_that_are_named_must_be_there() {
    let (root, templates, output) = (system(), TempDir::new().unwrap(), TempDir::new().unwrap());
    let text = "architecture: x86_64\ncreation_date: 1\nproperties: {}\ntemplates: {/etc/hostname: {template: hostname.tpl}}\n";
    let lxd = || LxdOptions::new().metadata(Metadata::parse(text.as_bytes()).unwrap());
    let pack = |lxd: LxdOptions| Pack::new(root.path()).format(Format::Unified(lxd)).publish(output.path());
    let told = |lxd: LxdOptions| pack(lxd).unwrap_err().to_string();
    assert_eq!(told(lxd()), "`metadata.yaml` names the template `hostname.tpl`, and no templates are given");
    assert!(
        told(lxd().templates(templates.path())).ends_with("hostname.tpl` is named as a template, and is not there")
    );
    fs::write(templates.path().join("hostname.tpl"), "x").unwrap();
    pack(lxd().templates(templates.path())).unwrap();
    symlink("hostname.tpl", templates.path().join("link")).unwrap();
    let told = told(lxd().templates(templates.path()));
    assert!(told.ends_with("link` is neither a file nor a directory, and templates are"), "{told}");
    fs::remove_file(templates.path().join("link")).unwrap();
    fs::File::create(templates.path().join("large")).unwrap().set_len(17 << 20).unwrap();
    assert!(
        pack(lxd().templates(templates.path())).unwrap_err().to_string().contains("more templates than the 16 MiB")
    );
    assert_eq!(names(output.path()).len(), 1);
}

/// LXD leaves out what is below `dev`: a file that has a name there, too, must not be a link to it.
#[test]
fn no_name_refers_to_one_below_dev_in_an_image_for_lxd() {
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    for directory in ["bin", "dev", "etc"] {
        fs::create_dir(at(directory)).unwrap();
    }
    fs::write(at("dev/first"), "content").unwrap();
    fs::hard_link(at("dev/first"), at("dev/second")).unwrap();
    fs::hard_link(at("dev/first"), at("etc/third")).unwrap();
    fs::hard_link(at("dev/first"), at("etc/fourth")).unwrap();
    fs::write(at("bin/sh"), "other").unwrap();
    fs::hard_link(at("bin/sh"), at("dev/sh")).unwrap();
    let told = |format: Format| {
        let output = TempDir::new().unwrap();
        let image =
            Pack::new(root.path()).format(format).compression(Compression::None).publish(output.path()).unwrap();
        let path = image.path.unwrap();
        let tar = if path.is_dir() { path.join("rootfs.tar") } else { path };
        let members = listing::of_tar(&fs::read(tar).unwrap());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let files = members.iter().filter(|member| member.kind != '5' && member.path != b"metadata.yaml");
        let told =
            files.map(|member| format!("{}={}{}", text(&member.path), text(&member.content), text(&member.link)));
        told.collect::<Vec<_>>().join(" ")
    };
    let content =
        "bin/sh=other dev/first=content dev/second=content dev/sh=other etc/fourth=content etc/third=etc/fourth";
    assert_eq!(told(Format::Split(described())), content);
    insta::assert_snapshot!(told(Format::Unified(described())), @"rootfs/bin/sh=other rootfs/dev/first=content rootfs/dev/second=content rootfs/dev/sh=other rootfs/etc/fourth=content rootfs/etc/third=rootfs/etc/fourth");
    insta::assert_snapshot!(told(Format::Tar), @"bin/sh=other dev/first=content dev/second=dev/first dev/sh=bin/sh etc/fourth=dev/first etc/third=dev/first");
}

#[test]
fn holes_are_left_out_of_images_for_lxd_only() {
    let root = TempDir::new().unwrap();
    fs::File::create(root.path().join("holes")).unwrap().set_len(64 << 20).unwrap();
    let size = |format: &Format, sparse: Option<Sparse>| {
        let output = TempDir::new().unwrap();
        let pack = Pack::new(root.path()).format(format.clone()).compression(Compression::ZSTD);
        let pack = sparse.map_or(pack.clone(), |sparse| pack.sparse(sparse));
        pack.publish(output.path()).unwrap().tar_size
    };
    for (format, expected) in [
        (Format::Tar, false),
        (Format::Oci(OciOptions::new().architecture(Architecture::X86_64)), false),
        (Format::Unified(described()), true),
        (Format::Split(described()), true),
    ] {
        assert_eq!(size(&format, None) < 1 << 20, expected, "{}", format.name());
        assert!(size(&format, Some(Sparse::Auto)) < 1 << 20 && size(&format, Some(Sparse::Never)) > 64 << 20);
    }
}

#[test]
fn the_rootfs_of_a_split_image_can_be_a_filesystem() {
    if !crate::squashfs::can_be_made() {
        return;
    }
    let root = system();
    let mut fingerprints = Vec::new();
    for strategy in Strategy::ALL {
        let output = TempDir::new().unwrap();
        let pack = Pack::new(root.path()).format(Format::Split(LxdOptions::new())).compression(Compression::Squashfs);
        let image = pack.strategy(strategy).publish(output.path()).unwrap();
        let files = files(output.path());
        read_back(root.path(), &Format::Split(LxdOptions::new()), &image, &files);
        let file = |name: &str| only(&files, &format!("{}.split/{name}", image.fingerprint));
        let (metadata, rootfs) = (file("metadata.tar.gz"), file("rootfs.squashfs"));
        assert_eq!((sha256(&[metadata, rootfs]), files.len()), (image.fingerprint.to_string(), 3));
        assert_eq!((&rootfs[..4], image.size), (&b"hsqs"[..], (metadata.len() + rootfs.len()) as u64));
        fingerprints.push(image.fingerprint);
    }
    assert_eq!(fingerprints[0], fingerprints[1]);
}
