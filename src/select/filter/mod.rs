//! Filters: each keeps a type or rejects it with a reason.
//!
//! A query becomes a list of `Filter`s, one per flag that was given. Every type is put before all of them, so that
//! for a rejected type all reasons are known, and which single filter stands in whose way.
//!
//! * `number`: counts, sizes and bandwidths in ranges
//! * `word`: a word out of a closed list, and makers and models
//! * `flag`: yes or no
//! * `name`: lists and patterns of names
//! * `place`: zones, prices, interruptions

mod flag;
mod name;
mod number;
mod place;
#[cfg(test)]
mod tests;
mod word;

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

pub(super) use number::described;

use super::aggregate;
use super::query::Query;
use super::scope::Scope;
use crate::catalogue::InstanceType;
use crate::error::Result;

/// One filter: the flag it comes from, what that wants, and the judgement.
pub(super) struct Filter<'a> {
    pub(super) flag: &'static str,
    pub(super) want: String,
    pub(super) judge: Judge<'a>,
}

/// Accepts a type, or says what it has instead of what is wanted.
pub(super) type Judge<'a> = Box<dyn Fn(&InstanceType) -> Result<(), String> + 'a>;

impl<'a> Filter<'a> {
    pub(super) fn new(
        flag: &'static str,
        want: impl Into<String>,
        judge: impl Fn(&InstanceType) -> Result<(), String> + 'a,
    ) -> Self {
        Filter { flag, want: want.into(), judge: Box::new(judge) }
    }
}

/// Why a type was rejected by one filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// The flag, without dashes, or the name of an exclusion.
    pub filter: String,
    /// What was wanted.
    pub want: String,
    /// What the type has.
    pub have: String,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} wants {}, it has {}", self.filter, self.want, self.have)
    }
}

/// How many types one filter rejects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Rejected by this filter and perhaps others.
    pub rejected: usize,
    /// Rejected by this filter alone: so many come back when it is dropped.
    pub alone: usize,
}

/// The types that a query keeps, and why the others are not among them.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Filtered {
    /// The query with its aggregates spelt out.
    pub query: Query,
    /// The zones in question.
    pub zones: Vec<String>,
    /// Names of the types that every filter keeps, in the order of their bytes.
    pub kept: Vec<String>,
    /// Every other type that the zones offer, with each filter that rejects it.
    #[serde(skip)]
    pub rejected: BTreeMap<String, Vec<Reason>>,
    /// What each filter rejects.
    pub by_filter: BTreeMap<String, Count>,
}

/// Puts every type before every filter that the query asks for. Nothing else is filtered, except that a type must be
/// offered in the zones. An unknown base type, zone or word is an error.
pub fn filter(scope: &Scope<'_>, query: &Query) -> Result<Filtered> {
    let query = aggregate::expand(scope, query)?;
    let filters = filters(scope, &query)?;
    Ok(fold(scope, query, &filters))
}

/// The filters of a query whose aggregates are spelt out.
pub(super) fn filters<'a>(scope: &'a Scope<'_>, query: &Query) -> Result<Vec<Filter<'a>>> {
    let mut filters = place::offered(scope);
    filters.extend(number::filters(query));
    filters.extend(word::filters(query));
    filters.extend(flag::filters(query));
    filters.extend(name::filters(query));
    filters.extend(place::filters(scope, query)?);
    Ok(filters)
}

/// Judges every type of the catalogue.
pub(super) fn fold(scope: &Scope<'_>, query: Query, filters: &[Filter<'_>]) -> Filtered {
    let mut kept = Vec::new();
    let mut rejected = BTreeMap::new();
    let mut by_filter: BTreeMap<String, Count> = BTreeMap::new();
    for (name, candidate) in &scope.catalogue.types {
        let reasons = reasons(candidate, filters);
        if reasons.is_empty() {
            kept.push(name.clone());
            continue;
        }
        for reason in &reasons {
            let count = by_filter.entry(reason.filter.clone()).or_default();
            count.rejected += 1;
            count.alone += usize::from(reasons.len() == 1);
        }
        rejected.insert(name.clone(), reasons);
    }
    Filtered { query, zones: scope.zones.clone(), kept, rejected, by_filter }
}

fn reasons(candidate: &InstanceType, filters: &[Filter<'_>]) -> Vec<Reason> {
    filters
        .iter()
        .filter_map(|filter| {
            let have = (filter.judge)(candidate).err()?;
            Some(Reason { filter: filter.flag.to_owned(), want: filter.want.clone(), have })
        })
        .collect()
}
