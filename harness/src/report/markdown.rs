//! A page as Markdown.

use std::fmt::Write;

use super::Table;
use super::page::{Block, Page};

/// The whole page.
pub(super) fn page(page: &Page) -> String {
    let banner = page.banner.as_ref().map_or_else(String::new, |banner| format!("> **{banner}**\n\n"));
    let mut text = format!("# {}\n\n{banner}{}\n\n{}", page.title, page.opening, list(&page.verdict));
    for section in &page.sections {
        let _ = write!(text, "\n## {}\n", section.heading);
        for block in &section.blocks {
            let _ = write!(text, "\n{}", self::block(block));
        }
    }
    text
}

fn block(block: &Block) -> String {
    match block {
        Block::Text(text) => format!("{text}\n"),
        Block::Table(rows) => table(rows),
        Block::List(items) => list(items),
        Block::Facts(facts) => facts.iter().map(|(what, value)| format!("* {what}: {value}\n")).collect(),
        Block::Plot(plot) => format!("![{}]({})\n\n{}\n", plot.title, plot.file, plot.caption),
    }
}

pub(super) fn list(items: &[String]) -> String {
    items.iter().map(|item| format!("* {item}\n")).collect()
}

pub(super) fn table(table: &Table) -> String {
    let cell = |cell: &String| cell.trim().replace('|', "\\|");
    let line = |cells: &[String]| format!("| {} |\n", cells.iter().map(cell).collect::<Vec<_>>().join(" | "));
    let mut text = line(&table.head);
    text += &format!("|{}\n", "---|".repeat(table.head.len()));
    table.rows.iter().for_each(|row| text += &line(row));
    text
}
