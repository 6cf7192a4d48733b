//! What the files of a crate import from each other, read from their tokens.
//!
//! A path counts wherever it stands: in a `use`, in a body, in a macro's arguments. A name that a module re-exports
//! counts as an import of the file that defines it. What is compiled only for tests is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The path of a module below its crate's root; empty for the root.
pub(super) type Module = Vec<String>;

/// A file of a crate, by what it imports.
#[derive(Debug, Default)]
struct File {
    /// Paths from the crate's root, each with whether it is a re-export from below this module.
    paths: Vec<(Module, bool)>,
    /// Names that this module re-exports, and what they stand for.
    exports: BTreeMap<String, Module>,
    /// Child modules that are compiled only for tests.
    for_tests: Vec<String>,
}

/// Reads all files of the crate below `source`, whose root file is `root`, and returns who imports whom. Files below
/// one of `others` belong to another crate.
pub(super) fn of_crate(source: &Path, root: &str, others: &[&str]) -> BTreeMap<Module, BTreeSet<Module>> {
    let mut texts = BTreeMap::new();
    for path in rust_files(source) {
        let name = path.strip_prefix(source).unwrap().to_str().unwrap();
        if !others.iter().any(|other| name.starts_with(other)) {
            texts.insert(module(name, root), fs::read_to_string(&path).unwrap());
        }
    }
    let mut files: BTreeMap<Module, File> =
        texts.iter().map(|(module, text)| (module.clone(), read(module, text, &texts))).collect();
    let for_tests: Vec<Module> = files
        .iter()
        .flat_map(|(module, file)| {
            file.for_tests.iter().map(|child| [&module[..], std::slice::from_ref(child)].concat())
        })
        .collect();
    files.retain(|module, _| !for_tests.iter().any(|test| module.starts_with(test)));
    let imports = |(module, file): (&Module, &File)| {
        let targets = file.paths.iter().filter(|(_, facade)| !facade).map(|(path, _)| defining(path, &files, 0));
        (module.clone(), targets.filter(|target| target != module && !for_tests.contains(target)).collect())
    };
    files.iter().map(imports).collect()
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// `gate/mod.rs` → `gate`.
fn module(file: &str, root: &str) -> Module {
    if file == root {
        return Module::new();
    }
    let name = file.strip_suffix(".rs").unwrap();
    name.strip_suffix("/mod").unwrap_or(name).split('/').map(String::from).collect()
}

/// The file that defines what a path names.
fn defining(path: &[String], files: &BTreeMap<Module, File>, depth: usize) -> Module {
    let known = (0..=path.len()).rev().find(|length| files.contains_key(&path[..*length])).unwrap();
    let (module, rest) = path.split_at(known);
    let exported = rest.first().and_then(|name| files[module].exports.get(name));
    match exported {
        Some(target) if depth < 8 => defining(&[target, &rest[1..]].concat(), files, depth + 1),
        _ => module.to_vec(),
    }
}

fn read(module: &Module, text: &str, texts: &BTreeMap<Module, String>) -> File {
    let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{module:?}: {error}"));
    let mut reader = Reader { file: File::default(), aliases: BTreeMap::new() };
    for child in texts.keys().filter(|child| child.len() == module.len() + 1 && child.starts_with(module)) {
        reader.aliases.insert(child.last().unwrap().clone(), child.clone());
    }
    reader.walk(module, module, &tokens.into_iter().collect::<Vec<_>>());
    reader.file
}

struct Reader {
    file: File,
    /// Names in the file that stand for modules: children, and what a `use` brought in.
    aliases: BTreeMap<String, Module>,
}

impl Reader {
    /// Reads tokens in `here`, which is `file` or an inline module in it.
    fn walk(&mut self, file: &Module, here: &Module, tokens: &[TokenTree]) {
        let mut at = 0;
        while at < tokens.len() {
            if is_cfg_test(&tokens[at..]) {
                at = self.skip_item(tokens, at + 2);
                continue;
            }
            if is_word(tokens.get(at), "mod")
                && let (Some(name), Some(TokenTree::Group(body))) = (word(tokens.get(at + 1)), tokens.get(at + 2))
            {
                let inner = [&here[..], &[name]].concat();
                self.walk(file, &inner, &body.stream().into_iter().collect::<Vec<_>>());
                at += 3;
                continue;
            }
            if is_word(tokens.get(at), "use") && !is(tokens.get(at + 1), '<') {
                let end = (at..tokens.len()).find(|end| is(tokens.get(*end), ';')).unwrap();
                let restricted = at > 1 && matches!(&tokens[at - 1], TokenTree::Group(_));
                let public = at > 0 && is_word(tokens.get(at - if restricted { 2 } else { 1 }), "pub");
                self.bring(file, here, &tokens[at + 1..end], public);
                at = end + 1;
                continue;
            }
            match &tokens[at] {
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    // `pub(in path)` is no import.
                    if !is_word(inner.first(), "in") {
                        self.walk(file, here, &inner);
                    }
                }
                TokenTree::Ident(_) if !(at > 1 && is(tokens.get(at - 1), ':') && is(tokens.get(at - 2), ':')) => {
                    for (path, _) in tree(&tokens[at..]) {
                        if path.len() > 1
                            && let Some(path) = self.absolute(file, here, &path)
                        {
                            self.file.paths.push((path, false));
                        }
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }

    /// Reads what stands between `use` and its semicolon.
    fn bring(&mut self, file: &Module, here: &Module, tokens: &[TokenTree], public: bool) {
        for (path, name) in tree(tokens) {
            let Some(path) = self.absolute(file, here, &path) else { continue };
            let facade = public && path.starts_with(file) && path.len() > file.len();
            if public && here == file {
                self.file.exports.insert(name.clone(), path.clone());
            }
            self.aliases.entry(name).or_insert_with(|| path.clone());
            self.file.paths.push((path, facade));
        }
    }

    /// The path from the crate's root; nothing for a path into another crate, or a local name.
    fn absolute(&self, _: &Module, here: &Module, path: &[String]) -> Option<Module> {
        let mut base = here.clone();
        let mut rest = path;
        match rest.first()?.as_str() {
            "crate" => base.clear(),
            "self" => {}
            "super" => {
                while rest.first().is_some_and(|part| part == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
                return Some([&base[..], rest].concat());
            }
            name => base = self.aliases.get(name)?.clone(),
        }
        Some([&base[..], &rest[1..]].concat())
    }

    /// Skips the item behind `#[cfg(test)]`, and notes a module that is in a file of its own.
    fn skip_item(&mut self, tokens: &[TokenTree], from: usize) -> usize {
        for at in from..tokens.len() {
            if is_word(tokens.get(at), "mod") && is(tokens.get(at + 2), ';') {
                self.file.for_tests.extend(word(tokens.get(at + 1)));
            }
            let body = matches!(&tokens[at], TokenTree::Group(group) if group.delimiter() == Delimiter::Brace);
            if is(tokens.get(at), ';') || body {
                return at + 1;
            }
        }
        tokens.len()
    }
}

/// The paths that a tree of a `use` stands for, or the one path that begins here; each with the name that it gets.
fn tree(tokens: &[TokenTree]) -> Vec<(Vec<String>, String)> {
    let (mut path, mut at): (Vec<String>, usize) = (Vec::new(), 0);
    loop {
        match tokens.get(at) {
            Some(TokenTree::Ident(part)) => path.push(part.to_string()),
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace && at > 0 => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                let branches = inner.split(|token| is(Some(token), ','));
                let below = branches.flat_map(tree).map(|(branch, name)| match &branch[..] {
                    [only] if only == "self" => (path.clone(), path.last().cloned().unwrap_or_default()),
                    _ => ([&path[..], &branch[..]].concat(), name),
                });
                return below.collect();
            }
            _ => break,
        }
        if is(tokens.get(at + 1), ':') && is(tokens.get(at + 2), ':') {
            at += 3;
        } else {
            break;
        }
    }
    if path.is_empty() {
        return Vec::new();
    }
    let alias = if is_word(tokens.get(at + 1), "as") { word(tokens.get(at + 2)) } else { None };
    let name = alias.unwrap_or_else(|| path[path.len() - 1].clone());
    vec![(path, name)]
}

fn is_cfg_test(tokens: &[TokenTree]) -> bool {
    let attribute = |group: &TokenTree| group.to_string().replace(' ', "") == "[cfg(test)]";
    is(tokens.first(), '#') && tokens.get(1).is_some_and(attribute)
}

fn is(token: Option<&TokenTree>, sign: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == sign)
}

fn is_word(token: Option<&TokenTree>, expected: &str) -> bool {
    word(token).is_some_and(|word| word == expected)
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}
