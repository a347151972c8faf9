//! JSON on stdout: one document with a `formatVersion`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::error::{Context, Result};

/// The version of kspot's JSON documents: the minor part grows with additions, the major part when readers must change.
pub const FORMAT_VERSION: &str = "1.0";

/// The document for `body`, an object; one that brings a `formatVersion` of its own keeps it.
pub fn document(body: &impl Serialize) -> Result<String> {
    let value = serde_json::to_value(body).context(|| "can't write JSON".to_owned())?;
    serde_json::to_string_pretty(&versioned(value)).context(|| "can't write JSON".to_owned())
}

/// `formatVersion` first, then the body's fields; what is no object becomes the field `value`.
pub(super) fn versioned(body: Value) -> Value {
    let mut document = Map::from_iter([("formatVersion".to_owned(), Value::from(FORMAT_VERSION))]);
    match body {
        Value::Object(fields) => document.extend(fields),
        other => drop(document.insert("value".to_owned(), other)),
    }
    Value::Object(document)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Readers find the version first; a saved plan's own version wins.
    #[test]
    fn documents_carry_their_version() {
        assert_eq!(versioned(json!({"a": 1})).to_string(), r#"{"formatVersion":"1.0","a":1}"#);
        assert_eq!(versioned(json!({"formatVersion": "2.3"})).to_string(), r#"{"formatVersion":"2.3"}"#);
        assert_eq!(versioned(json!([1])).to_string(), r#"{"formatVersion":"1.0","value":[1]}"#);
    }
}
