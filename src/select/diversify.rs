//! Picks a pool set: types of one size, as different as possible, not dear, seldom interrupted.
//!
//! Two steps. Types are put into size classes, within which virtual CPUs and memory differ by 5 % at most: the cluster
//! autoscaler takes one type of a group for all. Within a class a greedy choice adds the type that gains most: a new
//! platform counts more than a second type of one, with falling returns; price and interruptions count against.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::advisor::Band;
use crate::catalogue::InstanceType;

/// How far sizes within a class may lie apart.
const TOLERANCE: f64 = 1.05;

/// So many platforms are plenty: beyond them a size is not better for having more.
const MANY_PLATFORMS: usize = 6;

/// What a new platform, maker, generation and full zone coverage are worth, and what being twice as dear as the
/// cheapest and one interruption band cost.
const PLATFORM: f64 = 1.0;
const MAKER: f64 = 0.6;
const GENERATION: f64 = 0.3;
const FAMILY: f64 = 0.6;
const ZONES: f64 = 0.5;
const TWICE_AS_DEAR: f64 = 1.0;
const BAND: f64 = 0.15;

/// A type that may be picked.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The type.
    pub t: &'a InstanceType,
    /// What it costs per hour, if that is known.
    pub price: Option<f64>,
    /// The share of the zones in which it is a pool, from 0 to 1.
    pub zones: f64,
    /// How often it is interrupted, if the advisor's file says so.
    pub band: Option<Band>,
}

/// A picked type and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pick {
    /// The type.
    pub name: String,
    /// Why it was picked, for people.
    pub reason: String,
}

/// Candidates of one size and architecture.
#[derive(Clone, Debug)]
pub struct SizeClass<'a> {
    /// The smallest number of virtual CPUs in it.
    pub vcpus: u32,
    /// The smallest memory in it, in MiB.
    pub memory_mib: u64,
    /// The architecture that all of it runs.
    pub architecture: String,
    /// Its types.
    pub candidates: Vec<Candidate<'a>>,
}

impl SizeClass<'_> {
    /// Whether a type of this size belongs to it.
    pub fn holds(&self, vcpus: u32, memory_mib: u64) -> bool {
        within(f64::from(self.vcpus), f64::from(vcpus)) && within(self.memory_mib as f64, memory_mib as f64)
    }
}

fn within(smallest: f64, size: f64) -> bool {
    smallest <= size && size <= smallest * TOLERANCE
}

/// Every size class of the candidates: one for each size that occurs, with all that lie up to 5 % above it.
pub fn size_classes<'a>(candidates: &[Candidate<'a>]) -> Vec<SizeClass<'a>> {
    let mut classes: BTreeMap<(u32, u64, &str), SizeClass<'a>> = BTreeMap::new();
    for c in candidates {
        let architecture = architecture(c.t);
        classes.entry((c.t.vcpus, c.t.memory_mib, architecture)).or_insert_with(|| SizeClass {
            vcpus: c.t.vcpus,
            memory_mib: c.t.memory_mib,
            architecture: architecture.to_owned(),
            candidates: Vec::new(),
        });
    }
    let mut classes: Vec<SizeClass<'a>> = classes.into_values().collect();
    for class in &mut classes {
        let members = candidates
            .iter()
            .filter(|c| architecture(c.t) == class.architecture && class.holds(c.t.vcpus, c.t.memory_mib));
        class.candidates = members.copied().collect();
    }
    classes
}

/// The architecture that a node of this type runs.
pub(super) fn architecture(t: &InstanceType) -> &str {
    if t.architectures.contains("x86_64") {
        return "x86_64";
    }
    t.architectures.first().map_or("unknown", String::as_str)
}

/// Picks up to `pools` of the candidates, in the order in which they gain most. The same candidates in any order give
/// the same picks.
pub fn pick(candidates: &[Candidate<'_>], pools: usize) -> Vec<Pick> {
    let mut rest: Vec<Candidate<'_>> = candidates.to_vec();
    rest.sort_by(|a, b| a.t.name.cmp(&b.t.name));
    rest.dedup_by(|a, b| a.t.name == b.t.name);
    let market = Market::of(&rest);
    let mut tally = Tally::default();
    let mut picks = Vec::new();
    while picks.len() < pools {
        let gains = rest.iter().map(|c| tally.gain(c) - market.cost(c));
        let best = gains.enumerate().max_by(|(i, a), (j, b)| a.total_cmp(b).then(j.cmp(i)));
        let Some((index, _)) = best else { break };
        let chosen = rest.remove(index);
        picks.push(Pick { name: chosen.t.name.clone(), reason: tally.reason(&chosen, &market) });
        tally.add(&chosen);
    }
    picks
}

/// What the picks so far cover.
#[derive(Default)]
struct Tally {
    platforms: BTreeMap<String, u32>,
    makers: BTreeMap<String, u32>,
    generations: BTreeMap<u32, u32>,
    families: BTreeMap<String, u32>,
}

impl Tally {
    fn gain(&self, c: &Candidate<'_>) -> f64 {
        let seen = |count: Option<&u32>| step(count.copied().unwrap_or_default());
        PLATFORM * seen(self.platforms.get(&c.t.platform()))
            + MAKER * seen(self.makers.get(maker(c.t)))
            + GENERATION * seen(self.generations.get(&c.t.generation().unwrap_or_default()))
            + FAMILY * seen(self.families.get(c.t.family()))
            + ZONES * c.zones
    }

    fn add(&mut self, c: &Candidate<'_>) {
        *self.platforms.entry(c.t.platform()).or_default() += 1;
        *self.makers.entry(maker(c.t).to_owned()).or_default() += 1;
        *self.generations.entry(c.t.generation().unwrap_or_default()).or_default() += 1;
        *self.families.entry(c.t.family().to_owned()).or_default() += 1;
    }

    fn reason(&self, c: &Candidate<'_>, market: &Market) -> String {
        let platform = c.t.platform();
        let adds = match self.platforms.get(&platform) {
            None => format!("adds {platform}"),
            Some(already) => format!("adds family {} to {already} of {platform}", c.t.family()),
        };
        let mut reason = format!("{adds}, {}", market.words(c));
        if let Some(band) = c.band {
            reason.push_str(&format!(", interrupted {band}"));
        }
        if c.zones < 1.0 {
            reason.push_str(&format!(", in {:.0} % of the zones", c.zones * 100.0));
        }
        reason
    }
}

/// What one more of something is worth when there are `already` so many: falling returns.
fn step(already: u32) -> f64 {
    f64::from(already + 1).sqrt() - f64::from(already).sqrt()
}

fn maker(t: &InstanceType) -> &str {
    t.manufacturer.as_deref().unwrap_or_default()
}

/// Prices of the candidates, relative to the cheapest.
struct Market {
    cheapest: Option<f64>,
    /// What a candidate without a price is taken to cost: the median of those that have one.
    usual: f64,
}

impl Market {
    fn of(candidates: &[Candidate<'_>]) -> Market {
        let mut prices: Vec<f64> = candidates.iter().filter_map(|c| c.price).collect();
        prices.sort_by(f64::total_cmp);
        let cheapest = prices.first().copied();
        let usual = super::savings::median(&prices).zip(cheapest).map_or(0.0, |(median, least)| median / least - 1.0);
        Market { cheapest, usual }
    }

    /// How much dearer than the cheapest it is: 0 for the cheapest, 1 for twice its price.
    fn dearer(&self, c: &Candidate<'_>) -> Option<f64> {
        Some(c.price? / self.cheapest? - 1.0)
    }

    fn cost(&self, c: &Candidate<'_>) -> f64 {
        let dearer = self.dearer(c).unwrap_or(self.usual).min(3.0);
        TWICE_AS_DEAR * dearer + BAND * c.band.map_or(0.0, |band| f64::from(band.index()))
    }

    fn words(&self, c: &Candidate<'_>) -> String {
        match self.dearer(c) {
            None => "price unknown".to_owned(),
            Some(dearer) if dearer <= 0.0 => "the cheapest".to_owned(),
            Some(dearer) => format!("{:.0} % above the cheapest", dearer * 100.0),
        }
    }
}

/// Which of two classes makes the better group: the one with more of the wanted pools, then more platforms (up to
/// [`MANY_PLATFORMS`]), then the lower price per virtual CPU, then the smaller size.
pub(super) fn better(a: &SizeClass<'_>, b: &SizeClass<'_>, pools: usize) -> Ordering {
    let enough = |class: &SizeClass<'_>| class.candidates.len().min(pools);
    enough(a)
        .cmp(&enough(b))
        .then_with(|| platforms(a).cmp(&platforms(b)))
        .then_with(|| per_vcpu(b).total_cmp(&per_vcpu(a)))
        .then_with(|| (b.vcpus, b.memory_mib).cmp(&(a.vcpus, a.memory_mib)))
        .then_with(|| a.architecture.cmp(&b.architecture))
}

fn platforms(class: &SizeClass<'_>) -> usize {
    class.candidates.iter().map(|c| c.t.platform()).collect::<BTreeSet<_>>().len().min(MANY_PLATFORMS)
}

/// The lowest price per virtual CPU; infinite if no price is known.
fn per_vcpu(class: &SizeClass<'_>) -> f64 {
    let prices = class.candidates.iter().filter_map(|c| Some(c.price? / f64::from(c.t.vcpus)));
    prices.min_by(f64::total_cmp).unwrap_or(f64::INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(name: &str, maker: &str, vcpus: u32, memory_mib: u64) -> InstanceType {
        InstanceType {
            name: name.into(),
            manufacturer: Some(maker.into()),
            vcpus,
            memory_mib,
            architectures: ["x86_64".to_owned()].into(),
            ..InstanceType::default()
        }
    }

    fn candidate(t: &InstanceType, price: Option<f64>) -> Candidate<'_> {
        Candidate { t, price, zones: 1.0, band: None }
    }

    fn names(picks: &[Pick]) -> Vec<&str> {
        picks.iter().map(|pick| pick.name.as_str()).collect()
    }

    /// A new platform goes before a second type of one that is there, unless it is far too dear.
    #[test]
    fn diversity_goes_before_small_savings() {
        let types = [
            typed("m6i.large", "Intel", 2, 8192),
            typed("m6id.large", "Intel", 2, 8192),
            typed("m6a.large", "AMD", 2, 8192),
        ];
        let priced = |amd| {
            let prices = [0.04, 0.041, amd];
            let candidates: Vec<_> = types.iter().zip(prices).map(|(t, usd)| candidate(t, Some(usd))).collect();
            pick(&candidates, 2)
        };
        assert_eq!(names(&priced(0.05)), ["m6i.large", "m6a.large"]);
        assert_eq!(priced(0.05)[1].reason, "adds AMD 6, 25 % above the cheapest");
        assert_eq!(names(&priced(0.16)), ["m6i.large", "m6id.large"]);
    }

    /// An often interrupted type loses against an equal one, and an unknown price is neither cheap nor dear.
    #[test]
    fn interruptions_and_unknown_prices_count() {
        let (a, b) = (typed("m6i.large", "Intel", 2, 8192), typed("m6id.large", "Intel", 2, 8192));
        let often = Candidate { band: Some(Band::Above20), ..candidate(&a, Some(0.04)) };
        assert_eq!(names(&pick(&[often, candidate(&b, Some(0.04))], 1)), ["m6id.large"]);
        let picks = pick(&[candidate(&a, None), candidate(&b, Some(0.04))], 2);
        let unknown = picks.iter().find(|pick| pick.name == "m6i.large").unwrap();
        assert!(unknown.reason.contains("price unknown"), "{unknown:?}");
    }

    /// Sizes up to 5 % apart share a class, others do not, and architectures never do.
    #[test]
    fn classes_hold_equal_sizes() {
        let mut arm = typed("m6g.large", "AWS", 2, 8192);
        arm.architectures = ["arm64".to_owned()].into();
        let types = [
            typed("a.large", "Intel", 2, 8192),
            typed("b.large", "Intel", 2, 8500),
            typed("c.large", "AMD", 2, 9000),
            arm,
        ];
        let candidates: Vec<_> = types.iter().map(|t| candidate(t, None)).collect();
        let sizes: Vec<_> = size_classes(&candidates)
            .iter()
            .map(|class| (class.memory_mib, class.architecture.clone(), class.candidates.len()))
            .collect();
        let x86 = |memory, count| (memory, "x86_64".to_owned(), count);
        assert_eq!(sizes, [(8192, "arm64".to_owned(), 1), x86(8192, 2), x86(8500, 1), x86(9000, 1)]);
    }
}
