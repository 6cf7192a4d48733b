//! How cargo built a binary: from its own messages, and from the profile.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use anyhow::{Context, Result};
use harness::run::BuildFlags;
use serde_json::Value;

/// The flags of the binary that cargo reported, with the profile of the workspace in `sources`. `messages` is the output
/// of `cargo build --message-format=json`; a binary that was there already is in it as well.
pub(crate) fn flags(messages: &str, sources: &Path) -> Result<BuildFlags> {
    let manifest = std::fs::read_to_string(sources.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let mut flags = reported(messages).context("cargo did not report how it built the packer")?;
    flags.profile = profile(&manifest, std::env::vars_os())?;
    flags.rustflags = rustflags(|name| std::env::var(name).ok());
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
    let encoded = encoded.map(|flags| flags.split('\x1f').map(String::from).collect());
    let plain = || variable("RUSTFLAGS").map(|flags| flags.split_whitespace().map(String::from).collect());
    let flags: Vec<String> = encoded.or_else(plain).unwrap_or_default();
    flags.into_iter().filter(|flag| !flag.is_empty()).collect()
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
