//! JSON documents inside AWS's fields (policies, event patterns), in one canonical form: indented, keys sorted.
//!
//! Observed and desired documents are compared in this form, and a line diff of it reads well.

use serde_json::{Map, Value};

/// The canonical text of a document.
pub fn canonical(document: &Value) -> String {
    // A value of strings, numbers, lists and maps: writing it to memory can't fail.
    serde_json::to_string_pretty(&sorted(document)).unwrap_or_default()
}

/// The canonical form of a document that AWS answered. What is no JSON stays as it is, and so differs from anything
/// wanted.
pub fn canonical_text(text: &str) -> String {
    serde_json::from_str(text).map_or_else(|_| text.to_owned(), |v| canonical(&v))
}

/// As [`canonical_text`], of a document that IAM answered: those are percent-encoded.
pub fn from_iam(text: &str) -> String {
    canonical_text(&percent_decoded(text))
}

/// Without insignificant space, as it is sent: IAM and SQS limit the size of documents.
pub fn compact(text: &str) -> String {
    serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |v| v.to_string())
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let escape = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(h, l)| h * 16 + l),
            _ => None,
        };
        bytes.push(escape.unwrap_or(*first));
        rest = if escape.is_some() { &rest[3..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The order of keys and the layout are no difference, the order of a list is one.
    #[test]
    fn equal_documents_have_equal_text() {
        let a = canonical_text(r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["a","b"]}]}"#);
        let b =
            canonical_text(r#"{ "Statement": [{"Action": ["a", "b"], "Effect": "Allow"}], "Version": "2012-10-17" }"#);
        assert_eq!(a, b);
        assert_ne!(a, a.replace("\"a\"", "\"c\""));
        assert!(a.starts_with("{\n  \"Statement\": ["));
        assert_eq!(canonical_text(&compact(&a)), a);
    }

    /// IAM's encoded answer equals the document that was sent; a stray percent sign is kept.
    #[test]
    fn iam_answers_are_decoded() {
        assert_eq!(from_iam("%7B%22a%22%3A%20%22%2A%22%7D"), canonical_text(r#"{"a":"*"}"#));
        assert_eq!(percent_decoded("100%"), "100%");
    }

    proptest! {
        /// Decoding undoes percent-encoding of any text.
        #[test]
        fn decoding_is_the_inverse(text in ".{0,40}") {
            let encoded: String = text.bytes().map(|b| format!("%{b:02X}")).collect();
            prop_assert_eq!(percent_decoded(&encoded), text);
        }
    }
}
