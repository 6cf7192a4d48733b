//! The provenance of figures: machine, tools, command.

use super::page::Block;
use crate::format::bytes;
use crate::record::Sample;
use crate::run::Environment;

/// Where everything is.
pub(super) const SOURCES: &str =
    "Every sample is in `samples.jsonl`, everything else in the `.json` beside it; this page was made from those two.";

/// The command that made the record, if that knows it.
pub(super) fn asked(command: &str) -> Vec<Block> {
    let told = || Block::Text(format!("This record: `{command}`, at the revision above."));
    if command.is_empty() { Vec::new() } else { vec![told()] }
}

/// The machine and the tools. `runs` describes the runs.
pub(super) fn facts(environment: &Environment, samples: &[Sample], runs: String) -> Vec<(String, String)> {
    let mut facts = vec![
        ("processor".to_owned(), format!("{}, {} cores", environment.processor, environment.cores)),
        ("memory".into(), bytes(environment.memory)),
        ("system".into(), environment.system.clone()),
        ("filesystem of the images".into(), environment.filesystem.clone()),
        ("onepass".into(), environment.revision.clone()),
        ("compiler".into(), environment.rustc.clone()),
        ("runs".into(), runs),
    ];
    let encoders = samples.iter().filter_map(|sample| sample.pack.as_ref()).flat_map(|pack| &pack.encoders);
    let mut encoders: Vec<String> = encoders.map(|encoder| format!("{} ({})", encoder.version, encoder.name)).collect();
    encoders.sort();
    encoders.dedup();
    facts.push(("encoders".into(), encoders.join("; ")));
    facts.extend(environment.tools.iter().map(|(tool, version)| (tool.clone(), version.clone())));
    facts
}
