//! JSON Schemas of the records, made from the types that write and read them.

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Value, json};

use crate::gate::{calibration, gate_run};
use crate::record;

/// The schemas: for each file of a record, the name of its schema's file and the text. `samples.json` is of one line of
/// `samples.jsonl`.
///
/// A field that is not in older records is not required. A field that this revision does not know is an error.
#[must_use]
pub fn all() -> [(&'static str, String); 5] {
    [
        ("calibration.json", text::<calibration::Calibration>("calibration.json", calibration::SCHEMA)),
        ("gate.json", text::<gate_run::GateRun>("gate.json", gate_run::SCHEMA)),
        ("run.json", text::<record::Run>("run.json", record::SCHEMA)),
        ("samples.json", text::<record::Sample>("a line of samples.jsonl", record::SCHEMA)),
        ("study.json", text::<record::Study>("study.json", record::STUDY_SCHEMA)),
    ]
}

/// The schema of a type, which has a field `schema` of this version.
fn text<Of: JsonSchema>(what: &str, version: u32) -> String {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<Of>();
    RecursiveTransform(strict).transform(&mut schema);
    schema.insert("title".into(), format!("onepass: {what}, schema {version}").into());
    if let Some(field) = schema.pointer_mut("/properties/schema") {
        *field = json!({ "description": "The version of this schema.", "const": version });
    }
    format!("{:#}\n", schema.as_value())
}

/// Forbids unknown fields, and writes code in descriptions as JSON's readers expect it: not as a link.
fn strict(schema: &mut Schema) {
    if schema.get("properties").is_some() {
        schema.insert("additionalProperties".into(), false.into());
    }
    if let Some(Value::String(description)) = schema.get_mut("description") {
        *description = description.replace("[`", "`").replace("`]", "`");
    }
}
