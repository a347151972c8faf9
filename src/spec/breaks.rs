//! Line separators inside of texts: characters that YAML 1.1 writers fold like line ends and YAML 1.2 readers keep.
//!
//! A text with one of them is written as a double-quoted scalar with escapes, which every reader takes the same way.

use serde_json::{Map, Value};

/// Next line, line separator, paragraph separator, byte order mark.
const BREAKS: [char; 4] = ['\u{85}', '\u{2028}', '\u{2029}', '\u{feff}'];

/// Texts that were taken out of a value, each replaced by a token that a writer leaves as it is.
#[derive(Debug, Default)]
pub(super) struct Taken(Vec<String>);

impl Taken {
    /// Takes such texts out of a value, keys as well.
    pub(super) fn from(value: Value) -> (Value, Taken) {
        let mut taken = Taken::default();
        let value = taken.walk(value);
        (value, taken)
    }

    fn walk(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.token(text)),
            Value::Array(items) => items.into_iter().map(|v| self.walk(v)).collect(),
            Value::Object(fields) => {
                let mut walked = Map::new();
                for (key, inner) in fields {
                    let inner = self.walk(inner);
                    walked.insert(self.token(key), inner);
                }
                Value::Object(walked)
            }
            other => other,
        }
    }

    fn token(&mut self, text: String) -> String {
        if !text.contains(BREAKS) {
            return text;
        }
        self.0.push(text);
        token(self.0.len() - 1)
    }

    /// Puts the texts back where their tokens stand.
    pub(super) fn restore(&self, mut yaml: String) -> String {
        for (n, text) in self.0.iter().enumerate() {
            yaml = yaml.replace(&token(n), &quoted(text));
        }
        yaml
    }
}

/// A plain scalar that nobody writes; its end keeps the first from being the beginning of the tenth.
fn token(n: usize) -> String {
    format!("kspot-line-separator-text-{n}-end")
}

/// A double-quoted scalar: JSON's form, with the separators escaped too.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json.chars().map(|c| if BREAKS.contains(&c) { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() }).collect()
}
