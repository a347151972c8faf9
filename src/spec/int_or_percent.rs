//! A number of machines, or a share of a group: `1` or `25%`.

use std::fmt;
use std::str::FromStr;

/// A count or a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IntOrPercent {
    /// So many machines.
    Int(u32),
    /// This percentage of the group.
    Percent(u32),
}

impl IntOrPercent {
    /// The count for a group of `size` machines; a share is rounded up or down.
    pub fn of(self, size: u32, round_up: bool) -> u32 {
        match self {
            IntOrPercent::Int(n) => n,
            IntOrPercent::Percent(p) => {
                let exact = u64::from(size) * u64::from(p);
                let rounded = if round_up { exact.div_ceil(100) } else { exact / 100 };
                u32::try_from(rounded).unwrap_or(u32::MAX)
            }
        }
    }
}

impl FromStr for IntOrPercent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = |_| format!("{text:?} is neither a count nor a percentage");
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().map(IntOrPercent::Percent).map_err(bad),
            None => text.parse().map(IntOrPercent::Int).map_err(bad),
        }
    }
}

impl fmt::Display for IntOrPercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            IntOrPercent::Int(n) => n.fmt(f),
            IntOrPercent::Percent(p) => write!(f, "{p}%"),
        }
    }
}

impl super::scalar::Scalar for IntOrPercent {
    const FORMAT: &'static str = "int-or-percent";
    const EXPECTED: &'static str = "a count such as 1 or a percentage such as 25%";
    const NUMBER_TOO: bool = true;
}

impl serde::Serialize for IntOrPercent {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            IntOrPercent::Int(n) => s.serialize_u32(*n),
            IntOrPercent::Percent(_) => s.collect_str(self),
        }
    }
}

impl<'de> serde::Deserialize<'de> for IntOrPercent {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        super::scalar::deserialize(d)
    }
}

impl schemars::JsonSchema for IntOrPercent {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "int-or-percent".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        super::scalar::schema::<Self>()
    }
}
