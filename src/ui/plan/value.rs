//! Values as people read them.

use serde_json::Value;

use crate::resource::reference;

/// Whether there is nothing to say about it: absent, empty, or simply off.
pub(super) fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::String(s) => s.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_blank),
        Value::Bool(true) | Value::Number(_) => false,
    }
}

/// The value on one line: `a, b` for lists, `name=value` for what is inside of others.
pub(super) fn flat(value: &Value) -> String {
    if let Some(r) = reference::as_ref(value) {
        return r.to_string();
    }
    match value {
        Value::Null => "none".to_owned(),
        Value::Array(items) if items.is_empty() => "[]".to_owned(),
        Value::Array(items) => items.iter().map(item).collect::<Vec<_>>().join(", "),
        Value::Object(map) if map.is_empty() => "{}".to_owned(),
        Value::Object(_) => leaves(value).join(", "),
        Value::String(s) => quoted(s),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The value over many lines: a text as it is (policies laid out), a list with one element a line.
pub(super) fn lines(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(s) => match serde_json::from_str::<Value>(s) {
            Ok(document @ (Value::Object(_) | Value::Array(_))) => pretty(&document),
            _ => s.clone(),
        },
        Value::Array(items) if !items.iter().any(|i| flat(i).len() > 160) => {
            items.iter().map(flat).collect::<Vec<_>>().join("\n")
        }
        other if reference::as_ref(other).is_some() => flat(other),
        other @ (Value::Array(_) | Value::Object(_)) => pretty(other),
        other => other.to_string(),
    };
    if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
}

/// The value at a dotted path of field names.
pub(super) fn at(value: &Value, path: &str) -> Value {
    path.split('.').try_fold(value, |v, key| v.get(key)).cloned().unwrap_or(Value::Null)
}

/// Takes the value at a dotted path of field names out of `value`.
pub(super) fn take(value: &mut Value, path: &str) -> Option<Value> {
    let (parent, name) = match path.rsplit_once('.') {
        Some((parent, name)) => (parent.split('.').try_fold(value, |v, key| v.get_mut(key))?, name),
        None => (value, path),
    };
    parent.as_object_mut()?.shift_remove(name)
}

/// As YAML: one more element is one more line, where JSON would change the comma of the line before as well.
fn pretty(value: &Value) -> String {
    serde_yaml::to_string(value).unwrap_or_else(|_| value.to_string())
}

/// An element of a list: what has parts of its own is set in brackets.
fn item(value: &Value) -> String {
    let has_parts = reference::as_ref(value).is_none() && matches!(value, Value::Array(_) | Value::Object(_));
    if has_parts { format!("({})", flat(value)) } else { flat(value) }
}

/// `path=value` of everything inside, blank things left out.
fn leaves(value: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        match value.as_object().filter(|_| reference::as_ref(value).is_none()) {
            Some(map) => {
                for (key, inner) in map.iter().filter(|(_, v)| !v.is_null()) {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    walk(inner, &below, found);
                }
            }
            None if value.as_array().is_some_and(|a| a.len() > 1) => found.push(format!("{path}=({})", flat(value))),
            None => found.push(format!("{path}={}", flat(value))),
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

/// A string in quotes where it would be unclear without, or could play tricks with the terminal.
fn quoted(text: &str) -> String {
    let unclear = text.is_empty() || text.trim() != text || text.contains(" -> ") || text.contains(['"', '\\']);
    if unclear || text.chars().any(char::is_control) { Value::from(text).to_string() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Lists, references and nested fields each fit on one line and can be told apart.
    #[test]
    fn one_line_forms() {
        let v =
            json!({"spot": {"pools": 3, "strategy": "lowest-price"}, "vpc": {"$ref": "vpc/c"}, "types": ["a", "b"]});
        assert_eq!(flat(&v), "spot.pools=3, spot.strategy=lowest-price, vpc=vpc/c, types=(a, b)");
        assert_eq!(flat(&json!([{"a": 1, "b": ""}, {"a": 2}])), "(a=1, b=\"\"), (a=2)");
        assert_eq!(flat(&json!("\u{1b}[2J")), "\"\\u001b[2J\"");
        assert_eq!(flat(&json!([])), "[]");
    }

    /// What is taken out leaves the order of the rest as it is.
    #[test]
    fn a_nested_field_is_taken_out() {
        let mut v = json!({"a": {"x": 1, "y": 2, "z": 3}, "b": 4});
        assert_eq!(take(&mut v, "a.x"), Some(json!(1)));
        assert_eq!(take(&mut v, "a.q.r"), None);
        assert_eq!(v.to_string(), r#"{"a":{"y":2,"z":3},"b":4}"#);
    }

    /// A policy kept as a string is laid out, other text is left as it is.
    #[test]
    fn texts_over_many_lines() {
        assert_eq!(lines(&json!("{\"a\":[1]}")), "a:\n- 1\n");
        assert_eq!(lines(&json!("#!/bin/sh\nexit 0\n")), "#!/bin/sh\nexit 0\n");
        assert_eq!(lines(&json!(["x", {"k": 1}])), "x\nk=1\n");
    }
}
