//! Every filter against the types of a real region, and each of the peers' defects as a test.

use super::*;
use crate::catalogue::Catalogue;
use crate::select::advisor::Advisor;
use crate::select::scope::Offered;
use crate::select::tests::{tutorial_1, tutorial_2, us_east_1};
use crate::select::value::{Mib, Range};

fn kept(query: Query) -> Vec<String> {
    filter(&Scope::region(us_east_1()), &query).unwrap().kept
}

fn count(query: Query) -> usize {
    kept(query).len()
}

fn min<T: crate::select::value::Bound>(value: T) -> Option<Range<T>> {
    Some(Range { min: value, max: T::GREATEST })
}

fn word(text: &str) -> Option<String> {
    Some(text.to_owned())
}

/// No filter keeps exactly what the region offers: the catalogue also lists types of other regions.
#[test]
fn only_offered_types_are_kept() {
    assert_eq!(us_east_1().types.len(), 1395);
    assert_eq!(count(Query::default()), 1375);
}

/// Each range filter keeps as many types as an independent count over the same data.
#[test]
fn ranges_keep_what_they_say() {
    let q = Query::default;
    let exactly = |n| Some(Range::exactly(n));
    let mib = |text: &str| text.parse::<Mib>().unwrap();
    assert_eq!(count(Query { vcpus: exactly(4), ..q() }), 140);
    assert_eq!(count(Query { memory: Some(Range::exactly(mib("8gb"))), ..q() }), 87);
    assert_eq!(count(Query { vcpus_to_memory_ratio: Some("1:2".parse().unwrap()), ..q() }), 343);
    assert_eq!(count(Query { vcpus_to_memory_ratio: Some("2:3".parse().unwrap()), ..q() }), 0);
    assert_eq!(count(Query { gpus: exactly(1), ..q() }), 33);
    assert_eq!(count(Query { gpus: Some(Range { min: 0, max: 1 }), ..q() }), 38);
    assert_eq!(count(Query { generation: exactly(7), ..q() }), 199);
    assert_eq!(count(Query { instance_storage: Some(Range::exactly(Mib(0))), ..q() }), 809);
    assert_eq!(count(Query { network_interfaces: Some(Range { min: 0, max: 0 }), ..q() }), 0);
}

/// Words and yes/no filters keep as many types as an independent count over the same data.
#[test]
fn words_and_flags_keep_what_they_say() {
    let q = Query::default;
    assert_eq!(count(Query { cpu_architecture: word("arm64"), ..q() }), 418);
    assert_eq!(count(Query { usage_class: word("spot"), ..q() }), 1353);
    assert_eq!(count(Query { baremetal: Some(true), ..q() }), 152);
    assert_eq!(count(Query { disk_encryption: Some(false), ..q() }), 39);
    let xen = kept(Query { hypervisor: word("xen"), ..q() });
    let nitro = kept(Query { hypervisor: word("nitro"), ..q() });
    assert_eq!(xen.len(), 74);
    assert!(!xen.iter().chain(&nitro).any(|name| name.ends_with(".metal")), "bare metal has no hypervisor");
}

/// B1: a placement group strategy matches the types that support it.
#[test]
fn placement_group_strategy_matches() {
    assert_eq!(count(Query { placement_group_strategy: word("cluster"), ..Query::default() }), 1282);
}

/// B2: the EBS baseline bandwidth matches, compared with Mbit/s.
#[test]
fn ebs_bandwidth_matches() {
    let bandwidth = min("5gb".parse::<Mib>().unwrap());
    assert_eq!(count(Query { ebs_optimized_baseline_bandwidth: bandwidth, ..Query::default() }), 781);
}

/// B3: flexible is off when it is false, and fills only what is unset when it is true.
#[test]
fn flexible_is_honoured_both_ways() {
    assert_eq!(count(Query { flexible: false, ..Query::default() }), 1375);
    let flexible = kept(Query { flexible: true, ..Query::default() });
    let types = &us_east_1().types;
    assert!(!flexible.is_empty() && flexible.iter().all(|name| types[name].vcpus == 4), "{flexible:?}");
    assert!(flexible.iter().all(|name| ["c", "m", "r", "t"].contains(&&name[..1])), "{flexible:?}");
    let eight = kept(Query { flexible: true, vcpus: Some(Range::exactly(8)), ..Query::default() });
    assert!(!eight.is_empty() && eight.iter().all(|name| types[name].vcpus == 8));
}

/// B4: decimals and several network cards count in the network performance; the baseline can be asked for too.
#[test]
fn network_performance_counts_decimals_and_cards() {
    let exactly = Some(Range::exactly(12.5));
    assert_eq!(count(Query { network_performance: exactly, ..Query::default() }), 165);
    assert_eq!(count(Query { network_performance: min(200.0), ..Query::default() }), 111);
    let steady = kept(Query { network_baseline: min(200.0), ..Query::default() });
    assert!(steady.contains(&"p5.48xlarge".to_owned()) && !steady.contains(&"c6i.large".to_owned()));
}

/// B5: architectures and makers are the same in any case, and amd64 means x86_64.
#[test]
fn words_are_case_insensitive() {
    for (upper, lower) in [("AMD64", "x86_64"), ("ARM64", "arm64")] {
        let as_typed = kept(Query { cpu_architecture: word(upper), ..Query::default() });
        assert!(!as_typed.is_empty());
        assert_eq!(as_typed, kept(Query { cpu_architecture: word(lower), ..Query::default() }));
    }
    assert!(count(Query { cpu_manufacturer: word("INTEL"), ..Query::default() }) > 0);
    assert!(filter(&Scope::region(us_east_1()), &Query { hypervisor: word("kvm"), ..Query::default() }).is_err());
}

/// B6: no GPU means no fraction of a GPU either.
#[test]
fn no_gpus_excludes_fractions() {
    let free = kept(Query { gpus: Some(Range::exactly(0)), ..Query::default() });
    assert_eq!(free.len(), 1311);
    assert!(!free.iter().any(|name| name.starts_with("g6f") || name.starts_with("gr6f")));
    let all =
        filter(&Scope::region(us_east_1()), &Query { gpus: Some(Range::exactly(0)), ..Query::default() }).unwrap();
    assert_eq!(all.rejected["g6f.large"][0].have, "0.125 of L4");
}

/// B8: without local disks, NVMe is what EBS says about NVMe, not about optimisation.
#[test]
fn nvme_reads_the_right_field() {
    let without = kept(Query { nvme: Some(false), ..Query::default() });
    assert_eq!(without.len(), 68);
    assert!(without.contains(&"c4.2xlarge".to_owned()), "EBS-optimised, and not NVMe");
}

/// B9, B10: an unknown price is no price, and a price must hold in every zone in question.
#[test]
fn unknown_prices_are_left_out_and_every_zone_counts() {
    let cheap = Some(Range { min: 0.0, max: 0.05 });
    let query = Query { usage_class: word("spot"), price_per_hour: cheap, ..Query::default() };
    let catalogue = us_east_1();
    let found = filter(&Scope::region(catalogue), &query).unwrap();
    assert!(!found.kept.is_empty());
    for name in &found.kept {
        let scope = Scope::region(catalogue);
        let prices: Vec<f64> = scope.spot_prices(name).collect();
        assert!(prices.iter().all(|price| *price <= 0.05), "{name} {prices:?}");
        assert!(!prices.is_empty() || catalogue.on_demand(name).is_some(), "{name} has no price at all");
    }
    let blind = Catalogue { prices: None, ..catalogue.clone() };
    let nothing = filter(&Scope::region(&blind), &query).unwrap();
    assert!(nothing.kept.is_empty());
    assert!(nothing.rejected["m5.large"].iter().any(|reason| reason.have == "price unknown"));
}

/// K1: the number of virtual CPUs and GPUs is honoured in the tutorial's two queries, which keep no GPU type.
#[test]
fn tutorial_queries_keep_the_right_types() {
    let types = &us_east_1().types;
    let first = kept(tutorial_1());
    assert_eq!(first.len(), 26);
    assert!(first.iter().all(|name| (3..=4).contains(&types[name].vcpus)));
    let second = kept(tutorial_2());
    assert_eq!(second.len(), 26);
    assert!(second.iter().all(|name| types[name].vcpus == 2 && types[name].memory_mib == 8192));
    assert!(first.iter().chain(&second).all(|name| types[name].gpu.is_none()));
}

/// K2: flexible together with a base type is not empty: no ratio contradicts the base type's memory.
#[test]
fn flexible_with_a_base_type_finds_types() {
    assert!(count(Query { flexible: true, ..tutorial_1() }) > 5);
}

/// K4: named zones are honoured: all of them in the plain selector, any of them for a group.
#[test]
fn zones_are_honoured() {
    let catalogue = us_east_1();
    let named = ["us-east-1a".to_owned(), "us-east-1e".to_owned()];
    let in_zones = |offered| {
        let scope = Scope::zones(catalogue, &named, offered).unwrap();
        filter(&scope, &Query::default()).unwrap().kept.len()
    };
    assert_eq!((in_zones(Offered::Everywhere), in_zones(Offered::Somewhere)), (68, 1360));
    let by_id = Scope::zones(catalogue, &["synthetic-az5".to_owned()], Offered::Everywhere).unwrap();
    assert_eq!(by_id.zone_names(), ["us-east-1e"]);
    assert!(Scope::zones(catalogue, &["us-east-1z".to_owned()], Offered::Everywhere).is_err());
}

/// Deny wins over allow, listed names match in any case, and unknown names are no error.
#[test]
fn names_are_matched() {
    let listed = ["M5.LARGE".to_owned(), "nosuch.type".to_owned()].into();
    assert_eq!(kept(Query { instance_types: listed, ..Query::default() }), ["m5.large"]);
    let both = Query {
        allow_list: Some("^m5a?\\.".parse().unwrap()),
        deny_list: Some("metal|24xlarge".parse().unwrap()),
        ..Query::default()
    };
    let names = kept(both);
    assert!(names.contains(&"m5a.large".to_owned()) && !names.contains(&"m5.24xlarge".to_owned()));
}

/// A base type sets 0.9 to 1.2 of its size, and only where nothing else is asked; an unknown one proposes a near name.
#[test]
fn base_type_fills_unset_filters() {
    let scope = Scope::region(us_east_1());
    let full = aggregate::expand(&scope, &tutorial_1()).unwrap();
    assert_eq!(full.vcpus, Some(Range { min: 3, max: 4 }));
    assert_eq!(full.memory, Some(Range { min: Mib(14745), max: Mib(19660) }));
    assert_eq!(full.cpu_architecture.as_deref(), Some("x86_64"));
    let wider = Query { vcpus: Some(Range::exactly(8)), ..tutorial_1() };
    assert_eq!(aggregate::expand(&scope, &wider).unwrap().vcpus, Some(Range::exactly(8)));
    let slip = Query { base_instance_type: word("m5.xlrge"), ..Query::default() };
    assert_eq!(filter(&scope, &slip).unwrap_err().hints(), ["did you mean m5.xlarge?"]);
}

/// The advisor's bands filter only when asked; types without a band are then left out; without the file it is an error.
#[test]
fn interruption_filter_needs_the_advisor() {
    let text = r#"{"spot_advisor":{"us-east-1":{"Linux":{"m5.large":{"s":1,"r":1},"m5a.large":{"s":1,"r":2}}}}}"#;
    let advisor = Advisor::parse(text, "advisor").unwrap();
    let query = Query { max_interruption: Some(10), ..Query::default() };
    let scope = Scope::region(us_east_1());
    assert!(filter(&scope, &query).is_err());
    assert_eq!(filter(&scope.with_advisor(Some(&advisor)), &query).unwrap().kept, ["m5.large"]);
}

/// A rejected type carries every reason, and `alone` counts what one filter keeps out by itself.
#[test]
fn every_reason_is_known() {
    let found = filter(&Scope::region(us_east_1()), &tutorial_2()).unwrap();
    let flags: Vec<&str> = found.rejected["t3.small"].iter().map(|r| r.filter.as_str()).collect();
    assert_eq!(flags, ["memory", "burst-support"]);
    let without = kept(Query { burst_support: None, ..tutorial_2() });
    assert_eq!(without.len(), found.kept.len() + found.by_filter["burst-support"].alone);
}
