//! The packer under strace: which calls it makes, so that each of them can fail or be the last.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use testkit::log::skip;

/// Whether strace is there; if not, the test is skipped.
pub(crate) fn is_installed() -> bool {
    let is_installed = Command::new("strace").arg("-V").output().is_ok();
    if !is_installed {
        skip("strace is not installed");
    }
    is_installed
}

/// strace of the packer, with a log.
pub(crate) fn strace(options: &[&str], log: &Path) -> Command {
    let mut command = Command::new("strace");
    // Where cargo lets the loader look, it looks a hundred times.
    command.env_remove("LD_LIBRARY_PATH").arg("-qq").args(options).arg("-o").arg(log);
    command.arg(env!("CARGO_BIN_EXE_onepass"));
    command
}

/// By name and number: the calls that threads make as their Nth of that name. An injection counts by thread, too.
pub(crate) struct Calls(pub(crate) BTreeMap<(String, usize), BTreeSet<String>>);

impl Calls {
    /// Reads the logs of all threads (`strace -ff -o LOG`), and removes them.
    pub(crate) fn take(log: &Path) -> Self {
        let mut calls = BTreeMap::<_, BTreeSet<_>>::new();
        let is_log = |path: &Path| path.file_stem() == log.file_name() && path.extension().is_some();
        let files = fs::read_dir(log.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        for file in files.filter(|path| is_log(path)) {
            let mut numbers = BTreeMap::new();
            for line in fs::read_to_string(&file).unwrap().lines() {
                // Calls without a name are too new for strace, which can do nothing to them.
                let name = line.split_once('(').map(|(name, _)| name).filter(|name| !name.starts_with("syscall_"));
                let Some(name) = name else { continue };
                let number = numbers.entry(name.to_owned()).or_insert(0);
                *number += 1;
                calls.entry((name.to_owned(), *number)).or_default().insert(normalised(line));
            }
            fs::remove_file(file).unwrap();
        }
        Calls(calls)
    }
}

/// A call without what differs from run to run: contents, addresses, names of temporary files, numbers.
fn normalised(line: &str) -> String {
    let is_content = ["read(", "pread64(", "write(", "pwrite64("].iter().any(|call| line.starts_with(call));
    let parts = line.split('"').enumerate().filter(|(number, _)| number % 2 == 0 || !is_content);
    let words = parts.flat_map(|(_, part)| part.split_inclusive(|letter: char| !letter.is_ascii_alphanumeric()));
    words.filter(|word| !is_number(word)).collect()
}

/// Whether a word is a number, an address, a digest or a random name.
fn is_number(word: &str) -> bool {
    let word = word.trim_end_matches(|letter: char| !letter.is_ascii_alphanumeric());
    word.starts_with(|letter: char| letter.is_ascii_digit())
        || word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit())
}
