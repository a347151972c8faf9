//! How diversified a set of types is: effective numbers, and the worst that losing one thing can do.
//!
//! The effective number at a level is the inverse Simpson index, 1 / Σ share². Ten pools of one platform are one
//! effective platform. Pools are taken as equally large and as independent; platforms (processor maker and generation)
//! are our stand-in for shared hardware, not a fact that AWS gives.

use std::collections::BTreeMap;

use serde::Serialize;

use super::scope::Scope;
use super::zones;

/// Fewer types than this are too few for spot.
const FEW_TYPES: usize = 10;
/// Fewer zones than this are too few for spot.
const FEW_ZONES: usize = 3;

/// The diversification of a set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Score {
    /// One number: effective platforms × effective zones, the pools of hardware that hardly fail together.
    pub independent: f64,
    /// A type in a zone.
    pub pools: Level,
    /// Types by the name before the point.
    pub families: Level,
    /// Processor maker and generation.
    pub platforms: Level,
    /// Zones.
    pub zones: Level,
    /// What to worry about, one sentence each.
    pub warnings: Vec<String>,
}

/// One level of the score.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Level {
    /// How many different ones there are.
    pub count: usize,
    /// How many equally large ones would be as diverse.
    pub effective: f64,
    /// The one whose loss costs most, and the share of the pools that goes with it (0 to 1).
    pub worst: Option<Loss>,
}

/// A loss of one thing.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Loss {
    /// What is lost.
    pub what: String,
    /// The share of the pools, from 0 to 1.
    pub share: f64,
}

impl Score {
    /// The worst single loss over all levels.
    pub fn worst(&self) -> Option<&Loss> {
        let levels = [&self.pools, &self.families, &self.platforms, &self.zones];
        levels.into_iter().filter_map(|level| level.worst.as_ref()).max_by(|a, b| a.share.total_cmp(&b.share))
    }
}

/// The score of a set of types in the zones in question.
pub fn score(scope: &Scope<'_>, names: &[String], spot: bool) -> Score {
    let types: Vec<_> = names.iter().filter_map(|name| scope.catalogue.types.get(name)).collect();
    let pools: Vec<_> =
        types.iter().flat_map(|t| zones::pools(scope, &t.name, spot).map(move |zone| (*t, zone))).collect();
    let level = |key: &dyn Fn(&crate::catalogue::InstanceType, &str) -> String| {
        Level::of(pools.iter().map(|(t, zone)| key(t, zone)))
    };
    let mut score = Score {
        independent: 0.0,
        pools: level(&|t, zone| format!("{} in {zone}", t.name)),
        families: level(&|t, _| t.family().to_owned()),
        platforms: level(&|t, _| t.platform()),
        zones: level(&|_, zone| zone.to_owned()),
        warnings: Vec::new(),
    };
    score.independent = score.platforms.effective * score.zones.effective;
    if spot {
        score.warnings = warnings(&score, names.len());
    }
    score
}

fn warnings(score: &Score, types: usize) -> Vec<String> {
    let mut warnings = Vec::new();
    if types < FEW_TYPES {
        warnings.push(format!("{types} types are few: AWS advises at least {FEW_TYPES} for spot"));
    }
    if score.zones.count < FEW_ZONES {
        warnings.push(format!("{} zones are few: a spot group is safer in {FEW_ZONES} or more", score.zones.count));
    }
    if let Some(worst) = score.families.worst.as_ref().filter(|worst| worst.share > 0.25) {
        warnings.push(format!(
            "family {} holds {:.0} % of the pools, more than a quarter",
            worst.what,
            worst.share * 100.0
        ));
    }
    warnings
}

impl Level {
    /// The level of these keys, one per pool.
    fn of(keys: impl Iterator<Item = String>) -> Level {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for key in keys {
            *counts.entry(key).or_default() += 1;
        }
        let all: usize = counts.values().sum();
        if all == 0 {
            return Level::default();
        }
        let share = |count: usize| count as f64 / all as f64;
        let effective = 1.0 / counts.values().map(|&count| share(count).powi(2)).sum::<f64>();
        let most = counts.values().copied().max().unwrap_or_default();
        let worst = counts.iter().find(|(_, count)| **count == most);
        Level {
            count: counts.len(),
            effective,
            worst: worst.map(|(what, count)| Loss { what: what.clone(), share: share(*count) }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::tests::us_east_1;

    fn level(keys: &[&str]) -> Level {
        Level::of(keys.iter().map(|key| (*key).to_owned()))
    }

    /// Equal shares count fully, unequal ones less; the worst loss is the largest share; nothing is no loss.
    #[test]
    fn effective_numbers() {
        assert_eq!(level(&["a", "b", "c", "d"]).effective, 4.0);
        let skewed = level(&["a", "a", "a", "b"]);
        assert!((skewed.effective - 1.6).abs() < 1e-9);
        assert_eq!(skewed.worst, Some(Loss { what: "a".into(), share: 0.75 }));
        assert_eq!(level(&[]), Level::default());
    }

    /// One family in two zones gets all three warnings; they are spot's, not on-demand's.
    #[test]
    fn narrow_sets_are_warned_about() {
        let zones = ["us-east-1a".to_owned(), "us-east-1b".to_owned()];
        let scope = Scope::zones(us_east_1(), &zones, crate::select::Offered::Somewhere).unwrap();
        let names = ["m5.large".to_owned()];
        let narrow = score(&scope, &names, true);
        assert_eq!(narrow.warnings.len(), 3, "{:?}", narrow.warnings);
        assert_eq!(narrow.worst().unwrap().share, 1.0);
        assert!(score(&scope, &names, false).warnings.is_empty());
    }
}
