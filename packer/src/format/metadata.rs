//! `metadata.yaml`, the description of an LXD or Incus image.
//!
//! | key | value |
//! |---|---|
//! | `architecture` | as printed by `uname -m`; required |
//! | `creation_date` | seconds since 1970, not 0; required |
//! | `expiry_date` | seconds since 1970 |
//! | `properties` | texts by name: `os`, `release`, `description`, … |
//! | `templates` | by path in the instance: `template`, the name of a file below `templates/`, and when to apply it |
//!
//! Source: LXD's [image format](https://documentation.ubuntu.com/lxd/latest/reference/image_format/), and `ImageMetadata` in
//! `shared/api` of LXD and Incus. Both refuse a file of more than 1 MiB.

use std::collections::BTreeMap;

use yaml_serde::{Mapping, Value};

use crate::format::architecture::Architecture;

/// A `metadata.yaml`, the description of an LXD or Incus image.
#[derive(Clone, Debug, PartialEq)]
pub struct Metadata {
    document: Mapping,
    /// The text that was parsed; `None` once a value was set.
    text: Option<String>,
}

/// The error for an invalid `metadata.yaml`. Its text is a predicate: ``has no `architecture` ``.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMetadata(String);

impl Metadata {
    /// The longest text that LXD and Incus read, in bytes.
    pub const LIMIT: usize = 1 << 20;

    /// Parses the text of a `metadata.yaml`. Images get it byte by byte, unless a value is set afterwards.
    ///
    /// # Errors
    ///
    /// If the text is longer than [`LIMIT`](Self::LIMIT) or not YAML, if `architecture` or `creation_date` is missing, or if
    /// `expiry_date`, `properties` or `templates` have another type than LXD and Incus expect.
    pub fn parse(bytes: &[u8]) -> Result<Self, InvalidMetadata> {
        let invalid = |what: &str| Err(InvalidMetadata(what.to_owned()));
        if bytes.len() > Metadata::LIMIT {
            return invalid("is larger than the 1 MiB that LXD and Incus read");
        }
        let Ok(text) = std::str::from_utf8(bytes) else { return invalid("is no text") };
        let document: Value = yaml_serde::from_str(text)
            .map_err(|error| InvalidMetadata(format!("is not YAML: {}", error.to_string().escape_debug())))?;
        if !has_plain_keys(&document) {
            return invalid("has a key that is no text");
        }
        let Value::Mapping(document) = document else { return invalid("is not a YAML mapping") };
        if document.get("architecture").and_then(Value::as_str).unwrap_or_default().is_empty() {
            return invalid("has no `architecture`");
        }
        match document.get("creation_date").map(Value::as_i64) {
            None | Some(Some(0)) => return invalid("has no `creation_date`, or one that is 0"),
            Some(None) => return invalid("has a `creation_date` that is no number of seconds"),
            Some(Some(_)) => {}
        }
        if document.get("expiry_date").is_some_and(|value| !value.is_null() && value.as_i64().is_none()) {
            return invalid("has an `expiry_date` that is no number of seconds");
        }
        match document.get("properties") {
            None | Some(Value::Null) => {}
            Some(Value::Mapping(properties))
                if properties.iter().all(|(key, value)| is_text(key) && (is_text(value) || value.is_null())) => {}
            Some(_) => return invalid("has `properties` that are not texts by name"),
        }
        let is_template = |value: &Value| value.get("template").is_some_and(Value::is_string);
        match document.get("templates") {
            None | Some(Value::Null) => {}
            Some(Value::Mapping(templates))
                if templates.iter().all(|(key, value)| is_text(key) && is_template(value)) => {}
            Some(_) => return invalid("has `templates` that do not each name a `template`"),
        }
        let complete = document.get("properties").is_some_and(Value::is_mapping);
        let text = complete.then(|| text.to_owned());
        let mut metadata = Metadata { document, text };
        // LXD adds properties of its own without checking that there are any.
        if !complete {
            metadata.document.insert("properties".into(), Value::Mapping(Mapping::new()));
        }
        Ok(metadata)
    }

    /// Metadata with these values only. `created` is in seconds since 1970; 0 and negative ones count as 1, because LXD takes 0 for no
    /// date.
    #[must_use]
    pub fn new(architecture: Architecture, created: i64, properties: &BTreeMap<String, String>) -> Self {
        let properties = properties.iter().map(|(key, value)| (Value::from(&**key), Value::from(&**value)));
        let document = [
            ("architecture", Value::from(architecture.lxd())),
            ("creation_date", Value::from(created.max(1))),
            ("properties", Value::Mapping(properties.collect())),
        ];
        let document = document.into_iter().map(|(key, value)| (Value::from(key), value)).collect();
        Metadata { document, text: None }
    }

    /// Sets `architecture`.
    #[must_use]
    pub fn architecture(self, architecture: Architecture) -> Self {
        self.set("architecture", architecture.lxd().into())
    }

    /// Sets one of the `properties`.
    #[must_use]
    pub fn property(self, key: &str, value: &str) -> Self {
        let mut properties = self.document.get("properties").and_then(Value::as_mapping).cloned().unwrap_or_default();
        properties.insert(key.into(), value.into());
        self.set("properties", Value::Mapping(properties))
    }

    fn set(mut self, key: &str, value: Value) -> Self {
        if self.document.insert(key.into(), value.clone()) != Some(value) {
            self.text = None;
        }
        self
    }

    /// The `creation_date`, in seconds since 1970.
    #[must_use]
    pub fn created(&self) -> i64 {
        self.document.get("creation_date").and_then(Value::as_i64).unwrap_or(1)
    }

    /// The template files that `templates` names, as paths below `templates/`.
    pub(crate) fn templates(&self) -> impl Iterator<Item = &str> {
        let templates = self.document.get("templates").and_then(Value::as_mapping);
        templates.into_iter().flat_map(Mapping::values).filter_map(|template| template.get("template")?.as_str())
    }

    /// The text of the file.
    ///
    /// # Errors
    ///
    /// If the text is longer than [`LIMIT`](Self::LIMIT).
    pub fn text(&self) -> Result<String, InvalidMetadata> {
        let text = match &self.text {
            Some(text) => text.clone(),
            None => yaml_serde::to_string(&self.document)
                .map_err(|error| InvalidMetadata(format!("cannot be written as YAML: {error}")))?,
        };
        if text.len() > Metadata::LIMIT {
            return Err(InvalidMetadata("is larger than the 1 MiB that LXD and Incus read".to_owned()));
        }
        Ok(text)
    }
}

fn is_text(value: &Value) -> bool {
    value.is_string() || value.is_number() || value.is_bool()
}

/// Whether all keys are texts, at any depth. YAML allows others, which LXD does not read and some libraries cannot write.
fn has_plain_keys(value: &Value) -> bool {
    match value {
        Value::Sequence(values) => values.iter().all(has_plain_keys),
        Value::Mapping(values) => values.iter().all(|(key, value)| is_text(key) && has_plain_keys(value)),
        Value::Tagged(tagged) => has_plain_keys(&tagged.value),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_file_is_kept_byte_by_byte_until_something_is_set() {
        let text = "# made by hand\narchitecture:   x86_64\ncreation_date: 1458040200\nproperties: {os: 'Debian', release: 12}\n";
        let metadata = Metadata::parse(text.as_bytes()).unwrap();
        assert_eq!(metadata.text().as_deref(), Ok(text));
        assert_eq!(metadata.clone().architecture(Architecture::X86_64).text().as_deref(), Ok(text));
        let set = metadata.property("serial", "007").architecture(Architecture::Aarch64);
        let expected = "architecture: aarch64\ncreation_date: 1458040200\nproperties:\n  os: Debian\n  release: 12\n  serial: '007'\n";
        assert_eq!(set.text().as_deref(), Ok(expected));
    }

    #[test]
    fn properties_are_always_there() {
        for properties in ["", "properties:\n", "properties: {}\n", "properties: ~\n"] {
            let text = format!("architecture: x86_64\ncreation_date: 1\n{properties}");
            let text = Metadata::parse(text.as_bytes()).unwrap().text().unwrap();
            assert!(text.ends_with("properties: {}\n"), "{text}");
        }
    }

    #[test]
    fn a_text_that_lxd_refuses_is_refused_with_a_reason() {
        let whole = "architecture: x86_64\ncreation_date: 1458040200\n";
        for (text, reason) in [
            ("", "is not a YAML mapping"),
            ("just words", "is not a YAML mapping"),
            ("a: [", "is not YAML"),
            ("a: 1\na: 2", "is not YAML"),
            ("--- {}\n--- {}\n", "is not YAML"),
            ("architecture: x86_64", "has no `creation_date`"),
            ("creation_date: 5", "has no `architecture`"),
            ("architecture: ''\ncreation_date: 5", "has no `architecture`"),
            ("architecture: [x]\ncreation_date: 5", "has no `architecture`"),
            ("architecture: x86_64\ncreation_date: 0", "has no `creation_date`"),
            ("architecture: x86_64\ncreation_date: yesterday", "no number of seconds"),
            ("architecture: x86_64\ncreation_date: 1.5", "no number of seconds"),
            (&format!("{whole}expiry_date: never"), "`expiry_date`"),
            (&format!("{whole}properties: [a, b]"), "`properties`"),
            (&format!("{whole}properties: {{a: [b]}}"), "`properties`"),
            (&format!("{whole}templates: {{/etc/hostname: hostname.tpl}}"), "`templates`"),
            (&format!("{whole}#{}", "x".repeat(Metadata::LIMIT)), "larger than the 1 MiB"),
            (&format!("{whole}? {{a: b}}\n: c"), "has a key that is no text"),
            ("\u{1b}[31m: [", "is not YAML"),
        ] {
            let error = Metadata::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains(char::is_control), "{text}: {error}");
        }
        assert_eq!(Metadata::parse(b"\xff\xfe").unwrap_err().to_string(), "is no text");
    }

    #[test]
    fn a_text_that_grows_without_end_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            text += &format!("a{level}: &a{level} [{before}]\n");
        }
        assert!(Metadata::parse(text.as_bytes()).unwrap_err().to_string().contains("is not YAML"));
        let deep = "[".repeat(100_000);
        assert!(Metadata::parse(deep.as_bytes()).unwrap_err().to_string().contains("is not YAML"));
    }

    proptest! {
        #![proptest_config(testkit::cases::usually(256))]

        #[test]
        fn what_is_made_reads_back(
            created in any::<i64>(),
            properties in proptest::collection::btree_map(".{0,20}", ".{0,40}", 0..9),
        ) {
            let made = Metadata::new(Architecture::Armv7l, created, &properties);
            let read = Metadata::parse(made.text().unwrap().as_bytes()).unwrap();
            prop_assert_eq!(&read.document, &made.document);
            prop_assert_eq!(read.created(), created.max(1));
        }

        /// Any text is refused, or can be written and read back as the same document.
        #[test]
        fn no_text_does_harm(
            start in prop_oneof![Just(""), Just("architecture: x\ncreation_date: 3\n")],
            rest in proptest::collection::vec(prop_oneof![
                "[ -~\n]{0,12}", Just("properties:".to_owned()), Just("templates:\n".to_owned()),
                Just("\n  a: &x b".to_owned()), Just(" *x".to_owned()), Just("\n- ".to_owned()), Just("{".to_owned()),
                Just("}".to_owned()), Just("!!int ".to_owned()), Just("? ".to_owned()), Just(": ".to_owned()), Just("\t".to_owned()),
            ], 0..24),
        ) {
            if let Ok(metadata) = Metadata::parse(format!("{start}{}", rest.concat()).as_bytes()) {
                let set = metadata.property("k", "v");
                prop_assert_eq!(Metadata::parse(set.text().unwrap().as_bytes()).map(|read| read.document), Ok(set.document));
            }
        }
    }
}
