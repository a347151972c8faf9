//! References from one resource to another.
//!
//! Desired state never holds an AWS id of something kspot owns: it says [`Ref::Addr`]. An id appears only for what the
//! spec gives by id (shared things) and in an observation, before [`resolve`] turns the ids of owned things into
//! addresses. References are found in the serialised form, so a kind declares them by its field types alone.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Addr;

/// A reference to another AWS thing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Ref {
    /// A resource that kspot owns, by its address.
    #[serde(rename = "$ref")]
    Addr(Addr),
    /// Something that kspot does not own, by its AWS id: checked, referenced, never changed or deleted.
    #[serde(rename = "$id")]
    Id(String),
}

impl Ref {
    /// A reference to an owned resource.
    pub fn to(kind: super::Kind, name: impl Into<String>) -> Self {
        Ref::Addr(Addr::new(kind, name))
    }

    /// A reference by AWS id.
    pub fn id(id: impl Into<String>) -> Self {
        Ref::Id(id.into())
    }

    /// The address, if this refers to an owned resource.
    pub fn addr(&self) -> Option<&Addr> {
        match self {
            Ref::Addr(a) => Some(a),
            Ref::Id(_) => None,
        }
    }
}

impl From<Addr> for Ref {
    fn from(a: Addr) -> Self {
        Ref::Addr(a)
    }
}

impl fmt::Display for Ref {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ref::Addr(a) => a.fmt(f),
            Ref::Id(i) => i.fmt(f),
        }
    }
}

/// If `value` is the serialised form of a reference, that reference.
pub fn as_ref(value: &Value) -> Option<Ref> {
    let map = value.as_object()?;
    if map.len() != 1 {
        return None;
    }
    let (key, inner) = map.iter().next()?;
    let text = inner.as_str()?;
    match key.as_str() {
        "$ref" => text.parse().ok().map(Ref::Addr),
        "$id" => Some(Ref::Id(text.to_owned())),
        _ => None,
    }
}

/// Every owned resource that the serialised `value` refers to.
pub fn addresses_in(value: &Value) -> BTreeSet<Addr> {
    let mut found = BTreeSet::new();
    visit(value, &mut |r| {
        if let Ref::Addr(a) = r {
            found.insert(a);
        }
    });
    found
}

/// Shows every reference in the serialised `value` to `seen`.
pub fn visit(value: &Value, seen: &mut impl FnMut(Ref)) {
    if let Some(r) = as_ref(value) {
        seen(r);
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|v| visit(v, seen)),
        Value::Object(map) => map.values().for_each(|v| visit(v, seen)),
        _ => {}
    }
}

/// Replaces every reference by id for which `known` has an address.
pub fn resolve(value: &mut Value, known: &dyn Fn(&str) -> Option<Addr>) {
    replace(value, &|r| match r {
        Ref::Id(id) => known(id),
        Ref::Addr(_) => None,
    });
}

/// Replaces every reference by address (in text form) for which `known` has another address.
pub fn rename(value: &mut Value, known: &dyn Fn(&str) -> Option<Addr>) {
    replace(value, &|r| r.addr().and_then(|a| known(&a.to_string())));
}

fn replace(value: &mut Value, new: &dyn Fn(&Ref) -> Option<Addr>) {
    if let Some(r) = as_ref(value) {
        if let Some(addr) = new(&r) {
            *value = serde_json::json!({ "$ref": addr.to_string() });
        }
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|v| replace(v, new)),
        Value::Object(map) => map.values_mut().for_each(|v| replace(v, new)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::Kind;
    use super::*;
    use serde_json::json;

    /// References are found at any depth and survive a round trip.
    #[test]
    fn references_are_found_and_resolved() {
        let r = Ref::to(Kind::Vpc, "c.example.com");
        let mut v = json!({"a": [{"b": r}], "c": Ref::id("igw-1"), "d": Ref::id("sg-9")});
        resolve(&mut v, &|id| (id == "igw-1").then(|| Addr::new(Kind::InternetGateway, "a")));
        let found: Vec<String> = addresses_in(&v).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["vpc/c.example.com", "internet-gateway/a"]);
        assert_eq!(v["d"], json!({"$id": "sg-9"}));
    }
}
