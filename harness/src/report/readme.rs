//! The part of the README that is made from a record: a chart, where it was measured, three sentences, and a table of factors.

use std::cmp::Ordering;

use super::pipelines::short;
use super::tables::Table;
use super::{markdown, verdict};
use crate::format::{bytes, change};
use crate::plan::PeerKind;
use crate::record::{Record, Role, StrategyComparison};
use crate::stats::{comparisons, peer_lines};

/// The text, with links to `directory` as it is written in the README.
pub(super) fn excerpt(record: &Record, directory: &str) -> String {
    if !record.run.complete || record.run.checks.iter().any(|check| !check.holds) {
        return markdown::list(&verdict::sentences(record));
    }
    let (subject, environment) = (&record.run.subject, &record.run.environment);
    let found = comparisons(record);
    let compressing: Vec<&StrategyComparison> = found.iter().filter(|case| !case.case.starts_with("none")).collect();
    let sentences =
        [Some(same(record)), verdict::disk(&compressing).map(|text| bold(&text)), Some(strategies(&compressing))];
    let bullets: String = sentences.into_iter().flatten().map(|sentence| format!("* {sentence}\n")).collect();
    let factors = factors(record).map_or_else(String::new, |table| format!("\n{table}"));
    format!(
        "![onepass and the usual pipelines: time and disk]({directory}/pipelines.svg)\n\n\
         *Measured on {}, revision {}, with {}: {} entries, a tar of {}, in the page cache; {}, {} cores, {}. \
         [The whole report]({directory}/report.md).*\n\n{bullets}{factors}",
        record.run.date,
        environment.revision.chars().take(12).collect::<String>(),
        subject.name,
        grouped(subject.entries),
        bytes(subject.tar_size),
        environment.processor,
        environment.cores,
        environment.system,
    )
}

fn same(record: &Record) -> String {
    let mut threads: Vec<usize> = record.run.cases.iter().map(|case| case.threads).collect();
    threads.sort_unstable();
    threads.dedup();
    let threads: Vec<String> = threads.iter().map(ToString::to_string).collect();
    let timed = record.samples.iter().filter(|sample| sample.role == Role::Measure && sample.pack.is_some()).count();
    // The claim has a sentence of its own.
    let checks = record.run.checks.iter().filter(|check| !check.law.starts_with("one stream is ")).count();
    format!(
        "**The same bytes.** One stream and two passes make the same image, byte for byte, with {} threads and every \
         compression, in all {timed} timed runs. {checks} checks of bytes, content, reads and writes hold.",
        threads.join(" and "),
    )
}

/// How many times as fast ours is as each pipeline of the chart, with all cores and with one thread.
fn factors(record: &Record) -> Option<String> {
    let lines = peer_lines(record).into_iter().filter(|line| line.peer.kind() == PeerKind::Pipeline);
    let rows: Vec<[String; 3]> = lines
        .filter_map(|line| {
            let one = line.one.map_or_else(String::new, |one| one.ratio.factor());
            Some([format!("`{}`", short(&line.peer.title)), line.all?.ratio.factor(), one])
        })
        .collect();
    // Older records have the other tool with all cores only.
    let is_pinned = record.run.peers.iter().any(|peer| peer.parallelism.is_some());
    let one = if is_pinned { "with one thread on both sides" } else { "onepass with one thread" };
    let all = format!("with {} cores", record.run.environment.cores);
    let head = ["How many times as fast onepass is [95 %]", &*all, one];
    (!rows.is_empty()).then(|| markdown::table(&Table::new(head, rows)))
}

/// What one stream saves of the time of our own two passes.
fn strategies(compressing: &[&StrategyComparison]) -> String {
    let (decided, open): (Vec<&StrategyComparison>, Vec<&StrategyComparison>) =
        compressing.iter().partition(|found| found.ratio.confidence >= 0.95 && found.ratio.side() != Ordering::Equal);
    let one = |found: &&StrategyComparison| {
        let ratio = &found.ratio;
        format!("{} with {} [{}, {}]", change(ratio.value), found.case, change(ratio.low), change(ratio.high))
    };
    let decided: Vec<String> = decided.iter().map(one).collect();
    let told = if decided.is_empty() { "no case differs surely".to_owned() } else { decided.join(", ") };
    let open = match open.len() {
        0 => String::new(),
        count => format!("; {count} of {} cases are undecided", compressing.len()),
    };
    format!("**Time.** One stream beside onepass's own two passes: {told}{open}.")
}

/// `Disk: …` as `**Disk.** …`.
fn bold(sentence: &str) -> String {
    match sentence.split_once(": ") {
        Some((what, rest)) => {
            let mut letters = rest.chars();
            let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
            format!("**{what}.** {first}{}", letters.as_str())
        }
        None => sentence.to_owned(),
    }
}

/// `68,524`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!([0, 999, 1_000, 68_524, 1_000_000].map(grouped), ["0", "999", "1,000", "68,524", "1,000,000"]);
    }

    #[test]
    fn the_first_word_of_a_sentence_is_its_subject() {
        assert_eq!(bold("Disk: one stream needs less."), "**Disk.** One stream needs less.");
    }
}
