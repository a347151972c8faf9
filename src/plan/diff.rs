//! The generic difference of two serialised values, leaf by leaf.

use serde_json::Value;

use super::FieldChange;
use crate::resource::reference;

/// Every leaf that differs between `before` and `after`, and how many leaves are equal.
///
/// References and lists are leaves: a reference is one thing, and a list has an order that means something (what has no
/// order is a map or a sorted set in the type).
pub fn diff(before: &Value, after: &Value) -> (Vec<FieldChange>, usize) {
    let mut out = Difference::default();
    out.compare("", Some(before), Some(after));
    (out.changes, out.equal)
}

#[derive(Default)]
struct Difference {
    changes: Vec<FieldChange>,
    equal: usize,
}

impl Difference {
    fn compare(&mut self, path: &str, before: Option<&Value>, after: Option<&Value>) {
        let before = before.filter(|v| !v.is_null());
        let after = after.filter(|v| !v.is_null());
        match (before, after) {
            (None, None) => {}
            (Some(b), Some(a)) if b == a => self.equal += leaves(a),
            (b, a) if b.is_none_or(is_branch) && a.is_none_or(is_branch) => {
                let empty = serde_json::Map::new();
                let b = b.and_then(Value::as_object).unwrap_or(&empty);
                let a = a.and_then(Value::as_object).unwrap_or(&empty);
                let keys: std::collections::BTreeSet<&String> = b.keys().chain(a.keys()).collect();
                for key in keys {
                    self.compare(&join(path, key), b.get(key), a.get(key));
                }
            }
            (b, a) => self.changes.push(FieldChange {
                path: path.to_owned(),
                before: b.cloned(),
                after: a.cloned(),
                forces_replacement: false,
            }),
        }
    }
}

/// A value whose fields are compared one by one.
fn is_branch(value: &Value) -> bool {
    value.as_object().is_some_and(|m| !m.is_empty()) && reference::as_ref(value).is_none()
}

fn leaves(value: &Value) -> usize {
    if is_branch(value) { value.as_object().map_or(0, |m| m.values().map(leaves).sum()) } else { 1 }
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Whether `path` is `field` or lies below it.
pub(super) fn is_within(path: &str, field: &str) -> bool {
    path.strip_prefix(field).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a-z]{0,3}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
                prop::collection::btree_map("[a-c]", inner, 0..3).prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        /// A value does not differ from itself, and the order of fields is no difference.
        #[test]
        fn equal_values_do_not_differ(v in value()) {
            prop_assert!(diff(&v, &v).0.is_empty());
            let reversed = match &v {
                Value::Object(m) => Value::Object(m.iter().rev().map(|(k, v)| (k.clone(), v.clone())).collect()),
                other => other.clone(),
            };
            prop_assert!(diff(&v, &reversed).0.is_empty());
        }
    }

    /// Only what differs is named, with its full path; null and absent are the same.
    #[test]
    fn leaves_are_named_by_path() {
        let (changes, equal) = diff(
            &json!({"a": {"b": 1, "c": 2}, "r": {"$ref": "vpc/x"}, "n": null}),
            &json!({"a": {"b": 1, "c": 3}, "r": {"$ref": "vpc/y"}}),
        );
        assert_eq!(changes.iter().map(|c| c.path.as_str()).collect::<Vec<_>>(), ["a.c", "r"]);
        assert_eq!(equal, 1);
    }
}
