//! What an image says of itself is of the moment of its tree, and so is what it is compared with.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use packer::{CancelToken, ErrorKind, Pack, Source};
use tempfile::TempDir;

use crate::moments::{Change, holds_in, place, program};

/// `metadata.yaml` has a name of it.
#[test]
fn os_release_is_replaced() {
    let make: fn(&Path, &Path) = |tree, aside| {
        fs::write(aside.join("new"), "ID=after\n").unwrap();
        fs::rename(aside.join("new"), tree.join("usr/lib/os-release")).unwrap();
    };
    holds_in(&Change { path: "usr/lib/os-release", make }, "unified");
}

#[test]
fn the_shell_becomes_one_of_another_architecture() {
    let make: fn(&Path, &Path) = |tree, _| fs::write(tree.join("bin/sh"), program(183)).unwrap();
    holds_in(&Change { path: "bin/sh", make }, "oci");
}

/// `verify --against` compares the tree before or after a change, or says that it changed.
#[test]
fn an_image_is_compared_with_one_moment() {
    let (unchanged, output) = (place(), TempDir::new_in("/dev/shm").unwrap());
    let image = Source::new(Pack::new(&unchanged.1).publish(output.path()).unwrap().path.unwrap());
    let (mut before, mut changes) = (0, 0);
    for at in 0.. {
        let (_place, tree) = place();
        let (asked, changed) = (Arc::new(AtomicUsize::new(0)), tree.clone());
        let count = Arc::clone(&asked);
        let token = CancelToken::when(move || {
            if count.fetch_add(1, Ordering::SeqCst) == at {
                // One step: the comparison goes on beside it.
                symlink("new", changed.join("a/new")).unwrap();
            }
            false
        });
        let result = image.compare_with_tree(&Pack::new(&tree).cancel_token(token));
        if asked.load(Ordering::SeqCst) <= at {
            break;
        }
        match result {
            Ok(found) if found.is_empty() => before += 1,
            Ok(found) => assert_eq!(found, image.compare_with_tree(&Pack::new(&tree)).unwrap(), "at question {at}"),
            Err(error) => {
                assert_eq!((error.kind(), error.path()), (ErrorKind::Changed, Some(&*tree.join("a"))), "{error}");
                changes += 1;
            }
        }
    }
    assert!(before > 0 && changes > 0, "{before} {changes}");
}
