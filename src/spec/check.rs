//! Checks a YAML tree against a shape: every unknown field, wrong type and bad value, each where it stands, and the
//! JSON value of what is right.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::error::did_you_mean;

use super::format::format;
use super::meaningless;
use super::object::Kind;
use super::path;
use super::shape::{Field, Shape};
use super::yaml::{Content, Entry, Mark, Node};

/// A problem at a place in the text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Finding {
    pub(crate) mark: Mark,
    pub(crate) path: String,
    pub(crate) message: String,
    pub(crate) expected: Option<String>,
}

/// Walks a tree; findings and positions gather on the way.
pub(crate) struct Checker {
    kind: Kind,
    /// What is wrong.
    pub(crate) findings: Vec<Finding>,
    /// Where each field stands.
    pub(crate) positions: BTreeMap<String, Mark>,
}

impl Checker {
    pub(crate) fn new(kind: Kind) -> Self {
        Checker { kind, findings: Vec::new(), positions: BTreeMap::new() }
    }

    /// The JSON value of a node, as far as it fits the shape; a finding for everything that does not.
    pub(crate) fn value(&mut self, node: &Node, shape: &Shape, at: &str) -> Option<Value> {
        self.positions.entry(at.to_owned()).or_insert(node.mark);
        match (shape, &node.content) {
            (Shape::Block(fields), Content::Map(entries)) => Some(self.block(node, fields, entries, at)),
            (Shape::Map(of), Content::Map(entries)) => Some(self.map(of, entries, at)),
            (Shape::List(of), Content::Seq(items)) => Some(self.list(of, items, at)),
            (Shape::Block(_) | Shape::Map(_) | Shape::List(_), _) => self.mismatch(node, shape, at),
            (_, Content::Scalar { text, plain }) => match scalar(shape, text, *plain) {
                Ok(value) => Some(value),
                Err((message, expected)) => {
                    self.find(node.mark, at, message, expected);
                    None
                }
            },
            _ => self.mismatch(node, shape, at),
        }
    }

    fn block(&mut self, node: &Node, fields: &[Field], entries: &[Entry], at: &str) -> Value {
        let mut object = Map::new();
        for entry in self.unique(entries, at) {
            let here = path::child(at, &entry.key);
            let Some(field) = fields.iter().find(|f| f.name == entry.key) else {
                self.unknown(entry, fields, &here);
                continue;
            };
            self.positions.insert(here.clone(), entry.key_mark);
            if entry.value.is_null() && !field.required {
                continue;
            }
            if let Some(value) = self.value(&entry.value, &field.shape, &here) {
                object.insert(entry.key.clone(), value);
            }
        }
        for field in fields.iter().filter(|f| f.required && !entries.iter().any(|e| e.key == f.name)) {
            let expected = match &field.shape {
                Shape::Block(_) => wanted(&field.shape),
                _ => first_sentence(&field.doc),
            };
            self.find(node.mark, &path::child(at, &field.name), format!("{} is missing", field.name), Some(expected));
        }
        Value::Object(object)
    }

    fn map(&mut self, of: &Shape, entries: &[Entry], at: &str) -> Value {
        let mut object = Map::new();
        for entry in self.unique(entries, at) {
            let here = path::child(at, &entry.key);
            self.positions.insert(here.clone(), entry.key_mark);
            if let Some(value) = self.value(&entry.value, of, &here) {
                object.insert(entry.key.clone(), value);
            }
        }
        Value::Object(object)
    }

    fn list(&mut self, of: &Shape, items: &[Node], at: &str) -> Value {
        let items = items.iter().enumerate();
        Value::Array(items.filter_map(|(i, item)| self.value(item, of, &path::item(at, i))).collect())
    }

    /// The entries whose key stands for the first time; a finding for each repeated one.
    fn unique<'e>(&mut self, entries: &'e [Entry], at: &str) -> Vec<&'e Entry> {
        let mut seen: BTreeMap<&str, Mark> = BTreeMap::new();
        let mut first = Vec::new();
        for entry in entries {
            match seen.get(entry.key.as_str()) {
                Some(mark) => {
                    let message = format!("{} stands here again, first on line {}", entry.key, mark.line);
                    self.find(entry.key_mark, &path::child(at, &entry.key), message, None);
                }
                None => {
                    seen.insert(&entry.key, entry.key_mark);
                    first.push(entry);
                }
            }
        }
        first
    }

    fn unknown(&mut self, entry: &Entry, fields: &[Field], here: &str) {
        let names = fields.iter().map(|f| f.name.as_str());
        let pattern = path::pattern(here);
        let (message, expected) = if let Some(name) = meaningless::renamed(self.kind, &pattern) {
            (format!("unknown field {}, it is called {name} here", entry.key), None)
        } else if let Some(advice) = meaningless::advice(self.kind, &pattern) {
            (format!("{} has no meaning here: {advice}", entry.key), None)
        } else if let Some(near) = did_you_mean(&entry.key, names) {
            (format!("unknown field {}, did you mean {near}", entry.key), None)
        } else {
            (format!("unknown field {}", entry.key), Some(known(fields)))
        };
        self.find(entry.key_mark, here, message, expected);
    }

    fn mismatch(&mut self, node: &Node, shape: &Shape, at: &str) -> Option<Value> {
        let found = match &node.content {
            Content::Scalar { .. } if node.is_null() => "found nothing".to_owned(),
            Content::Scalar { text, .. } => format!("found {text:?}"),
            Content::Seq(_) => "found a list".to_owned(),
            Content::Map(_) => "found a block of fields".to_owned(),
        };
        self.find(node.mark, at, found, Some(wanted(shape)));
        None
    }

    fn find(&mut self, mark: Mark, at: &str, message: String, expected: Option<String>) {
        self.findings.push(Finding { mark, path: at.to_owned(), message, expected });
    }
}

/// The JSON value of a scalar's text, or what is wrong and what would be right.
pub(crate) fn scalar(shape: &Shape, text: &str, plain: bool) -> Result<Value, (String, Option<String>)> {
    let wrong = || Err((format!("{text:?} is not {}", wanted(shape)), None));
    match shape {
        Shape::Flag => match text {
            "true" | "false" if plain => Ok(Value::Bool(text == "true")),
            "true" | "false" => Err((format!("{text:?} is a string here"), Some(format!("{text} without quotes")))),
            _ => wrong(),
        },
        Shape::Integer { min, max } => match text.parse::<i64>() {
            Ok(_) if !plain => Err((format!("{text:?} is a string here"), Some(format!("{text} without quotes")))),
            Ok(n) if (*min..=*max).contains(&n) => Ok(n.into()),
            Ok(n) if n < *min => Err((format!("{n} is too small"), Some(format!("{min} or more")))),
            Ok(n) => Err((format!("{n} is too large"), Some(format!("{max} or less")))),
            Err(_) => wrong(),
        },
        Shape::Number => match text.parse::<f64>() {
            Ok(n) if plain && n.is_finite() => Ok(n.into()),
            _ => wrong(),
        },
        Shape::Choice(words) => choice(words, text),
        Shape::Text { format: Some(name), .. } => match format(name).map_or(Ok(()), |f| f.check(text)) {
            Ok(()) => Ok(Value::String(text.to_owned())),
            Err(message) => Err((message, Some(wanted(shape)))),
        },
        Shape::Text { format: None, .. } if plain && is_not_a_string(text) => {
            Err((format!("{text} is not a string here"), Some(format!("a string: \"{text}\""))))
        }
        Shape::Text { format: None, .. } => Ok(Value::String(text.to_owned())),
        Shape::Block(_) | Shape::Map(_) | Shape::List(_) => wrong(),
    }
}

fn choice(words: &[(String, String)], text: &str) -> Result<Value, (String, Option<String>)> {
    if words.iter().any(|(word, _)| word == text) {
        return Ok(Value::String(text.to_owned()));
    }
    let names = words.iter().map(|(word, _)| word.as_str());
    let all = names.clone().collect::<Vec<_>>().join(", ");
    let advice = match meaningless::word_advice(text) {
        Some(advice) => format!(": {advice}"),
        None => did_you_mean(text, names).map(|near| format!(", did you mean {near}")).unwrap_or_default(),
    };
    Err((format!("{text:?} is not a choice here{advice}"), Some(format!("one of {all}"))))
}

/// Whether YAML takes this unquoted word for a number, a flag or nothing.
fn is_not_a_string(text: &str) -> bool {
    let word =
        matches!(text, "" | "~" | "null" | "Null" | "NULL" | "true" | "True" | "TRUE" | "false" | "False" | "FALSE");
    let special = matches!(text.trim_start_matches(['-', '+']), ".inf" | ".Inf" | ".INF" | ".nan" | ".NaN" | ".NAN");
    let radix = |prefix: &str, radix| text.strip_prefix(prefix).is_some_and(|d| i64::from_str_radix(d, radix).is_ok());
    let digits = text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'));
    word || special || radix("0x", 16) || radix("0o", 8) || (digits && text.parse::<f64>().is_ok())
}

/// What a shape wants, in words.
pub(crate) fn wanted(shape: &Shape) -> String {
    match shape {
        Shape::Block(fields) => format!("a block of fields: {}", known(fields)),
        Shape::Map(of) => format!("a block of keys, each with {}", wanted(of)),
        Shape::List(of) => format!("a list, each item {}", wanted(of)),
        Shape::Choice(words) => {
            format!("one of {}", words.iter().map(|(word, _)| word.as_str()).collect::<Vec<_>>().join(", "))
        }
        Shape::Text { format: Some(name), .. } => format(name).map_or("a string", |f| f.expected).to_owned(),
        Shape::Text { format: None, .. } => "a string".to_owned(),
        Shape::Integer { .. } => "a whole number".to_owned(),
        Shape::Number => "a number".to_owned(),
        Shape::Flag => "true or false".to_owned(),
    }
}

/// The first names of a block's fields.
fn known(fields: &[Field]) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = fields.iter().take(SHOWN).map(|f| f.name.as_str()).collect();
    if fields.len() > SHOWN {
        names.push("...");
    }
    names.join(", ")
}

/// The first sentence of a doc comment, as a phrase.
fn first_sentence(doc: &str) -> String {
    let sentence = doc.split(". ").next().unwrap_or(doc).trim_end_matches('.');
    let mut chars = sentence.chars();
    let lower = chars.next().map(|c| c.to_lowercase().collect::<String>()).unwrap_or_default();
    lower + chars.as_str()
}
