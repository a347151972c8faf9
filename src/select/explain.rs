//! Why a type is in or out, and which single filter stands in the way.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::aggregate::base_type;
use super::filter::{Filtered, Reason};
use super::scope::Scope;
use crate::error::Result;

/// What became of one type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "verdict")]
pub enum Verdict {
    /// It fits, and is in the set.
    #[serde(rename_all = "camelCase")]
    Picked {
        /// Why it was picked.
        reason: String,
    },
    /// It fits, but is not in the set.
    #[serde(rename_all = "camelCase")]
    Fits {
        /// Why it was not picked.
        reason: String,
    },
    /// Filters reject it.
    #[serde(rename_all = "camelCase")]
    Rejected {
        /// Every filter that does, the first one first.
        reasons: Vec<Reason>,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Picked { reason } => write!(f, "picked: {reason}"),
            Verdict::Fits { reason } => f.write_str(reason),
            Verdict::Rejected { reasons } => {
                let each: Vec<String> = reasons.iter().map(ToString::to_string).collect();
                write!(f, "rejected: {}", each.join("; "))
            }
        }
    }
}

/// The rejected types under the first filter that rejects each, by filter.
pub fn by_first_filter(filtered: &Filtered) -> BTreeMap<&str, Vec<&str>> {
    let mut by_filter: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, reasons) in &filtered.rejected {
        if let Some(first) = reasons.first() {
            by_filter.entry(&first.filter).or_default().push(name);
        }
    }
    by_filter
}

/// A filter, and how many types it alone keeps out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NearMiss {
    /// The flag, without dashes.
    pub filter: String,
    /// So many types come back when this filter alone is dropped.
    pub types: usize,
}

/// What the filters say about one type, by name in any case; an unknown type is an error that names the nearest.
pub fn explain(scope: &Scope<'_>, filtered: &Filtered, name: &str) -> Result<Verdict> {
    let t = base_type(scope, name)?;
    Ok(match filtered.rejected.get(&t.name) {
        Some(reasons) => Verdict::Rejected { reasons: reasons.clone() },
        None => Verdict::Fits { reason: "every filter keeps it".to_owned() },
    })
}

/// The filters that alone keep types out, the one that keeps out most first.
pub fn near_misses(filtered: &Filtered) -> Vec<NearMiss> {
    let mut misses: Vec<NearMiss> = filtered
        .by_filter
        .iter()
        .filter(|(filter, count)| count.alone > 0 && filter.as_str() != "availability-zones")
        .map(|(filter, count)| NearMiss { filter: filter.clone(), types: count.alone })
        .collect();
    misses.sort_by(|a, b| b.types.cmp(&a.types).then_with(|| a.filter.cmp(&b.filter)));
    misses
}

impl NearMiss {
    /// `without --memory 31 more types fit`.
    pub fn sentence(&self) -> String {
        let (verb, plural) = if self.types == 1 { ("fits", "") } else { ("fit", "s") };
        match self.filter.strip_prefix("left-out: ") {
            Some(sort) => format!("{} more type{plural} {verb} if {sort} types are let in", self.types),
            None => format!("without --{} {} more type{plural} {verb}", self.filter, self.types),
        }
    }
}
