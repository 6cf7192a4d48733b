//! How cargo built a binary: from its own messages, from the profile, and from the environment.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use harness::run::{BuildFlags, Tool};
use serde_json::Value;

/// The flags of the binary that cargo reported, with the profile of the workspace in `sources`. `messages` is the output
/// of `cargo build --message-format=json`; a binary that was there already is in it as well.
pub(crate) fn flags(messages: &str, sources: &Path) -> Result<BuildFlags> {
    let manifest = std::fs::read_to_string(sources.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let mut flags = reported(messages).context("cargo did not report how it built the packer")?;
    flags.profile = profile(&manifest, std::env::vars_os())?;
    flags.rustflags = told(messages).unwrap_or_else(|| rustflags(|name| std::env::var(name).ok()));
    (flags.cc, flags.cflags) = c_compiler(|name| std::env::var(name).ok());
    Ok(flags)
}

/// What the message on the binary says.
fn reported(messages: &str) -> Option<BuildFlags> {
    let mut messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let artifact = messages.rfind(|message| message["executable"].is_string())?;
    let profile = &artifact["profile"];
    let features = artifact["features"].as_array()?.iter().filter_map(|name| name.as_str().map(String::from));
    Some(BuildFlags {
        opt_level: profile["opt_level"].as_str()?.to_owned(),
        debug_assertions: profile["debug_assertions"].as_bool()?,
        features: features.collect(),
        ..BuildFlags::default()
    })
}

/// The flags that the packer's build script saw, which cargo gathers from the environment and from its files; `None` if it tells
/// nothing, as in older revisions.
fn told(messages: &str) -> Option<Vec<String>> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let scripts = messages.filter(|message| message["reason"] == "build-script-executed");
    let told = scripts.flat_map(|message| message["env"].as_array().cloned().unwrap_or_default());
    let mut flags =
        told.filter(|pair| pair[0] == "ONEPASS_RUSTFLAGS").filter_map(|pair| Some(decoded(pair[1].as_str()?)));
    flags.next()
}

/// The first line that the C compiler says of its version, and its flags: zstd, xz and libdeflate are C.
fn c_compiler(variable: impl Fn(&str) -> Option<String>) -> (Option<String>, Vec<String>) {
    let compiler = variable("CC").unwrap_or_else(|| "cc".into());
    let version = Tool::new(&compiler).arg("--version").output().ok();
    let version = version.and_then(|text| text.lines().next().map(|line| line.trim().to_owned()));
    let flags = variable("CFLAGS").unwrap_or_default();
    (version, flags.split_whitespace().map(String::from).collect())
}

/// What the manifest sets of the profile `release`, and what the environment sets of it instead, which cargo prefers.
fn profile(manifest: &str, variables: impl Iterator<Item = (OsString, OsString)>) -> Result<BTreeMap<String, String>> {
    let manifest: toml::Table = manifest.parse().context("Cargo.toml is unclear")?;
    let mut settings = BTreeMap::new();
    if let Some(release) = manifest.get("profile").and_then(|profiles| profiles.get("release")) {
        flatten("", release, &mut settings);
    }
    for (name, value) in variables {
        let (Some(name), Some(value)) = (name.to_str(), value.to_str()) else { continue };
        if let Some(name) = name.strip_prefix("CARGO_PROFILE_RELEASE_") {
            settings.insert(name.to_lowercase().replace('_', "-"), value.to_owned());
        }
    }
    Ok(settings)
}

/// Puts the values of a table in place, those of tables in it under names with dots.
fn flatten(name: &str, value: &toml::Value, settings: &mut BTreeMap<String, String>) {
    match value {
        toml::Value::Table(table) => {
            for (inner, value) in table {
                let name = if name.is_empty() { inner.clone() } else { format!("{name}.{inner}") };
                flatten(&name, value, settings);
            }
        }
        toml::Value::String(text) => drop(settings.insert(name.to_owned(), text.clone())),
        value => drop(settings.insert(name.to_owned(), value.to_string())),
    }
}

/// The variables that cargo takes flags for the compiler from, in its order.
fn rustflags(variable: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let encoded = variable("CARGO_ENCODED_RUSTFLAGS");
    let plain = || variable("RUSTFLAGS").map(|flags| flags.split_whitespace().map(String::from).collect());
    encoded.map(|flags| decoded(&flags)).or_else(plain).unwrap_or_default()
}

/// The flags of cargo's encoding, which separates them by a control character.
fn decoded(encoded: &str) -> Vec<String> {
    encoded.split('\x1f').filter(|flag| !flag.is_empty()).map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGES: &str = r#"{"reason":"compiler-artifact","target":{"name":"packer"},"profile":{"opt_level":"3","debug_assertions":false},"features":[],"executable":null}
{"reason":"compiler-artifact","target":{"name":"onepass"},"profile":{"opt_level":"1","debug_assertions":true},"features":["cli","read"],"executable":"/target/release/onepass","fresh":true}
{"reason":"build-finished","success":true}
"#;

    #[test]
    fn flags_are_those_that_cargo_reported_of_the_binary() {
        let flags = reported(MESSAGES).unwrap();
        assert_eq!((flags.opt_level.as_str(), flags.debug_assertions), ("1", true));
        assert_eq!(flags.features, ["cli", "read"]);
        assert_eq!(reported("").map(drop), None);
    }

    #[test]
    fn flags_for_the_compiler_are_those_that_the_build_script_saw() {
        let script = |env: &str| format!("{MESSAGES}{{\"reason\":\"build-script-executed\",\"env\":[{env}]}}\n");
        let flags = script(r#"["OTHER","x"],["ONEPASS_RUSTFLAGS","-C\u001ftarget-cpu=native"]"#);
        assert_eq!(told(&flags).unwrap(), ["-C", "target-cpu=native"]);
        assert_eq!(told(&script(r#"["ONEPASS_RUSTFLAGS",""]"#)), Some(vec![]));
        assert_eq!((told(&script("")), told(MESSAGES)), (None, None), "an older revision tells nothing");
    }

    #[test]
    fn the_c_compiler_is_the_one_that_the_environment_names() {
        let set = |name: &str| match name {
            "CC" => Some("/missing/cc".to_owned()),
            "CFLAGS" => Some(" -O1  -g ".to_owned()),
            _ => None,
        };
        assert_eq!(c_compiler(set), (None, vec!["-O1".to_owned(), "-g".into()]));
        let (version, flags) = c_compiler(|_| None);
        assert!(version.is_some_and(|version| !version.is_empty()) && flags.is_empty());
    }

    #[test]
    fn the_environment_overrides_the_profile() {
        let manifest = "[profile.release]\nlto = \"thin\"\ncodegen-units = 1\n[profile.release.package.sha2]\nopt-level = 2\n[profile.dev]\ndebug = 0\n";
        let variables = [("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16"), ("CARGO_PROFILE_DEV_DEBUG", "2")];
        let variables = variables.map(|(name, value)| (OsString::from(name), OsString::from(value)));
        let told: Vec<String> = profile(manifest, variables.into_iter())
            .unwrap()
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(told, ["codegen-units=16", "lto=thin", "package.sha2.opt-level=2"]);
        assert!(profile("[", std::iter::empty()).is_err());
    }

    #[test]
    fn encoded_flags_come_first_and_may_hold_spaces() {
        let set = |encoded: Option<&str>, plain: Option<&str>| {
            rustflags(|name| if name == "RUSTFLAGS" { plain } else { encoded }.map(String::from))
        };
        assert_eq!(set(Some("-C\x1flink-arg=a b"), Some("-g")), ["-C", "link-arg=a b"]);
        assert_eq!(set(None, Some(" -C  target-cpu=native ")), ["-C", "target-cpu=native"]);
        assert_eq!((set(Some(""), None), set(None, None)), (vec![], vec![]));
    }
}
