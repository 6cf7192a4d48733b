//! Everything that can be known of a tree on a disk, or of the members that a reader lists, as facts that compare.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::CString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::Value;
use sha2::{Digest, Sha256};

/// The facts of each entry, by its path; the top's path is `./`.
pub(crate) type Snapshot = BTreeMap<Vec<u8>, Facts>;

/// What is known of an entry, by the name of the fact, all in printable form.
pub(crate) type Facts = BTreeMap<String, String>;

/// A fact that a reader is known not to give back.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// How the path begins.
    pub(crate) path: &'static str,
    /// How the fact's name begins.
    pub(crate) fact: &'static str,
    #[expect(dead_code, reason = "it is for who reads the table")]
    pub(crate) why: &'static str,
}

/// A line for each fact in which the two differ, except those that are beyond a limit.
pub(crate) fn differences(found: &Snapshot, expected: &Snapshot, limits: &[Limit]) -> Vec<String> {
    let none = Facts::new();
    let mut lines = Vec::new();
    for path in found.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
        let (found, expected) = (found.get(path).unwrap_or(&none), expected.get(path).unwrap_or(&none));
        for fact in found.keys().chain(expected.keys()).collect::<BTreeSet<_>>() {
            let (found, expected) = (found.get(fact), expected.get(fact));
            let beyond = |limit: &Limit| path.starts_with(limit.path.as_bytes()) && fact.starts_with(limit.fact);
            if found != expected && !limits.iter().any(beyond) {
                lines.push(format!("{}: {fact}: found {found:?}, expected {expected:?}", path.escape_ascii()));
            }
        }
    }
    lines
}

/// The tree at `top`.
pub(crate) fn of_tree(top: &Path) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut names = HashMap::new();
    visit(top, b"", &mut snapshot, &mut names);
    snapshot_links(&mut snapshot, names);
    snapshot
}

fn visit(path: &Path, name: &[u8], snapshot: &mut Snapshot, names: &mut HashMap<(u64, u64), Vec<Vec<u8>>>) {
    let found = fs::symlink_metadata(path).unwrap();
    let kind = found.file_type();
    let mut facts = Facts::new();
    let mut fact = |name: &str, value: String| drop(facts.insert(name.to_owned(), value));
    fact("mode", format!("{:04o}", found.mode() & 0o7777));
    fact("owner", format!("{}:{}", found.uid(), found.gid()));
    fact("mtime", format!("{}.{:09}", found.mtime(), found.mtime_nsec()));
    let device = format!("{},{}", rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
    if kind.is_dir() {
        fact("kind", "directory".to_owned());
        for entry in fs::read_dir(path).unwrap() {
            let child = entry.unwrap().file_name();
            let below = [name, if name.is_empty() { b"" } else { b"/" }, child.as_bytes()].concat();
            visit(&path.join(&child), &below, snapshot, names);
        }
    } else if kind.is_symlink() {
        fact("kind", "symlink".to_owned());
        fact("target", fs::read_link(path).unwrap().as_os_str().as_bytes().escape_ascii().to_string());
    } else if kind.is_file() {
        fact("kind", "file".to_owned());
        fact("content", content(&fs::read(path).unwrap()));
    } else if kind.is_fifo() {
        fact("kind", "fifo".to_owned());
    } else if kind.is_socket() {
        fact("kind", "socket".to_owned());
    } else {
        fact("kind", if kind.is_char_device() { "character" } else { "block" }.to_owned());
        fact("device", device);
    }
    for (name, value) in attributes(path) {
        fact(&format!("xattr:{}", name.escape_ascii()), value.escape_ascii().to_string());
    }
    if !kind.is_dir() {
        names.entry((found.dev(), found.ino())).or_default().push(name.to_vec());
    }
    snapshot.insert(if name.is_empty() { b"./".to_vec() } else { name.to_vec() }, facts);
}

/// All extended attributes of an entry, a symlink's own included.
fn attributes(path: &Path) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut list = vec![0; 1 << 16];
    let length = rustix::fs::llistxattr(path, &mut list[..]).unwrap();
    let mut found = Vec::new();
    for name in list[..length].split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        let mut value = vec![0; 1 << 16];
        let length = rustix::fs::lgetxattr(path, CString::new(name).unwrap(), &mut value[..]).unwrap();
        value.truncate(length);
        found.push((name.to_vec(), value));
    }
    found
}

/// Gives every entry of more than one name the fact which names these are.
fn snapshot_links<Key>(snapshot: &mut Snapshot, names: HashMap<Key, Vec<Vec<u8>>>) {
    for mut names in names.into_values().filter(|names| names.len() > 1) {
        names.sort();
        let all = names.iter().map(|name| name.escape_ascii().to_string()).collect::<Vec<_>>().join(" = ");
        for name in names {
            snapshot.get_mut(&name).unwrap().insert("names".to_owned(), all.clone());
        }
    }
}

fn content(bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {digest}", bytes.len())
}

/// The members that one of the programs in `tests/readers/` has listed. Access control lists are facts of their own.
pub(crate) fn of_members(lines: &str) -> Snapshot {
    let mut snapshot = Snapshot::new();
    let mut names: HashMap<Vec<u8>, Vec<Vec<u8>>> = HashMap::new();
    for line in lines.lines() {
        let member: Value = serde_json::from_str(line).unwrap();
        let path = hexadecimal(&member["path"]);
        let path = path.strip_suffix(b"/").unwrap_or(&path);
        let path = if path == b"." { b"./".to_vec() } else { path.to_vec() };
        let first = if member["kind"] == "1" { hexadecimal(&member["link"]) } else { path.clone() };
        let facts = if member["kind"] == "1" { snapshot[&first].clone() } else { of_member(&member) };
        names.entry(first).or_default().push(path.clone());
        let twice = snapshot.insert(path.clone(), facts);
        assert!(twice.is_none(), "{} is listed twice", path.escape_ascii());
    }
    snapshot_links(&mut snapshot, names);
    snapshot
}

fn of_member(member: &Value) -> Facts {
    let mut facts = Facts::new();
    let mut fact = |name: &str, value: String| drop(facts.insert(name.to_owned(), value));
    let kind = match member["kind"].as_str().unwrap() {
        "0" => "file",
        "2" => "symlink",
        "3" => "character",
        "4" => "block",
        "5" => "directory",
        "6" => "fifo",
        other => panic!("a member of type {other}"),
    };
    fact("kind", kind.to_owned());
    fact("mode", format!("{:04o}", member["mode"].as_u64().unwrap()));
    fact("owner", format!("{}:{}", member["owner"][0], member["owner"][1]));
    fact("mtime", format!("{}.{:09}", member["mtime"][0], member["mtime"][1].as_u64().unwrap()));
    match kind {
        "file" => fact("content", format!("{} {}", member["size"], member["sha256"].as_str().unwrap())),
        "symlink" => fact("target", hexadecimal(&member["link"]).escape_ascii().to_string()),
        "character" | "block" => fact("device", format!("{},{}", member["device"][0], member["device"][1])),
        _ => {}
    }
    for (name, value) in member["records"].as_object().unwrap() {
        let (name, value) = (hexadecimal(&Value::from(name.as_str())), hexadecimal(value).escape_ascii().to_string());
        if let Some(name) = name.strip_prefix(b"SCHILY.xattr.") {
            fact(&format!("xattr:{}", plain(name).escape_ascii()), value);
        } else if let Some(name) = name.strip_prefix(b"SCHILY.acl.") {
            fact(&format!("acl:{}", name.escape_ascii()), value);
        }
    }
    facts
}

/// A name as it was before `%` and `=` were written as `%25` and `%3D`.
fn plain(name: &[u8]) -> Vec<u8> {
    let text: String = name.iter().map(|byte| char::from(*byte)).collect();
    text.replace("%3D", "=").replace("%25", "%").chars().map(|letter| letter as u8).collect()
}

fn hexadecimal(text: &Value) -> Vec<u8> {
    let text = text.as_str().unwrap();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}
