//! Addresses: how a resource is called everywhere (plan, graph, references, output), before and after it has an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Kind;

/// The address of a resource: its kind and its name within the cluster, written `kind/name`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Addr {
    /// The kind of AWS thing.
    pub kind: Kind,
    /// The name that is unique within the kind and the cluster: the AWS name or `Name` tag.
    pub name: String,
}

impl Addr {
    /// The address `kind/name`.
    pub fn new(kind: Kind, name: impl Into<String>) -> Self {
        Addr { kind, name: name.into() }
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

impl FromStr for Addr {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, String> {
        let (kind, name) = s.split_once('/').ok_or_else(|| format!("{s:?} is not of the form kind/name"))?;
        Ok(Addr { kind: kind.parse()?, name: name.to_owned() })
    }
}

impl Serialize for Addr {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Addr {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}
