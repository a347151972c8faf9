//! The order of a list of types.

use std::str::FromStr;

use serde_json::Value;

use super::savings;
use super::scope::Scope;
use crate::catalogue::InstanceType;
use crate::error::{Error, Result, did_you_mean};

/// Short names, and the path in a type's JSON form that each stands for.
const SHORT: &[(&str, &str)] = &[
    ("name", ".name"),
    ("vcpus", ".vcpus"),
    ("memory", ".memoryMib"),
    ("gpu-memory-total", ".gpu.totalMemoryMib"),
    ("network-interfaces", ".network.interfaces"),
    ("instance-storage", ".instanceStorage.totalGb"),
    ("ebs-optimized-baseline-bandwidth", ".ebs.baselineBandwidthMbps"),
    ("ebs-optimized-baseline-throughput", ".ebs.baselineThroughputMbs"),
    ("ebs-optimized-baseline-iops", ".ebs.baselineIops"),
];

/// Short names of what is computed.
const COMPUTED: &[(&str, By)] = &[
    ("gpus", By::Gpus),
    ("inference-accelerators", By::Inference),
    ("spot-price", By::SpotPrice),
    ("on-demand-price", By::OnDemandPrice),
    ("pods", By::Pods),
    ("generation", By::Generation),
    ("network-performance", By::NetworkPeak),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Gpus,
    Inference,
    SpotPrice,
    OnDemandPrice,
    Pods,
    Generation,
    NetworkPeak,
}

/// What to sort by: a short name, or a path such as `.network.interfaces` in a type's JSON form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SortKey(Kind);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    Path(String),
    Computed(By),
}

impl SortKey {
    /// Whether prices are needed to sort by it.
    pub fn needs_prices(&self) -> bool {
        matches!(self.0, Kind::Computed(By::SpotPrice | By::OnDemandPrice))
    }
}

impl FromStr for SortKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('.') {
            return Ok(SortKey(Kind::Path(text.to_owned())));
        }
        if let Some((_, path)) = SHORT.iter().find(|(short, _)| *short == text) {
            return Ok(SortKey(Kind::Path((*path).to_owned())));
        }
        if let Some((_, by)) = COMPUTED.iter().find(|(short, _)| *short == text) {
            return Ok(SortKey(Kind::Computed(*by)));
        }
        let known: Vec<&str> = SHORT.iter().map(|(s, _)| *s).chain(COMPUTED.iter().map(|(s, _)| *s)).collect();
        let error =
            Error::usage(format!("--sort-by {text}: must be a path like .memoryMib or one of {}", known.join(", ")));
        Err(match did_you_mean(text, known) {
            Some(near) => error.hint(format!("did you mean --sort-by {near}?")),
            None => error,
        })
    }
}

/// Sorts names of types. What has no value (an unknown price) goes last in both directions; equals go by name. A path
/// that no type has is an error.
pub fn sort(scope: &Scope<'_>, names: &mut [String], key: &SortKey, descending: bool) -> Result<()> {
    let mut keyed: Vec<(Option<Datum>, String)> =
        names.iter().map(|name| (scope.find(name).and_then(|t| datum(scope, t, key)), name.clone())).collect();
    if let (Kind::Path(path), false) = (&key.0, keyed.is_empty())
        && keyed.iter().all(|(datum, _)| datum.is_none())
        && !scope.catalogue.types.values().any(|t| datum(scope, t, key).is_some())
    {
        return Err(Error::usage(format!("--sort-by {path}: no instance type has that"))
            .hint("the paths are those of: kspot instance-types -o json"));
    }
    keyed.sort_by(|(a, a_name), (b, b_name)| {
        let by_value = match (a, b) {
            (Some(a), Some(b)) if descending => b.cmp(a),
            (Some(a), Some(b)) => a.cmp(b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        };
        by_value.then_with(|| a_name.cmp(b_name))
    });
    for (slot, (_, name)) in names.iter_mut().zip(keyed) {
        *slot = name;
    }
    Ok(())
}

/// A value that has an order.
enum Datum {
    Number(f64),
    Word(String),
}

impl Datum {
    fn cmp(&self, other: &Datum) -> std::cmp::Ordering {
        match (self, other) {
            (Datum::Number(a), Datum::Number(b)) => a.total_cmp(b),
            (Datum::Word(a), Datum::Word(b)) => a.cmp(b),
            (Datum::Number(_), Datum::Word(_)) => std::cmp::Ordering::Less,
            (Datum::Word(_), Datum::Number(_)) => std::cmp::Ordering::Greater,
        }
    }
}

fn datum(scope: &Scope<'_>, t: &InstanceType, key: &SortKey) -> Option<Datum> {
    let number = match &key.0 {
        Kind::Path(path) => return at_path(t, path),
        Kind::Computed(By::Gpus) => t.gpu.as_ref().map(|gpu| f64::from(gpu.count())),
        Kind::Computed(By::Inference) => t.inference.as_ref().map(|found| f64::from(found.count())),
        Kind::Computed(By::SpotPrice) => savings::type_price(scope, t, true).spot_median,
        Kind::Computed(By::OnDemandPrice) => scope.catalogue.on_demand(&t.name),
        Kind::Computed(By::Pods) => Some(f64::from(t.eni_pods())),
        Kind::Computed(By::Generation) => t.generation().map(f64::from),
        Kind::Computed(By::NetworkPeak) => t.network.peak_gbps(),
    };
    number.map(Datum::Number)
}

fn at_path(t: &InstanceType, path: &str) -> Option<Datum> {
    let whole = serde_json::to_value(t).ok()?;
    let found = path.split('.').skip(1).try_fold(&whole, |value, part| match part.parse::<usize>() {
        Ok(index) => value.get(index),
        Err(_) => value.get(part),
    })?;
    match found {
        Value::Number(n) => n.as_f64().map(Datum::Number),
        Value::String(s) => Some(Datum::Word(s.clone())),
        Value::Bool(b) => Some(Datum::Number(f64::from(u8::from(*b)))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::select::tests::us_east_1;

    fn sorted(names: &[&str], key: &str, descending: bool) -> Vec<String> {
        let mut names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        sort(&Scope::region(us_east_1()), &mut names, &key.parse().unwrap(), descending).unwrap();
        names
    }

    /// Values decide, then names; a missing value goes last in both directions.
    #[test]
    fn missing_values_go_last() {
        let names = ["m5.large", "g5.xlarge", "g6f.large", "m5.xlarge"];
        assert_eq!(sorted(&names, "gpus", false), ["g6f.large", "g5.xlarge", "m5.large", "m5.xlarge"]);
        assert_eq!(sorted(&names, "gpus", true), ["g5.xlarge", "g6f.large", "m5.large", "m5.xlarge"]);
        assert_eq!(sorted(&names, ".gpu.devices.0.name", false)[0], "g5.xlarge");
        assert_eq!(sorted(&["m5.xlarge", "m5.large"], "memory", false), ["m5.large", "m5.xlarge"]);
    }

    /// A wrong short name proposes the right one; a path that no type has is an error.
    #[test]
    fn wrong_keys_are_errors() {
        assert_eq!("spot-prise".parse::<SortKey>().unwrap_err().hints(), ["did you mean --sort-by spot-price?"]);
        let mut names = vec!["m5.large".to_owned()];
        let scope = Scope::region(us_east_1());
        assert!(sort(&scope, &mut names, &".memoryInfo".parse().unwrap(), false).is_err());
        assert!("spot-price".parse::<SortKey>().unwrap().needs_prices());
    }
}
