//! What an option says of a tree gives the image that a tree made so would have.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::corners::{PLACE, pack};
use crate::corners_tree::{Node, Order, create, nodes};
use crate::same_bytes::Mounted;
use testkit::log::skip;

/// The corners with the options, and the changed corners without any, have one fingerprint.
fn check(options: &[&str], changed: impl FnOnce(&mut Vec<Node>)) {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let mut expected = nodes();
    changed(&mut expected);
    assert_eq!(fingerprint(&nodes(), options), fingerprint(&expected, &[]), "{options:?}");
}

fn fingerprint(nodes: &[Node], options: &[&str]) -> String {
    let place = TempDir::new_in(PLACE).unwrap();
    let (tree, images) = (place.path().join("tree"), place.path().join("images"));
    fs::create_dir(&tree).unwrap();
    fs::create_dir(&images).unwrap();
    create(&tree, nodes, Order::Forwards);
    pack(&tree, &images, options)["fingerprint"].as_str().unwrap().to_owned()
}

fn without(start: &'static [u8]) -> impl Fn(&mut Vec<Node>) {
    move |nodes| nodes.retain(|node| !node.path.starts_with(start))
}

#[test]
fn what_is_excluded_might_as_well_not_be_there() {
    check(&["--exclude", "dev/*"], without(b"dev/"));
    check(&["--exclude", "/dev"], without(b"dev"));
    check(&["--exclude", "times", "--exclude", "lists/**"], |nodes| {
        without(b"times")(nodes);
        without(b"lists/")(nodes);
    });
    check(&["--exclude", "fifo"], |_| {});
    check(&["--exclude", "**/fifo"], |nodes| nodes.retain(|node| !node.path.ends_with(b"/fifo")));
    // The content goes to the next of the names.
    check(&["--exclude", "links/a-*"], without(b"links/a-"));
    check(&["--exclude", "names/*\\\\"], without(b"names/back\\slash\\"));
}

#[test]
fn one_owner_takes_everything() {
    for (text, owner) in [("0:0", (0, 0)), ("1000:2097152", (1_000, 2_097_152))] {
        check(&["--owner", text], |nodes| nodes.iter_mut().for_each(|node| node.owner = owner));
    }
}

#[test]
fn no_time_is_later_than_the_clamp() {
    for (text, clamp) in [("0", (0, 0)), ("1", (1, 0)), ("1700000000", (1_700_000_000, 0)), ("-2", (-2, 0))] {
        check(&["--clamp-mtime", text], |nodes| nodes.iter_mut().for_each(|node| node.time = node.time.min(clamp)));
    }
}

#[test]
fn a_map_to_the_same_ids_changes_nothing() {
    check(&["--idmap", "both:0:0:4294967294", "--idmap", "both:4294967294:4294967294:1"], |_| {});
}

/// Owners, lists and capabilities of a container whose users and groups are shifted by different numbers.
#[test]
fn shifted_ids_are_shifted_back_wherever_they_stand() {
    const HIGHEST: u32 = 4_294_967_294;
    let user = |id: u32| if id == 0 { HIGHEST } else { id - 1 };
    let group = |id: u32| if id == HIGHEST { 7 } else { id + 10 };
    let users = ["--idmap", "u:4294967294:0:1", "--idmap", "u:0:1:4294967294"];
    let groups = ["--idmap", "g:7:4294967294:1", "--idmap", "g:10:0:4000000000"];
    let options = [users, groups].concat();
    check(&options, |nodes| {
        for node in nodes {
            node.owner = (user(node.owner.0), group(node.owner.1));
            for (_, text) in &mut node.lists {
                *text = shifted(text, user, group);
            }
            for (name, value) in &mut node.attributes {
                if name == b"security.capability" && value.len() == 24 {
                    let root = u32::from_le_bytes(value[20..].try_into().unwrap());
                    value[20..].copy_from_slice(&user(root).to_le_bytes());
                }
            }
        }
    });
}

fn shifted(list: &str, user: impl Fn(u32) -> u32, group: impl Fn(u32) -> u32) -> String {
    let entries = list.split(',').map(|entry| {
        let fields: Vec<&str> = entry.split(':').collect();
        let id = match (fields[0], fields[1].parse()) {
            ("user", Ok(id)) => user(id).to_string(),
            ("group", Ok(id)) => group(id).to_string(),
            _ => String::new(),
        };
        format!("{}:{id}:{}", fields[0], fields[2])
    });
    entries.collect::<Vec<_>>().join(",")
}

#[test]
fn an_id_outside_the_map_fails_the_pack_and_is_named() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can make the tree of corners");
    }
    let (tree, images) = (TempDir::new_in(PLACE).unwrap(), TempDir::new_in(PLACE).unwrap());
    create(tree.path(), &nodes(), Order::Forwards);
    for (map, told) in [
        ("both:0:0:1000", "user 2097152, which is outside"),
        ("both:0:0:2097153", "`system.posix_acl_access` that belongs to user 2147483648, which is outside"),
        ("u:0:0:1000000000", "group 1000, which is outside"),
    ] {
        let run = Command::new(env!("CARGO_BIN_EXE_onepass"))
            .args(["pack", "--idmap", map, "--output"])
            .args([images.path(), tree.path()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.code() == Some(1) && said.contains(told), "{map}: {said}");
        assert_eq!(fs::read_dir(images.path()).unwrap().count(), 0);
    }
}

/// A tree in which `mounted` stands on a filesystem of its own, or not.
fn with_mount(place: &Path, nodes: &[Node], mounts: bool) -> Result<Option<Mounted>, String> {
    let on = place.join("tree/on");
    fs::create_dir_all(&on).unwrap();
    let mounted = if mounts { Some(Mounted::new(&place.join("tree"), "tmpfs", &[])?) } else { None };
    create(&on, nodes, Order::Forwards);
    let time = rustix::fs::Timespec { tv_sec: 1, tv_nsec: 0 };
    let times = rustix::fs::Timestamps { last_access: time, last_modification: time };
    rustix::fs::utimensat(rustix::fs::CWD, place.join("tree"), &times, rustix::fs::AtFlags::empty()).unwrap();
    Ok(mounted)
}

#[test]
fn mounts_are_crossed_only_when_asked_for() {
    if !rustix::process::geteuid().is_root() {
        return skip("only root can mount filesystems");
    }
    let (all, top) = (nodes(), &nodes()[..1]);
    let packed = |nodes: &[Node], mounts: bool, options: &[&str]| {
        let place = TempDir::new_in(PLACE).unwrap();
        let mounted = with_mount(place.path(), nodes, mounts)?;
        let images = TempDir::new_in(PLACE).unwrap();
        let record = pack(&place.path().join("tree"), images.path(), options);
        drop(mounted);
        Ok::<_, String>(record["fingerprint"].clone())
    };
    match packed(&all, true, &["--cross-mounts"]) {
        Ok(found) => assert_eq!(Ok(found), packed(&all, false, &[])),
        Err(why) => return skip(&format!("no tmpfs: {why}")),
    }
    assert_eq!(packed(&all, true, &[]), packed(top, false, &[]));
}
