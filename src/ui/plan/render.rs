//! Draws what `change` computed.

use super::change::{Block, Item};
use crate::plan::Action;
use crate::ui::diff::Line;
use crate::ui::{Role, size};

/// Where lists of values are broken, unless the terminal is narrower.
pub(super) const WIDTH: usize = 110;

/// How far the fields of a change stand to the right: below the address, whatever the sign before it.
const INDENT: &str = "      ";

/// A change with everything below it, its lists broken at `width` columns.
pub(super) fn block(block: &Block<'_>, width: usize) -> String {
    let (sign, name) = (role(block.action).paint(format!("{:>3}", block.action.symbol())), &block.addr);
    let how = match block.action {
        Action::DeleteThenCreate => " (old one goes first)",
        Action::CreateThenDelete => " (new one comes first)",
        _ => "",
    };
    let why = Role::Dim.paint(format!("{}: {}{how}", block.noun, block.reason));
    let mut text = format!("{sign} {}  {why}\n", Role::Name.paint(name));
    for item in &block.items {
        for line in item_lines(item, width) {
            text.push_str(&format!("{INDENT}{line}\n"));
        }
    }
    text
}

fn role(action: Action) -> Role {
    match action {
        Action::Create => Role::Add,
        Action::Update => Role::Change,
        _ => Role::Delete,
    }
}

fn item_lines(item: &Item, width: usize) -> Vec<String> {
    match item {
        Item::Fields(fields) => {
            let all: Vec<String> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            wrapped(&all.join(", "), width.saturating_sub(INDENT.len()))
        }
        Item::Leaf { path, before, after, forces } => {
            vec![format!("{}{}", leaf(path, before.as_deref(), after.as_deref()), forcing(*forces))]
        }
        Item::Text { path, lines, forces } => {
            let mut text = vec![format!("{path}: {}{}", counted(lines), forcing(*forces))];
            text.extend(lines.iter().map(diff_line));
            text
        }
        Item::Whole { path, text } => {
            let mut all = vec![format!("{path}:")];
            all.extend(text.lines().map(|l| Role::Add.paint(format!("  + {}", printable(l))).to_string()));
            all
        }
        Item::Id(id) => vec![format!("id: {id}")],
        Item::Losing(what) => vec![Role::Delete.paint(format!("losing: {what}")).to_string()],
        Item::Unchanged(n) => vec![Role::Dim.paint(format!("{} unchanged", size::count(*n, "field"))).to_string()],
    }
}

fn leaf(path: &str, before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (Some(b), Some(a)) => {
            format!("{path}: {} {} {}", Role::Delete.paint(b), Role::Dim.paint("->"), Role::Add.paint(a))
        }
        (None, Some(a)) => format!("{} {path}: {}", Role::Add.paint("+"), Role::Add.paint(a)),
        (Some(b), None) => format!("{} {path}: {}", Role::Delete.paint("-"), Role::Delete.paint(b)),
        (None, None) => path.to_owned(),
    }
}

fn forcing(forces: bool) -> String {
    if forces { format!("  {}", Role::Delete.paint("(forces replacement)")) } else { String::new() }
}

fn counted(lines: &[Line]) -> String {
    let added = lines.iter().filter(|l| matches!(l, Line::Added(_))).count();
    let removed = lines.iter().filter(|l| matches!(l, Line::Removed(_))).count();
    format!("{} added, {removed} removed", size::count(added, "line"))
}

fn diff_line(line: &Line) -> String {
    match line {
        Line::Removed(text) => Role::Delete.paint(format!("  - {}", printable(text))).to_string(),
        Line::Added(text) => Role::Add.paint(format!("  + {}", printable(text))).to_string(),
        Line::Same(text) => format!("    {}", printable(text)),
        Line::Gap(n) => Role::Dim.paint(format!("    ... {}", size::count(*n, "line"))).to_string(),
    }
}

/// The line without characters that play tricks with the terminal.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

/// The text broken after commas; further lines stand a little to the right.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut length = 0;
    for (n, part) in text.split(", ").enumerate() {
        let part_length = part.chars().count() + 2;
        if n > 0 && length + part_length > width {
            if let Some(full) = lines.last_mut() {
                full.push(',');
            }
            lines.push("  ".to_owned());
            length = 2;
        } else if let Some(open) = lines.last_mut().filter(|_| n > 0) {
            open.push_str(", ");
        }
        if let Some(open) = lines.last_mut() {
            open.push_str(part);
        }
        length += part_length;
    }
    lines
}
