//! The documents in `docs/` name what the command has: all of its options and exit codes, and no others.

use std::fs;

use crate::help::{SUBCOMMANDS, exit_codes, said, signatures};

fn document(name: &str) -> String {
    fs::read_to_string(format!("{}/../docs/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The rows of a document's tables that begin with code: its first cell without the backquotes, and the others.
fn rows(text: &str) -> Vec<(String, &str)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| row.split_once(" | ").unwrap())
        .map(|(first, rest)| (first.trim().replace('`', "").replace("\\|", "|"), rest))
        .collect()
}

/// The options in a document's tables, as the help writes them: `-o, --output DIR`.
fn listed(text: &str) -> Vec<String> {
    let mut listed: Vec<String> =
        rows(text).into_iter().map(|(first, _)| first).filter(|first| first.starts_with('-')).collect();
    listed.sort();
    listed
}

/// The options of subcommands, without `--help`.
fn defined(subcommands: &[&str]) -> Vec<String> {
    let helps: Vec<String> = subcommands.iter().map(|subcommand| said(&[subcommand, "--help"])).collect();
    let mut defined: Vec<String> = helps
        .iter()
        .flat_map(|help| signatures(help))
        .filter(|signature| !signature.contains("--help"))
        .map(|signature| signature.replace(['<', '>'], ""))
        .collect();
    defined.sort();
    defined.dedup();
    defined
}

#[test]
fn the_options_of_pack_are_those_of_its_document() {
    let document = document("pack.md");
    assert_eq!(listed(&document), defined(&["pack"]));
    let help = said(&["pack", "--help"]);
    let formats: Vec<&str> = help
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- ")?.split_once(':'))
        .map(|(name, _)| name)
        .filter(|name| !["auto", "bar", "json", "none"].contains(name))
        .collect();
    assert_eq!(formats, ["tar", "unified", "split", "oci"]);
    let rows = rows(&document);
    for format in formats {
        assert!(rows.iter().any(|(first, _)| first == format), "docs/pack.md has no row for the format {format}");
    }
}

#[test]
fn the_options_of_what_reads_images_are_those_of_its_document() {
    let document = document("verify-inspect-diff.md");
    let mut listed = listed(&document);
    listed.dedup();
    assert_eq!(listed, defined(&["verify", "inspect", "diff"]));
    // Each in the section of its subcommand.
    for (subcommand, section) in ["verify", "inspect", "diff"].into_iter().zip(document.split("\n## ").skip(1)) {
        assert!(section.starts_with(&format!("`onepass {subcommand}`")), "{section}");
        assert_eq!(self::listed(section), defined(&[subcommand]), "{subcommand}");
    }
}

/// One table: a row for each code, a column for each subcommand, with the words of the help.
#[test]
fn the_exit_codes_are_those_of_the_help() {
    let document = document("exit-codes.md");
    let rows = rows(&document);
    let codes: Vec<&str> = rows.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(codes, ["0", "1", "2", "3", "4", "128 + N"]);
    for subcommand in SUBCOMMANDS {
        let section = match subcommand {
            "completions" | "man" => "completions, man",
            subcommand => subcommand,
        };
        let header = document.lines().find(|line| line.starts_with("| code |")).unwrap();
        let column = header.split('|').map(str::trim).position(|cell| cell.replace('`', "") == section).unwrap() - 2;
        let help = said(&[subcommand, "--help"]);
        let said = exit_codes(&help);
        for (code, rest) in &rows {
            let cell = rest.trim_end_matches('|').split(" | ").nth(column).unwrap().trim();
            let expected = said.iter().find(|(said, _)| said == code).map_or("–", |(_, text)| text);
            assert_eq!(cell, expected, "{subcommand} {code}");
        }
    }
}
