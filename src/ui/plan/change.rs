//! What is shown of one change, before any drawing.

use serde_json::Value;

use super::value;
use crate::plan::{Action, Change, FieldChange, Reason};
use crate::resource::{Addr, Resource, tags};
use crate::ui::diff::{self, Line};
use crate::ui::size;

/// `before -> after` stays on one line up to this many characters.
const ONE_LINE: usize = 96;

/// One change as it is shown.
#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) action: Action,
    pub(super) addr: &'a Addr,
    pub(super) noun: &'static str,
    pub(super) reason: &'a Reason,
    pub(super) items: Vec<Item>,
}

/// One line, or one text, below a change.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// `cidr: 10.0.0.0/16, zone: a`: fields of what is created, a name and a value each.
    Fields(Vec<(String, String)>),
    /// One field that differs; absent values are not there.
    Leaf { path: String, before: Option<String>, after: Option<String>, forces: bool },
    /// A text that differs, line by line.
    Text { path: String, lines: Vec<Line>, forces: bool },
    /// A text that comes as a whole.
    Whole { path: String, text: String },
    /// The AWS id of what goes.
    Id(String),
    /// What is lost for good.
    Losing(&'static str),
    /// This many fields stay as they are.
    Unchanged(usize),
}

impl<'a> Block<'a> {
    pub(super) fn of(change: &'a Change, full: bool) -> Self {
        let rules = change.addr.kind.rules();
        let mut items = match (&change.action, &change.desired) {
            (Action::Create, Some(desired)) => created(desired, rules.text, full),
            (Action::Delete, _) => Vec::new(),
            _ => differing(change, rules.text),
        };
        if change.action.destroys() {
            if let (Action::Delete, Some(live)) = (change.action, &change.live) {
                // Where AWS uses names for ids, the address has said it.
                if !change.addr.name.contains(&live.id) {
                    items.push(Item::Id(live.id.clone()));
                }
            }
            items.extend(rules.loses_data.map(Item::Losing));
        }
        if change.unchanged > 0 && change.action != Action::Create {
            items.push(Item::Unchanged(change.unchanged));
        }
        Block { action: change.action, addr: &change.addr, noun: rules.noun, reason: &change.reason, items }
    }
}

/// The fields of something new: the simple ones together, then lists and the like one by one, texts last.
fn created(desired: &Resource, text: &[&str], full: bool) -> Vec<Item> {
    let mut value = desired.to_value();
    let texts: Vec<(String, String)> = text
        .iter()
        .filter_map(|path| Some(((*path).to_owned(), value::take(&mut value, path)?)))
        .filter(|(_, text)| !value::is_blank(text))
        .map(|(path, text)| (path, value::lines(&text)))
        .collect();
    let (mut simple, mut long) = (Vec::new(), Vec::new());
    for (name, field) in value.as_object().into_iter().flatten() {
        if full || !value::is_blank(field) {
            let shown = if name == "tags" && !full { own_tags(field) } else { Some(value::flat(field)) };
            let Some(shown) = shown else { continue };
            let list = if shown.contains(", ") { &mut long } else { &mut simple };
            list.push((name.clone(), shown));
        }
    }
    let mut items: Vec<Item> = [simple].into_iter().filter(|s| !s.is_empty()).map(Item::Fields).collect();
    items.extend(long.into_iter().map(|field| Item::Fields(vec![field])));
    items.extend(texts.into_iter().map(|(path, text)| {
        if full {
            return Item::Whole { path, text };
        }
        let (lines, bytes) = (size::count(text.lines().count(), "line"), size::bytes(text.len() as u64));
        Item::Fields(vec![(path, format!("{lines}, {bytes} (-v shows it)"))])
    }));
    items
}

/// The tags without those that everything of the cluster has.
fn own_tags(field: &Value) -> Option<String> {
    let common = |key: &str| {
        [tags::NAME, tags::CLUSTER, tags::KUBERNETES_CLUSTER].contains(&key) || key.starts_with(&tags::ownership(""))
    };
    let own = field.as_object()?.iter().filter(|(k, _)| !common(k)).map(|(k, v)| (k.clone(), v.clone()));
    let own = Value::Object(own.collect());
    (!value::is_blank(&own)).then(|| value::flat(&own))
}

/// The fields that differ; those below a text field as one line diff of the text.
fn differing(change: &Change, text: &[&str]) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut texts_done: Vec<&str> = Vec::new();
    for field in &change.fields {
        let top = text
            .iter()
            .copied()
            .find(|t| field.path.strip_prefix(t).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')));
        match top {
            Some(path) if texts_done.contains(&path) => {}
            Some(path) => {
                texts_done.push(path);
                let at = |r: Option<&Resource>| r.map(|r| value::lines(&value::at(&r.to_value(), path)));
                let before = at(change.live.as_ref().map(|l| &l.resource)).unwrap_or_default();
                let after = at(change.desired.as_ref()).unwrap_or_default();
                items.push(text_item(path, &before, &after, field.forces_replacement));
            }
            None => items.push(leaf(field)),
        }
    }
    items
}

fn leaf(field: &FieldChange) -> Item {
    let FieldChange { path, before, after, forces_replacement: forces } = field;
    let shown = |v: &Option<Value>| v.as_ref().map(value::flat);
    let (old, new) = (shown(before), shown(after));
    let length = |v: &Option<String>| v.as_ref().map_or(0, |v| v.chars().count());
    let many_lines = [before, after].into_iter().flatten().any(|v| v.as_str().is_some_and(|s| s.contains('\n')));
    if many_lines || path.len() + length(&old) + length(&new) > ONE_LINE {
        let text = |v: &Option<Value>| v.as_ref().map(value::lines).unwrap_or_default();
        return text_item(path, &text(before), &text(after), *forces);
    }
    Item::Leaf { path: path.clone(), before: old, after: new, forces: *forces }
}

fn text_item(path: &str, before: &str, after: &str, forces: bool) -> Item {
    Item::Text { path: path.to_owned(), lines: diff::lines(before, after), forces }
}
