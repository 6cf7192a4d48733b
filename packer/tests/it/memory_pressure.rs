//! Filesystems of which the kernel forgets names and inodes while they are packed, as it does when memory is short. What an unchanged
//! tree gets then is one image: not a refusal, because a number is another one, and not another image, because a link count is.

use std::fs;
use std::num::NonZeroUsize;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packer::{CancelToken, Compression, Fingerprint, Pack, Source, Sparse, Strategy};
use tempfile::TempDir;
use testkit::listing;
use testkit::log::{count, skip};
use testkit::tier::sized;

use crate::corners::PLACE;
use crate::fuse_overlayfs::overlay;
use crate::same_bytes::{Mounted, succeeds};
use crate::squashfs::can_be_made;
use crate::without_links::ExFat;

/// Makes the kernel forget all names and inodes of a mounted filesystem that nobody holds open: it does that before it changes a
/// filesystem's options.
fn forget(place: &Path) {
    let mut remount = Command::new("mount");
    remount.args(["-i", "--options-mode", "ignore", "-o", "remount"]).arg(place);
    succeeds(&mut remount).unwrap();
}

/// A token that is never cancelled. At each question that `when` names, the kernel forgets the filesystem. Also the number of
/// questions so far.
fn forgetting(place: &Path, when: impl Fn(usize) -> bool + Send + Sync + 'static) -> (CancelToken, Arc<AtomicUsize>) {
    let (place, asked) = (place.to_owned(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&asked);
    // A pack asks its token between any two steps.
    let token = CancelToken::when(move || {
        if when(count.fetch_add(1, Ordering::SeqCst)) {
            forget(&place);
        }
        false
    });
    (token, asked)
}

fn pack(tree: &Path) -> Pack {
    Pack::new(tree).compression("zstd:1".parse().unwrap()).sparse(Sparse::Auto)
}

/// Packs by every strategy, with one thread and with four, also as a live tree.
fn ways() -> impl Iterator<Item = impl Fn(&Path) -> Pack> {
    let threads = [1, 4].map(|threads| NonZeroUsize::new(threads).unwrap());
    let all = Strategy::ALL.into_iter().flat_map(move |strategy| {
        threads.into_iter().flat_map(move |threads| [false, true].map(|live| (strategy, threads, live)))
    });
    all.map(|(strategy, threads, live)| move |tree: &Path| pack(tree).strategy(strategy).threads(threads).live(live))
}

/// Every pack and every comparison of the tree is that of `expected`, although the kernel forgets its filesystem at every step.
fn is_packed_while_it_is_forgotten(mounted: &Path, tree: &Path, expected: Fingerprint) {
    let mut steps = 0;
    for way in ways() {
        let (images, (token, asked)) = (TempDir::new().unwrap(), forgetting(mounted, |_| true));
        let image = way(tree).cancel_token(token).publish(images.path()).unwrap();
        assert_eq!((image.fingerprint, image.changes), (expected, Vec::new()));
        let (token, _) = forgetting(mounted, |_| true);
        let compared = Source::new(image.path.unwrap()).compare_with_tree(&way(tree).cancel_token(token));
        assert_eq!(compared.unwrap(), []);
        steps += asked.load(Ordering::SeqCst);
    }
    assert!(steps > 100, "{steps}");
    count("steps at which the kernel forgot a filesystem", steps);
}

fn fingerprint(tree: &Path) -> Fingerprint {
    let images = TempDir::new().unwrap();
    pack(tree).publish(images.path()).unwrap().fingerprint
}

/// A tree of directories, files and symlinks, without hard links.
fn make(tree: &Path) {
    fs::create_dir_all(tree.join("a/b/c")).unwrap();
    fs::create_dir_all(tree.join("z/below")).unwrap();
    for (name, content) in [("a/file", "text"), ("a/b/c/file", "more"), ("a/b/empty", ""), ("last", "content")] {
        fs::write(tree.join(name), content).unwrap();
    }
    fs::File::create(tree.join("hole")).unwrap().set_len(17 << 20).unwrap();
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

/// The layers of such an overlay lie on two filesystems, so its directories have numbers of the moment.
#[test]
fn an_overlay_of_two_filesystems_is_packed_as_any_other() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let place = TempDir::new_in(PLACE).unwrap();
    let mut layers = Vec::new();
    for name in ["lower", "upper"] {
        match Mounted::new(&place.path().join(name), "tmpfs", &[]) {
            Ok(layer) => layers.push(layer),
            Err(why) => return skip(&format!("no tmpfs: {why}")),
        }
    }
    let [lower, upper] = [0, 1].map(|number| layers[number].0.clone());
    make(&lower);
    for name in ["second", "a/b/third"] {
        fs::hard_link(lower.join("a/file"), lower.join(name)).unwrap();
    }
    fs::create_dir_all(upper.join("upper/a/new")).unwrap();
    fs::write(upper.join("upper/a/new/file"), "upper").unwrap();
    fs::create_dir(upper.join("work")).unwrap();
    let on = place.path().join("on");
    fs::create_dir(&on).unwrap();
    let options = format!(
        "lowerdir={},upperdir={},workdir={},xino=off",
        lower.display(),
        upper.join("upper").display(),
        upper.join("work").display()
    );
    let mut mount = Command::new("mount");
    if let Err(why) = succeeds(mount.args(["-t", "overlay", "none", "-o", &options]).arg(&on)) {
        return skip(&format!("no overlay: {why}"));
    }
    let mounted = Mounted(on);
    let (expected, before) = (fingerprint(&mounted.0), inode(&mounted.0.join("a/b")));
    forget(&mounted.0);
    assert_ne!(inode(&mounted.0.join("a/b")), before, "the numbers are persistent");
    is_packed_while_it_is_forgotten(&mounted.0, &mounted.0, expected);
    drop(mounted);
}

/// The numbers of files are of the moment, too, as on FAT.
#[test]
fn a_filesystem_that_numbers_its_files_anew_is_packed_as_any_other() {
    let Some(exfat) = ExFat::new() else { return };
    let tree = exfat.on().join("tree");
    make(&tree);
    let (expected, before) = (fingerprint(&tree), inode(&tree.join("a/file")));
    forget(&exfat.on());
    inode(&tree.join("last"));
    assert_ne!(inode(&tree.join("a/file")), before, "the numbers are persistent");
    is_packed_while_it_is_forgotten(&exfat.on(), &tree, expected);
}

/// fuse-overlayfs counts the names that the kernel remembers: each name may be counted as the only one of its file.
#[test]
fn no_hard_link_is_lost_whichever_name_is_forgotten() {
    let place = TempDir::new_in(PLACE).unwrap();
    let tree = place.path().join("tree");
    make(&tree);
    for name in ["second", "a/b/c/third", "z/fourth"] {
        fs::hard_link(tree.join("a/file"), tree.join(name)).unwrap();
    }
    fs::create_dir(tree.join("y")).unwrap();
    fs::write(tree.join("y/file"), "two names").unwrap();
    fs::hard_link(tree.join("y/file"), tree.join("z/below/other")).unwrap();
    let expected = fingerprint(&tree);
    let Some(mounted) = overlay(place.path(), std::slice::from_ref(&tree)) else { return };
    is_packed_while_it_is_forgotten(&mounted.0, &mounted.0, expected);
    // Once, at each step in turn.
    for at in (0..).step_by(sized(13, 1)) {
        let (images, (token, asked)) = (TempDir::new().unwrap(), forgetting(&mounted.0, move |step| step == at));
        let image = pack(&mounted.0).cancel_token(token).publish(images.path()).unwrap();
        assert_eq!(image.fingerprint, expected, "forgotten at question {at}");
        if asked.load(Ordering::SeqCst) <= at {
            break;
        }
    }
}

/// Two files of two images made alike agree in device, number, size, owner, mode and times. They are two all the same.
#[test]
fn two_files_that_only_their_content_tells_apart_are_two() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    if !can_be_made() {
        return;
    }
    let (place, mut layers) = (TempDir::new_in(PLACE).unwrap(), Vec::new());
    for name in ["a", "b"] {
        let [tree, images, on] = ["tree", "images", "on"].map(|of| place.path().join(name).join(of));
        [&tree, &images, &on].iter().for_each(|directory| fs::create_dir_all(directory).unwrap());
        fs::write(tree.join(name), name).unwrap();
        let pack = Pack::new(&tree).compression(Compression::Squashfs).clamp_mtime(1_000_000_000);
        let image = pack.publish(&images).unwrap().path.unwrap();
        match succeeds(Command::new("mount").args(["-t", "squashfs", "-o", "loop,ro"]).args([&image, &on])) {
            Ok(()) => layers.push(Mounted(on)),
            Err(why) => return skip(&format!("no squashfs: {why}")),
        }
    }
    let paths: Vec<PathBuf> = layers.iter().map(|layer| layer.0.clone()).collect();
    let Some(mounted) = overlay(place.path(), &paths) else { return };
    let [one, other] = ["a", "b"].map(|name| fs::metadata(mounted.0.join(name)).unwrap());
    let look = |file: &fs::Metadata| (file.dev(), file.ino(), file.size(), file.mtime(), file.ctime(), file.nlink());
    assert_eq!(look(&one), look(&other));
    for forgets in [false, true] {
        let (images, (token, _)) = (TempDir::new().unwrap(), forgetting(&mounted.0, move |_| forgets));
        let image = Pack::new(&mounted.0).compression(Compression::None).cancel_token(token).publish(images.path());
        let members = listing::of_tar(&fs::read(image.unwrap().path.unwrap()).unwrap());
        let files = members.iter().filter(|member| member.kind == '0');
        let contents: Vec<&[u8]> = files.map(|member| &*member.content).collect();
        assert_eq!(contents, [b"a", b"b"]);
    }
    drop(mounted);
}
