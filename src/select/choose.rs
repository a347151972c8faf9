//! From a query to a set of types for one group.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::aggregate;
use super::diversify::{self, Candidate, Pick, SizeClass, architecture};
use super::explain::{self, Verdict};
use super::filter::{self, Filtered};
use super::query::Query;
use super::sane::{self, LeftOut};
use super::savings::{self, SetPrice, TypePrice};
use super::scope::Scope;
use super::score::{self, Score};
use super::zones::{self, Row};
use crate::catalogue::InstanceType;
use crate::error::{Error, Result};

/// The fewest and the most types that a set is made of, where so many fit. An Auto Scaling group takes 40.
pub const POOLS: std::ops::RangeInclusive<usize> = 10..=40;
/// How many types a set is made of when nobody says.
pub const DEFAULT_POOLS: usize = 15;

/// How a set is chosen, beyond which types fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many types, brought into [`POOLS`].
    pub pools: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { pools: DEFAULT_POOLS }
    }
}

/// A set of types for one group, with everything that speaks for and against it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selection {
    /// The region.
    pub region: String,
    /// The zones in question.
    pub zones: Vec<String>,
    /// The architecture of the whole set.
    pub architecture: String,
    /// The size of the set.
    pub size: Size,
    /// The set: the smallest allocatable type first, as the cluster autoscaler looks at the first one only.
    pub types: Vec<String>,
    /// The same types in the order in which they were picked, with reasons.
    pub picks: Vec<Pick>,
    /// Types of this size that fit but are not in the set.
    pub spare: Vec<String>,
    /// Other sizes that fit, the best first.
    pub other_sizes: Vec<Size>,
    /// What was left out as no ordinary node, though it fits.
    pub left_out: Vec<LeftOut>,
    /// Where each type of the set is offered.
    pub matrix: Vec<Row>,
    /// How diversified the set is.
    pub score: Score,
    /// The prices of each type of the set.
    pub prices: Vec<TypePrice>,
    /// The price of the set.
    pub set_price: SetPrice,
    /// Which single filter keeps how many types out, when the set is small.
    pub near_misses: Vec<explain::NearMiss>,
    /// Remarks, one sentence each.
    pub notes: Vec<String>,
    /// What the filters kept and rejected.
    #[serde(skip)]
    pub filtered: Filtered,
}

/// The size of the types of a set: the smallest, and how many there are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Size {
    /// Virtual CPUs.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The architecture.
    pub architecture: String,
    /// How many types of this size fit.
    pub types: usize,
}

/// Chooses the set: filters as asked and as is sane for nodes, the best size, the most diverse types of it. Nothing
/// that fits is an error whose hints are the nearest misses.
pub fn choose(scope: &Scope<'_>, query: &Query, options: &Options) -> Result<Selection> {
    let filtered = sane_filtered(scope, query)?;
    let pools = options.pools.clamp(*POOLS.start(), *POOLS.end());
    let spot = filtered.query.wants_spot();
    let candidates: Vec<Candidate<'_>> = filtered.kept.iter().filter_map(|name| candidate(scope, name, spot)).collect();
    let mut classes = diversify::size_classes(&candidates);
    let base = filtered.query.base_instance_type.as_deref().and_then(|name| scope.find(name));
    classes.sort_by(|a, b| {
        let like_base = |class: &SizeClass<'_>| base.is_some_and(|t| class.holds(t.vcpus, t.memory_mib));
        like_base(b).cmp(&like_base(a)).then_with(|| diversify::better(b, a, pools))
    });
    let Some(best) = classes.first() else { return Err(nothing_fits(&filtered)) };
    let picks = diversify::pick(&best.candidates, pools);
    let types = smallest_first(best, &picks);
    let picked: BTreeSet<&String> = types.iter().collect();
    let spare = best.candidates.iter().map(|c| c.t.name.clone()).filter(|name| !picked.contains(name)).collect();
    let other_sizes = classes[1..].iter().map(size).collect();
    let mut notes = Vec::new();
    if pools != options.pools {
        notes.push(format!("a set has {} to {} types: {pools} are taken", POOLS.start(), POOLS.end()));
    }
    let small = types.len() < *POOLS.start();
    Ok(Selection {
        region: scope.catalogue.region.clone(),
        zones: scope.zones.clone(),
        architecture: best.architecture.clone(),
        size: size(best),
        matrix: zones::matrix(scope, &types),
        score: score::score(scope, &types, spot),
        prices: types.iter().filter_map(|name| scope.find(name)).map(|t| savings::type_price(scope, t, spot)).collect(),
        set_price: savings::set_price(scope, &types),
        near_misses: if small { explain::near_misses(&filtered) } else { Vec::new() },
        left_out: sane::left_out(&filtered),
        types,
        picks,
        spare,
        other_sizes,
        notes,
        filtered,
    })
}

/// The types that fit and make ordinary nodes.
pub fn sane_filtered(scope: &Scope<'_>, query: &Query) -> Result<Filtered> {
    let full = aggregate::expand(scope, query)?;
    let base = full.base_instance_type.as_deref().and_then(|name| scope.find(name));
    let mut filters = filter::filters(scope, &full)?;
    filters.extend(sane::filters(&full, base));
    Ok(filter::fold(scope, full, &filters))
}

/// A type with what speaks for and against it; `None` if it has no pool in the zones in question.
fn candidate<'a>(scope: &Scope<'a>, name: &str, spot: bool) -> Option<Candidate<'a>> {
    let t = scope.find(name)?;
    let pools = zones::pools(scope, &t.name, spot).count();
    let price = savings::type_price(scope, t, spot);
    let band = scope.advisor.and_then(|advisor| advisor.band(&scope.catalogue.region, name));
    (pools > 0).then(|| Candidate {
        t,
        price: if spot { price.spot_median } else { price.on_demand },
        zones: pools as f64 / scope.zones.len() as f64,
        band,
    })
}

fn smallest_first(class: &SizeClass<'_>, picks: &[Pick]) -> Vec<String> {
    let by_name: BTreeMap<&str, &InstanceType> = class.candidates.iter().map(|c| (c.t.name.as_str(), c.t)).collect();
    let mut types: Vec<&InstanceType> =
        picks.iter().filter_map(|pick| by_name.get(pick.name.as_str()).copied()).collect();
    types.sort_by_key(|t| allocatable(t));
    types.into_iter().map(|t| t.name.clone()).collect()
}

/// What decides which type is the smallest: memory and processors left for pods, then pods, then the name.
fn allocatable(t: &InstanceType) -> (u64, u64, u32, &str) {
    (t.allocatable_memory_mib(t.eni_pods()), t.allocatable_millicores(), t.eni_pods(), &t.name)
}

fn size(class: &SizeClass<'_>) -> Size {
    Size {
        vcpus: class.vcpus,
        memory_mib: class.memory_mib,
        architecture: class.architecture.clone(),
        types: class.candidates.len(),
    }
}

fn nothing_fits(filtered: &Filtered) -> Error {
    let error = Error::failed("no instance type fits: the filters together are too narrow");
    let misses = explain::near_misses(filtered);
    if misses.is_empty() {
        return error.hint("drop two or more filters: no single one is to blame");
    }
    misses.iter().take(3).fold(error, |error, miss| error.hint(miss.sentence()))
}

impl Selection {
    /// What became of one type.
    pub fn explain(&self, scope: &Scope<'_>, name: &str) -> Result<Verdict> {
        let t = aggregate::base_type(scope, name)?;
        if let Some(pick) = self.picks.iter().find(|pick| pick.name == t.name) {
            return Ok(Verdict::Picked { reason: pick.reason.clone() });
        }
        let verdict = explain::explain(scope, &self.filtered, name)?;
        let Verdict::Fits { .. } = verdict else { return Ok(verdict) };
        let reason = if self.spare.contains(&t.name) {
            format!("it fits, but the {} picked are more diverse or cheaper", self.picks.len())
        } else if architecture(t) != self.architecture {
            format!("it fits, but the set is {} and it is {}", self.architecture, architecture(t))
        } else if zones::pools(scope, &t.name, self.filtered.query.wants_spot()).next().is_none() {
            "it fits, but no zone in question has a spot price for it".to_owned()
        } else {
            let (vcpus, memory) = (self.size.vcpus, super::Mib(self.size.memory_mib));
            format!("it fits, but the set's types all have {vcpus} vCPUs and {memory}")
        };
        Ok(Verdict::Fits { reason })
    }
}
