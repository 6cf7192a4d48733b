//! The folders of each crate stand in an order, each imports only what stands before it, and no files import each other in
//! a circle.

mod imports;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use imports::{Module, of_crate};

/// A crate: where its files are, and the order of what is at its top.
struct Crate {
    source: &'static str,
    /// The root file, from `source`.
    root: &'static str,
    /// Folders in `source` that are crates of their own.
    others: &'static [&'static str],
    /// Folders and files in order. A file at the top that is not named comes before all of them.
    order: &'static [&'static str],
}

const CRATES: [Crate; 4] = [
    Crate {
        source: "fixtures/src",
        root: "lib.rs",
        others: &[],
        order: &["content", "profile", "plan", "tree", "fixture", "fidelity"],
    },
    Crate {
        source: "harness/src",
        root: "lib.rs",
        others: &[],
        order: &["plan", "inspect", "run", "record", "verify", "stats", "bench", "study", "gate", "report"],
    },
    Crate { source: "interop/src", root: "lib.rs", others: &[], order: &[] },
    Crate {
        source: "xtask/src",
        root: "main.rs",
        others: &[],
        order: &["cli", "builds", "fidelity", "gate_trees", "tasks"],
    },
];

/// Imports that point the wrong way and are still to be turned round: the list only gets shorter.
const KNOWN: [(&str, &str, &str); 0] = [];

fn name(module: &[String]) -> String {
    if module.is_empty() { "the root".into() } else { module.join("::") }
}

impl Crate {
    fn imports(&self) -> BTreeMap<Module, BTreeSet<Module>> {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(self.source);
        of_crate(&source, self.root, self.others)
    }

    /// The place of a file in the order: the root is the last.
    fn rank(&self, module: &[String]) -> usize {
        let place = |top: &String| self.order.iter().position(|entry| entry == top).map_or(0, |place| place + 1);
        module.first().map_or(usize::MAX, place)
    }

    /// Every import that points the wrong way.
    fn upward(&self) -> Vec<[String; 2]> {
        let mut found = Vec::new();
        for (from, targets) in self.imports() {
            let upward = targets.iter().filter(|target| self.rank(target) > self.rank(&from));
            found.extend(upward.map(|target| [name(&from), name(target)]));
        }
        found
    }
}

#[test]
fn each_folder_imports_only_what_stands_before_it() {
    for krate in &CRATES {
        let known = |[from, to]: &[String; 2]| KNOWN.contains(&(krate.source, from, to));
        let upward: Vec<_> = krate.upward().into_iter().filter(|import| !known(import)).collect();
        assert!(upward.is_empty(), "{}: {upward:#?}", krate.source);
    }
}

#[test]
fn the_order_names_every_folder_and_nothing_else() {
    for krate in &CRATES {
        let imports = krate.imports();
        assert!(imports.len() > 4, "{} was read", krate.source);
        let tops: BTreeSet<&str> = imports.keys().filter_map(|module| module.first()).map(String::as_str).collect();
        let folders = imports.keys().filter(|module| module.len() > 1).map(|module| module[0].as_str());
        for named in folders.collect::<BTreeSet<_>>() {
            assert!(krate.order.contains(&named), "{}: where does `{named}` stand?", krate.source);
        }
        for named in krate.order {
            assert!(tops.contains(named), "{}: there is no `{named}`", krate.source);
        }
    }
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    for krate in &CRATES {
        let mut imports = krate.imports();
        // A file that imports none of the others that are left, or that none of them imports, is in no circle.
        loop {
            let imported: BTreeSet<&Module> = imports.values().flatten().collect();
            let is_free = |(module, targets): (&Module, &BTreeSet<Module>)| {
                !imported.contains(module) || targets.iter().all(|target| !imports.contains_key(target))
            };
            let Some(free) = imports.iter().find(|entry| is_free(*entry)).map(|(module, _)| module.clone()) else {
                break;
            };
            imports.remove(&free);
        }
        let left = |targets: &BTreeSet<Module>| -> Vec<String> {
            targets.iter().filter(|target| imports.contains_key(*target)).map(|target| name(target)).collect()
        };
        let left: Vec<_> = imports.iter().map(|(module, targets)| (name(module), left(targets))).collect();
        assert!(left.is_empty(), "{}: a circle is among {left:#?}", krate.source);
    }
}

#[test]
fn known_imports_that_are_gone_are_taken_off_the_list() {
    for (source, from, to) in KNOWN {
        let krate = CRATES.iter().find(|krate| krate.source == source).unwrap();
        assert!(krate.upward().contains(&[from.into(), to.into()]), "{source}: {from} does not import {to} any more");
    }
}
