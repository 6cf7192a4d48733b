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

const CRATES: [Crate; 7] = [
    Crate {
        source: "fixtures/src",
        root: "lib.rs",
        others: &[],
        order: &["content", "profile", "plan", "tree", "fixture", "fidelity", "evolve"],
    },
    Crate {
        source: "harness/src",
        root: "lib.rs",
        others: &[],
        order: &["plan", "inspect", "run", "record", "verify", "stats", "bench", "study", "gate", "schema", "report"],
    },
    Crate { source: "interop/src", root: "lib.rs", others: &[], order: &[] },
    Crate {
        source: "packer/src",
        root: "lib.rs",
        others: &["bin/"],
        order: &["tree", "tar", "segment", "frame", "codec", "sink", "format", "publish", "pipeline", "api", "read"],
    },
    Crate {
        source: "packer/src/bin/onepass",
        root: "main.rs",
        others: &[],
        order: &["args", "record", "documents", "dry_run", "pack", "inspect", "verify", "diff"],
    },
    Crate { source: "testkit/src", root: "lib.rs", others: &[], order: &[] },
    Crate {
        source: "xtask/src",
        root: "main.rs",
        others: &[],
        order: &["cli", "builds", "fidelity", "gate_trees", "tasks"],
    },
];

fn name(module: &[String]) -> String {
    if module.is_empty() { "the root".into() } else { module.join("::") }
}

impl Crate {
    /// What each file imports.
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
        let upward = krate.upward();
        assert!(upward.is_empty(), "{}: {upward:#?}", krate.source);
    }
}

#[test]
fn the_folders_of_reading_import_only_what_stands_before_them() {
    let order = ["context", "archive", "image", "verify", "compare"];
    let packer = CRATES.iter().find(|krate| krate.source == "packer/src").unwrap();
    let rank = |module: &Module| match &module[..] {
        [top, folder, ..] if top == "read" => order.iter().position(|entry| entry == folder),
        _ => None,
    };
    let mut seen = 0;
    for (from, targets) in packer.imports() {
        for target in &targets {
            let Some((above, below)) = rank(&from).zip(rank(target)) else { continue };
            assert!(below <= above, "{} imports {}", name(&from), name(target));
            seen += 1;
        }
    }
    assert!(seen > order.len(), "{seen}");
}

#[test]
fn the_order_names_every_folder_and_nothing_else() {
    for krate in &CRATES {
        let imports = krate.imports();
        assert!(imports.len() > 3, "{} was read", krate.source);
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
        let imports = krate.imports();
        let reached: BTreeMap<&Module, BTreeSet<&Module>> =
            imports.keys().map(|module| (module, reached_from(module, &imports))).collect();
        let mut circles = String::new();
        for (from, targets) in &imports {
            for to in targets.iter().filter(|to| reached[to].contains(from)) {
                circles += &format!("  {} imports {}\n", name(from), name(to));
            }
        }
        assert!(circles.is_empty(), "{}: these imports are in circles:\n{circles}", krate.source);
    }
}

/// All files that a file imports, and that these import, and so on.
fn reached_from<'a>(module: &Module, imports: &'a BTreeMap<Module, BTreeSet<Module>>) -> BTreeSet<&'a Module> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<&Module> = imports[module].iter().collect();
    while let Some(next) = waiting.pop() {
        if reached.insert(next) {
            waiting.extend(&imports[next]);
        }
    }
    reached
}
