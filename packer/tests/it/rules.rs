//! What is left out and what is changed on the way: exclusions, owners, times, mounts.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::Path;

use packer::{Compression, Pack};
use tempfile::TempDir;

use crate::faults;
use crate::strace;
use testkit::listing::{self, Member};

fn tree() -> TempDir {
    let root = TempDir::new().unwrap();
    let at = |name: &str| root.path().join(name);
    for directory in ["dev", "dev/pts", "lib"] {
        fs::create_dir(at(directory)).unwrap();
    }
    for file in ["dev/null", "dev/pts/0", "lib/a.py", "lib/a.pyc", "top.pyc"] {
        fs::write(at(file), file).unwrap();
    }
    fs::hard_link(at("dev/null"), at("lib/second")).unwrap();
    fs::hard_link(at("dev/null"), at("lib/third")).unwrap();
    symlink("lib", at("link")).unwrap();
    root
}

fn members(root: &Path, rules: impl FnOnce(Pack) -> Pack) -> Vec<Member> {
    let output = TempDir::new().unwrap();
    let pack = rules(Pack::new(root).compression(Compression::None));
    listing::of_tar(&fs::read(pack.publish(output.path()).unwrap().path.unwrap()).unwrap())
}

fn paths(members: &[Member]) -> String {
    members.iter().map(|member| String::from_utf8_lossy(&member.path)).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_excluded_is_left_out_with_all_below_it() {
    let root = tree();
    for (globs, expected) in [
        (&[][..], ". dev dev/null dev/pts dev/pts/0 lib lib/a.py lib/a.pyc lib/second lib/third link top.pyc"),
        (&["dev/*"], ". dev lib lib/a.py lib/a.pyc lib/second lib/third link top.pyc"),
        (&["/dev/"], ". lib lib/a.py lib/a.pyc lib/second lib/third link top.pyc"),
        (&["*.pyc"], ". dev dev/null dev/pts dev/pts/0 lib lib/a.py lib/a.pyc lib/second lib/third link"),
        (&["**/*.pyc", "dev", "li[b]/{second,third}"], ". lib lib/a.py link"),
        (&["**"], "."),
    ] {
        let found = members(root.path(), |pack| pack.exclude(globs.iter().map(|glob| glob.parse().unwrap())));
        assert_eq!(paths(&found), expected, "{globs:?}");
    }
}

#[test]
fn the_first_name_that_is_left_in_is_the_file() {
    let root = tree();
    let found = members(root.path(), |pack| pack.exclude(["dev/*".parse().unwrap()]));
    let at = |path: &str| found.iter().find(|member| member.path == path.as_bytes()).unwrap();
    assert_eq!((at("lib/second").kind, &*at("lib/second").content), ('0', &b"dev/null"[..]));
    assert_eq!((at("lib/third").kind, &*at("lib/third").link), ('1', &b"lib/second"[..]));
}

#[test]
fn one_owner_for_all_and_ids_mapped_back() {
    let root = tree();
    let found = members(root.path(), |pack| pack.owners(packer::OwnerPolicy::Fixed("7:2097152".parse().unwrap())));
    assert!(found.iter().all(|member| member.owner == (7, 2_097_152)), "{found:?}");
    let this = fs::metadata(root.path()).unwrap();
    let ranges = [format!("u:0:{}:1", this.uid()), format!("g:5:{}:1", this.gid())];
    let map = || ranges.iter().map(|range| range.parse::<packer::IdRange>().unwrap()).collect();
    let found = members(root.path(), |pack| pack.owners(packer::OwnerPolicy::Map(map())));
    assert!(found.iter().all(|member| member.owner == (0, 5)), "{found:?}");
}

#[test]
fn an_id_outside_the_map_fails_and_names_the_entry() {
    let (root, output) = (tree(), TempDir::new().unwrap());
    let map = ["both:0:4000000000:10".parse::<packer::IdRange>().unwrap()].into_iter().collect();
    let pack = Pack::new(root.path()).owners(packer::OwnerPolicy::Map(map));
    let error = pack.publish(output.path()).unwrap_err();
    assert!(error.to_string().contains("which is outside the id map"), "{error}");
    assert_eq!(error.path(), Some(root.path()));
    assert_eq!(fs::read_dir(output.path()).unwrap().count(), 0);
}

#[test]
fn no_time_is_later_than_the_clamp() {
    let root = tree();
    let early = std::time::SystemTime::UNIX_EPOCH + std::time::Duration::from_millis(1_500);
    fs::File::open(root.path().join("lib/a.py")).unwrap().set_modified(early).unwrap();
    let found = members(root.path(), |pack| pack.clamp_mtime(1_000_000_000));
    for member in found {
        let expected = if member.path == b"lib/a.py" { 1_500_000_000 } else { 1_000_000_000_000_000_000 };
        assert_eq!(member.mtime, expected, "{}", String::from_utf8_lossy(&member.path));
    }
}

/// Mounts are told apart by what mount they are, not by their device: a bind mount of the same filesystem is another one.
#[test]
fn other_mounts_are_left_out_and_told_unless_they_are_asked_for() {
    let place = TempDir::new().unwrap();
    let script = "mkdir -p tree/bind tree/memory tree/z out outside && echo in > tree/file && echo out > outside/secret \
         && touch tree/single && mount --bind outside tree/bind && mount --bind outside/secret tree/single \
         && mount -t tmpfs none tree/memory && echo here > tree/memory/inside \
         && \"$ONEPASS\" pack tree -o out -c none --json && \"$ONEPASS\" pack tree -o out -c none --json --cross-mounts";
    let run = faults::run(&place, script);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let told: Vec<serde_json::Value> =
        run.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect();
    let listed = |record: &serde_json::Value| {
        let path = place.path().join(record["path"].as_str().unwrap());
        paths(&listing::of_tar(&fs::read(path).unwrap()))
    };
    assert_eq!(listed(&told[0]), ". bind file memory z");
    assert_eq!(told[0]["mounts_skipped"], serde_json::json!(["tree/bind", "tree/memory", "tree/single"]));
    assert_eq!(listed(&told[1]), ". bind bind/secret file memory memory/inside single z");
    assert_eq!(told[1]["mounts_skipped"], serde_json::json!([]));
}

/// A second mount of the tree's own filesystem shows names that the link count does not count.
#[test]
fn hard_links_across_mounts_are_kept() {
    let place = TempDir::new().unwrap();
    let script = "mkdir -p tree/d tree/m out && echo text > tree/a && ln tree/a tree/d/b && echo alone > tree/d/c \
         && ln tree/a tree/z && mount --bind tree/d tree/m && \"$ONEPASS\" pack tree -o out -c none --json --cross-mounts";
    let run = faults::run(&place, script);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let record: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let image = fs::read(place.path().join(record["path"].as_str().unwrap())).unwrap();
    let files: Vec<_> = listing::of_tar(&image).into_iter().filter(|member| member.kind != '5').collect();
    let listed: Vec<_> = files.iter().map(|member| [&*member.path, b" ", &*member.link].concat()).collect();
    let expected = ["a ", "d/b a", "d/c ", "m/b a", "m/c ", "z a"];
    assert_eq!(listed, expected.map(|line| line.as_bytes().to_vec()));
}

/// A filesystem that is known needs no memory for every file. To know it takes one call for each mount.
#[test]
fn each_mount_is_asked_once_what_it_is() {
    if !strace::is_installed() {
        return;
    }
    let place = TempDir::new().unwrap();
    let log = place.path().join("log");
    let script = "mkdir -p tree/d tree/bind tree/memory out && touch tree/file tree/single tree/d/1 tree/d/2 tree/d/3 \
         && mount --bind tree/d tree/bind && mount --bind tree/d/1 tree/single && mount -t tmpfs none tree/memory \
         && mkdir tree/memory/1 tree/memory/2 && touch tree/memory/1/file tree/memory/2/file \
         && strace -f -qq -e trace=fstatfs -o log \"$ONEPASS\" pack tree -o out -c none -t 1 -q $CROSS";
    for (cross, expected) in [("", 1), ("--cross-mounts", 4)] {
        let run = faults::run(&place, &script.replace("$CROSS", cross));
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        let calls = fs::read_to_string(&log).unwrap();
        assert_eq!(calls.lines().filter(|line| line.contains("fstatfs(")).count(), expected, "{calls}");
        fs::remove_dir_all(place.path().join("tree")).unwrap();
    }
}

/// The image of a pack would be part of the next one.
#[test]
fn an_output_directory_in_the_tree_has_to_be_excluded() {
    let root = tree();
    let output = root.path().join("lib/images");
    fs::create_dir(&output).unwrap();
    let pack = |globs: &[&str], output: &Path| {
        Pack::new(root.path()).exclude(globs.iter().map(|glob| glob.parse().unwrap())).publish(output)
    };
    for (globs, output) in
        [(&[][..], &output), (&["lib/image", "lib/images/*"], &output), (&["lib/images"], &root.path().to_owned())]
    {
        let error = pack(globs, output).unwrap_err();
        assert_eq!(error.kind(), packer::ErrorKind::InvalidInput);
        assert!(error.to_string().contains("the next image would hold this one"), "{error}");
        assert_eq!(
            fs::read_dir(output)
                .unwrap()
                .filter(|entry| {
                    entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "gz")
                })
                .count(),
            0
        );
    }
    let error = pack(&[], &output).unwrap_err();
    assert!(error.to_string().ends_with("exclude `lib/images`"), "{error}");
    let mut fingerprints = Vec::new();
    for glob in ["lib/images", "lib/im*", "lib", "**/images"] {
        for _ in 0..2 {
            fingerprints.push((glob, pack(&[glob], &output).unwrap().fingerprint));
        }
    }
    assert!(fingerprints.chunks(2).all(|two| two[0] == two[1]), "{fingerprints:?}");
    // Another path to the same directory, and a symlink to it.
    let other = TempDir::new().unwrap();
    symlink(&output, other.path().join("link")).unwrap();
    for way in [other.path().join("link"), root.path().join("dev/../lib/images")] {
        assert!(pack(&[], &way).is_err(), "{way:?}");
    }
}

/// A mount point is an entry, which has the time of its directory; what is below it is none.
#[test]
fn an_output_below_a_mount_point_is_outside() {
    let place = TempDir::new().unwrap();
    let script = "mkdir -p tree/out && echo x > tree/file && mount -t tmpfs none tree/out && mkdir tree/out/below || exit 1; \
         pack() { \"$ONEPASS\" pack -q tree -c none -o \"$@\" 2>&1 | sed 's/  .*//'; }; \
         pack tree/out/below; pack tree/out/below; pack tree/out; pack tree/out/below --cross-mounts; \
         pack tree/out --exclude out";
    let run = faults::run(&place, script);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!((lines.len(), lines[0].len(), lines[0] == lines[1], lines[4].len()), (5, 64, true, 64), "{said}");
    assert!(lines[2].contains("exclude `out`") && lines[3].contains("exclude `out/below`"), "{said}");
}

/// By a mount, a redirection or a record, whose paths do not show that they lead into the tree.
#[test]
fn what_a_pack_writes_into_the_tree_has_to_be_excluded() {
    let setup = "mkdir -p tree/images tree/logs tree/mounted out O && echo x > tree/file && mount --bind tree/images O \
         && mount --bind out tree/mounted || exit 9; pack() { \"$ONEPASS\" pack tree -c none \"$@\"; }";
    // The command, what it names, and what is to be excluded beside the mount.
    let ways = [
        ("pack -o O", "images", "exclude `images`"),
        ("pack -o out", "mounted", "exclude `mounted`"),
        ("pack -o out --cross-mounts", "mounted", "exclude `mounted`"),
        ("pack -o O --live", "images", "exclude `images`"),
        ("pack -o O -f oci --arch amd64", "images", "exclude `images`"),
        ("pack -o - > tree/a.tar", "a.tar", "exclude `a.tar`"),
        ("pack -o /dev/shm > tree/logs/line", "logs/line", "exclude `logs/line`"),
        ("pack -o /dev/shm 2>> tree/logs/errors; cat tree/logs/errors >&2", "logs/errors", "exclude `logs/errors`"),
        ("pack -o /dev/shm --json=tree/logs/record", "logs", "exclude `logs`"),
        ("pack -o /dev/shm --json=/dev/fd/3 3> tree/logs/[x]", "logs/[x]", "exclude `logs/[[]x[]]`"),
        ("pack -o /dev/shm --json=tree/record", "", "write outside of the tree"),
        ("pack --dry-run > tree/logs/size", "logs/size", "exclude `logs/size`"),
    ];
    for (way, named, remedy) in ways {
        let place = TempDir::new().unwrap();
        let run = faults::run(&place, &format!("{setup}; {way}"));
        let said = String::from_utf8_lossy(&run.stderr).into_owned();
        let named = if named.is_empty() { "tree".to_owned() } else { format!("tree/{named}") };
        let line = format!("onepass: `{named}` is written to by this pack, so the next image would differ: {remedy}\n");
        assert_eq!(said, line, "{way}");
        assert!(way.contains("> ") || run.status.code() == Some(1), "{way}: {:?}", run.status);
        let left = |directory: &str| fs::read_dir(place.path().join(directory)).unwrap().count();
        assert_eq!((left("tree/images"), left("out")), (0, 0), "{way}");
    }
    // With the exclusion two packs make one image.
    let place = TempDir::new().unwrap();
    let script = format!(
        "{setup}; for again in 1 2; do pack -o O --exclude images --exclude mounted --exclude logs --json=tree/logs/record \
         > tree/logs/line 2> tree/logs/errors || exit 1; cut -c -64 tree/logs/line; done; \
         pack -o - --exclude mounted --exclude logs --exclude images > out/a.tar 2> /dev/null"
    );
    let run = faults::run(&place, &script);
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert!(run.status.success() && lines.len() == 2 && lines[0].len() == 64 && lines[0] == lines[1], "{said}");
}

#[test]
fn an_exclusion_that_matched_nothing_is_told() {
    let root = tree();
    let output = TempDir::new().unwrap();
    let globs = ["dev/*", "lib/x", "dev/pts/0", "./lib//a.py", "nothing"];
    let pack = Pack::new(root.path()).exclude(globs.map(|glob| glob.parse().unwrap()));
    let told = |exclusions: Vec<packer::Exclusion>| {
        exclusions.iter().map(|exclusion| exclusion.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(told(pack.publish(output.path()).unwrap().unmatched_exclusions), "lib/x dev/pts/0 nothing");
    assert_eq!(told(pack.measure().unwrap().unmatched_exclusions), "lib/x dev/pts/0 nothing");
}
