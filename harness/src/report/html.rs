//! A page as HTML: no script, nothing from a network, light or dark as the reader has it.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::page::{Block, Page};
use super::{Table, svg};

const STYLE: &str = "\
:root{color-scheme:light dark;--page:#fff;--ink:#1c2127;--soft:#5f6b7a;--line:#dde2e8;--panel:#f5f7f9;--one:#0b7a4b;--bad:#b3261e}\
@media (prefers-color-scheme:dark){:root{--page:#14181d;--ink:#e8ebef;--soft:#9aa5b3;--line:#343b45;--panel:#1c2229;--one:#4cc38a;--bad:#ff8a80}}\
body{background:var(--page);color:var(--ink);font:16px/1.55 system-ui,sans-serif;max-width:960px;margin:0 auto;padding:24px 20px 80px}\
h1{font-size:28px;line-height:1.2;margin:.4em 0}h2{font-size:20px;margin:2.2em 0 .4em}p,li{max-width:76ch}ul{padding-left:20px}\
.soft{color:var(--soft)}.verdict{background:var(--panel);border-left:5px solid var(--one);padding:8px 20px;border-radius:4px}\
.verdict.bad{border-color:var(--bad)}.wide{overflow-x:auto}table{border-collapse:collapse;font-size:14px;font-variant-numeric:tabular-nums}\
th,td{padding:5px 12px 5px 0;text-align:right;white-space:nowrap;border-bottom:1px solid var(--line)}\
th{color:var(--soft);font-weight:500}td:first-child,th:first-child{text-align:left;white-space:normal;min-width:11em}tr.difference td{font-weight:600;border-bottom-width:2px}\
figure{margin:1em 0 2.4em}figure svg{width:100%;min-width:640px;height:auto}figcaption{color:var(--soft);font-size:14px;max-width:84ch}\
code{font-size:13px;overflow-wrap:anywhere}dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;font-size:14px}dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}";

/// The whole page.
pub(super) fn page(page: &Page) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (page.name) }
                style { (PreEscaped(STYLE)) (PreEscaped(svg::STYLE)) }
            }
            body {
                p.soft { (page.name) }
                h1 { (page.title) }
                @if let Some(banner) = &page.banner { div class="verdict bad" { p { strong { (marked(banner)) } } } }
                p { (marked(&page.opening)) }
                div class={ "verdict" @if !page.sound { " bad" } } { (list(&page.verdict)) }
                @for section in &page.sections {
                    h2 { (section.heading) }
                    @for block in &section.blocks { (self::block(block)) }
                }
            }
        }
    };
    page.into_string()
}

fn block(block: &Block) -> Markup {
    html! {
        @match block {
            Block::Text(text) => p.soft { (marked(text)) },
            Block::Table(rows) => (table(rows)),
            Block::List(items) => (list(items)),
            Block::Facts(facts) => dl { @for (what, value) in facts { dt { (what) } dd { (value) } } },
            Block::Plot(plot) => figure {
                div.wide { (PreEscaped(plot.svg.inline(plot.title))) }
                figcaption { (marked(&plot.caption)) }
            },
        }
    }
}

fn list(items: &[String]) -> Markup {
    html! { ul { @for item in items { li { (marked(item)) } } } }
}

/// Text with code between backticks.
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
                tr.difference[row[0].trim() == "difference"] { @for cell in row { td { (cell.trim()) } } }
            } }
        } }
    }
}
