//! The report as Markdown.

use std::fmt::Write;

use super::{Report, Table, figures::bytes};
use crate::record::Record;

/// The whole page.
pub(super) fn page(record: &Record, verdict: &[String], comparison: &Table, peers: &Table) -> String {
    let mut page = format!("# {}: {}\n\n", record.run.date, record.run.topic);
    for sentence in verdict {
        let _ = writeln!(page, "* {sentence}");
    }
    let subject = &record.run.subject;
    let _ = write!(
        page,
        "\nThe tree: {}, {} entries, a tar of {} (sha256 `{}`). The page with plots is `report.html`.\n\n## Two passes and one stream\n\n{}\n",
        subject.name,
        subject.entries,
        bytes(subject.tar_size),
        subject.diff_id,
        table(comparison)
    );
    let _ = write!(
        page,
        "Ratio: time of single-stream ÷ time of two-pass. Memory, scratch and bytes are the most of all runs.\n\n"
    );
    let _ = write!(page, "## Other tools\n\n{}\n", table(peers));
    let _ = write!(page, "## What was verified\n\n");
    for check in &record.run.checks {
        let _ = writeln!(
            page,
            "* {}: {} ({})",
            if check.holds { "holds" } else { "DOES NOT HOLD" },
            check.law,
            check.detail
        );
    }
    let _ = write!(page, "\n## With what\n\n");
    for (what, value) in disclosure(record) {
        let _ = writeln!(page, "* {what}: {value}");
    }
    let _ = write!(page, "\nThe peers, run by `bash -o pipefail -c`:\n\n");
    for peer in &record.run.peers {
        let _ = writeln!(page, "* {}: `{}`", peer.name, peer.script);
    }
    page
}

/// The machine and the tools.
pub(super) fn disclosure(record: &Record) -> Vec<(String, String)> {
    let environment = &record.run.environment;
    let mut facts = vec![
        ("processor".to_owned(), format!("{}, {} cores", environment.processor, environment.cores)),
        ("memory".into(), bytes(environment.memory)),
        ("system".into(), environment.system.clone()),
        ("filesystem of the images".into(), environment.filesystem.clone()),
        ("onepass".into(), environment.revision.clone()),
        ("compiler".into(), environment.rustc.clone()),
        (
            "runs".into(),
            format!(
                "suite {}, {} pairs for each case, shuffled with seed {}",
                record.run.suite, record.run.pairs, record.run.seed
            ),
        ),
    ];
    let encoders = record.samples.iter().filter_map(|sample| sample.pack.as_ref()).flat_map(|pack| &pack.encoders);
    let mut encoders: Vec<String> = encoders.map(|encoder| format!("{} ({})", encoder.version, encoder.name)).collect();
    encoders.sort();
    encoders.dedup();
    facts.push(("encoders".into(), encoders.join("; ")));
    facts.extend(environment.tools.iter().map(|(tool, version)| (tool.clone(), version.clone())));
    facts
}

pub(super) fn table(table: &Table) -> String {
    let cell = |cell: &String| cell.trim().replace('|', "\\|");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    let mut text = line(&table.head);
    text += &format!("|{}\n", "---|".repeat(table.head.len()));
    table.rows.iter().for_each(|row| text += &line(row));
    text
}

/// What the README shows of a run.
pub(super) fn excerpt(record: &Record, report: &Report, directory: &str) -> String {
    let subject = &record.run.subject;
    let environment = &record.run.environment;
    let mut text = format!(
        "Measured on {} ({} entries, a tar of {}), {} with {} cores, {}; every sample is in [`{directory}`]({directory}).\n\n",
        subject.name,
        subject.entries,
        bytes(subject.tar_size),
        environment.processor,
        environment.cores,
        environment.system
    );
    for sentence in &report.verdict {
        let _ = writeln!(text, "* {sentence}");
    }
    let _ = write!(text, "\n{}\n{}\n", table(&report.comparison), table(&report.peers));
    let _ = write!(
        text,
        "![Scratch space over time]({directory}/scratch.svg)\n\n![Time, one stream against two passes]({directory}/time.svg)\n"
    );
    text
}
