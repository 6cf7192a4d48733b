//! The report as one page: no script, nothing from a network, light or dark as the reader has it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::figures::bytes;
use super::markdown::disclosure;
use super::plots::Plot;
use super::{Table, svg};
use crate::record::Record;

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#fff;--ink:#1c2127;--soft:#5f6b7a;--line:#dde2e8;--panel:#f5f7f9;--one:#0b7a4b;--bad:#b3261e}\
@media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e8ebef;--soft:#9aa5b3;--line:#343b45;--panel:#1c2229;--one:#4cc38a;--bad:#ff8a80}}\
body{background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif;max-width:960px;margin:0 auto;padding:24px 20px 80px}\
h1{font-size:28px;line-height:1.2;margin:.4em 0}h2{font-size:20px;margin:2.2em 0 .4em}p,li{max-width:76ch}\
.soft{color:var(--soft)}.verdict{background:var(--panel);border-left:5px solid var(--one);padding:8px 20px;border-radius:4px}\
.verdict.bad{border-color:var(--bad)}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}\
th,td{padding:5px 12px 5px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}\
th{color:var(--soft);font-weight:500}td:first-child,th:first-child{text-align:left;white-space:normal;min-width:11em}tr.saved td{color:var(--one);font-weight:600;border-bottom-width:2px}\
figure{margin:1em 0 2.4em}figure svg{width:100%;min-width:640px;height:auto}figcaption{color:var(--soft);font-size:14px;max-width:84ch}\
code{font-size:13px;overflow-wrap:anywhere}dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;font-size:14px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}";

/// What can fool a reader of these figures; the long form is in `harness/METHODOLOGY.md`.
const THREATS: [&str; 5] = [
    "One machine. Ratios carry over to others better than times do; a slower disk makes two passes look worse, a faster one better.",
    "The page cache was warm: reading the tree from a cold disk would add the same to both strategies.",
    "Runs shorter than two seconds vary more from one to the next; the intervals are wider for them, and that is all that is done about it.",
    "Scratch space over time is seen on a filesystem that others may use as well; the peaks in the table are the packer's own account.",
    "The peers' tar has other bytes than ours (GNU format, blocked to 10 KiB); it holds the same files.",
];

/// The whole page.
pub(super) fn page(record: &Record, verdict: &[String], comparison: &Table, peers: &Table, plots: &[Plot]) -> String {
    let sound = record.run.complete && record.run.checks.iter().all(|check| check.holds);
    let subject = &record.run.subject;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "onepass: " (record.run.topic) ", " (record.run.date) }
                style { (PreEscaped(STYLE)) (PreEscaped(svg::STYLE)) }
            }
            body {
                p.soft { "onepass bench · " (record.run.date) " · " (record.run.topic) }
                h1 { "What one stream saves over two passes" }
                p {
                    "A root filesystem is packed into a compressed tar that is named by the sha256 of its bytes. " b { "Two passes" }
                    " write the tar to a temporary file, then read it back and compress it. " b { "One stream" }
                    " compresses while it reads: no temporary file. Here both pack the same tree: " (marked(&subject.name)) ", "
                    (subject.entries) " entries, a tar of " (bytes(subject.tar_size)) "."
                }
                div class={ "verdict" @if !sound { " bad" } } { ul { @for sentence in verdict { li { (marked(sentence)) } } } }
                h2 { "Two passes and one stream" }
                (table(comparison))
                p.soft {
                    "Ratio: time of single-stream ÷ time of two-pass, from pairs of adjacent runs. Scratch peak, bytes written and \
                     memory are the most of all runs; a difference below zero is what one stream saves. Without compression (none) there is nothing to do in a second pass, and the two are the same pass."
                }
                @for plot in plots {
                    h2 { (plot.title) }
                    figure { div.wide { (PreEscaped(plot.svg.inline(plot.title))) } figcaption { (marked(&plot.caption)) } }
                    @if plot.file == "throughput.svg" { (table(peers)) }
                }
                h2 { "What was verified before anything was timed" }
                ul { @for check in &record.run.checks {
                    li { b { @if check.holds { "Holds: " } @else { "Does not hold: " } } (check.law) ". " span.soft { (check.detail) } }
                } }
                h2 { "What could fool you" }
                ul { @for threat in THREATS { li { (threat) } } }
                h2 { "With what" }
                dl { @for (what, value) in disclosure(record) { dt { (what) } dd { (value) } } }
                h2 { "The exact commands" }
                p { "onepass: " code { "onepass pack $ROOTFS --output $OUT --compression SPEC --strategy STRATEGY --threads N --json" } }
                p { "The peers, run by " code { "bash -o pipefail -c" } ":" }
                ul { @for peer in &record.run.peers { li { (peer.name) ": " code { (peer.script) } } } }
                p.soft { "Every sample is in " code { "samples.jsonl" } ", everything else in " code { "run.json" } "; this page was made from those two." }
            }
        }
    };
    page.into_string()
}

/// Text in which what stands between backticks is code.
fn marked(text: &str) -> Markup {
    html! {
        @for (number, part) in text.split('`').enumerate() {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

fn table(table: &Table) -> Markup {
    html! {
        div.wide { table {
            thead { tr { @for cell in &table.head { th { (cell) } } } }
            tbody { @for row in &table.rows {
                tr.saved[row[0].trim() == "difference"] { @for cell in row { td { (cell.trim()) } } }
            } }
        } }
    }
}
