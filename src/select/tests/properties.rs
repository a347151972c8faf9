//! What holds for every query: one size, one architecture, nothing that was not asked for, the same answer each time.

use proptest::prelude::*;

use super::us_east_1;
use crate::select::*;

fn range(least: u64, most: u64) -> impl Strategy<Value = Option<Range<u64>>> {
    prop::option::of((least..=most, least..=most).prop_map(|(a, b)| Range { min: a.min(b), max: a.max(b) }))
}

fn queries() -> impl Strategy<Value = Query> {
    let word = |words: &'static [&'static str]| prop::option::of(prop::sample::select(words).prop_map(str::to_owned));
    let three_states = || prop::option::of(any::<bool>());
    (
        range(1, 64),
        range(1, 256),
        word(&["x86_64", "arm64", "AMD64"]),
        word(&["spot", "on-demand"]),
        range(0, 4),
        (three_states(), three_states(), three_states()),
        prop::option::of(0.01..2.0_f64),
        prop::option::of(prop::sample::select(vec!["m5.xlarge", "c7g.large", "t3.medium", "g5.xlarge"])),
    )
        .prop_map(|(vcpus, gib, cpu_architecture, usage_class, gpus, flags, price, base)| Query {
            vcpus,
            memory: gib.map(|gib| Range { min: Mib(gib.min * 1024), max: Mib(gib.max * 1024) }),
            cpu_architecture,
            usage_class,
            gpus,
            burst_support: flags.0,
            baremetal: flags.1,
            flexible: flags.2 == Some(true),
            price_per_hour: price.map(|max| Range { min: 0.0, max }),
            base_instance_type: base.map(str::to_owned),
            ..Query::default()
        })
}

fn scopes() -> impl Strategy<Value = Scope<'static>> {
    let zones: Vec<String> = us_east_1().zones.keys().cloned().collect();
    prop::sample::subsequence(zones, 1..=4)
        .prop_map(|zones| Scope::zones(us_east_1(), &zones, Offered::Somewhere).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A set has one size (within 5 %), one architecture, distinct types that all pass the filters and are offered, and
    /// never more than was asked; or there is an error that says what to change.
    #[test]
    fn a_set_is_of_one_size_or_an_error(query in queries(), scope in scopes(), pools in 1_usize..60) {
        let set = match choose(&scope, &query, &Options { pools }) {
            Ok(set) => set,
            Err(error) => {
                prop_assert!(!error.hints().is_empty(), "{error}");
                return Ok(());
            }
        };
        let types: Vec<_> = set.types.iter().map(|name| &us_east_1().types[name]).collect();
        let equal = |sizes: Vec<u64>| *sizes.iter().max().unwrap() as f64 <= *sizes.iter().min().unwrap() as f64 * 1.05;
        prop_assert!(equal(types.iter().map(|t| u64::from(t.vcpus)).collect()));
        prop_assert!(equal(types.iter().map(|t| t.memory_mib).collect()));
        prop_assert!(types.iter().all(|t| t.architectures.contains(&set.architecture)));
        let distinct: std::collections::BTreeSet<_> = set.types.iter().collect();
        prop_assert_eq!(distinct.len(), set.types.len());
        prop_assert!(set.types.len() <= pools.clamp(*POOLS.start(), *POOLS.end()));
        let plain = filter(&scope, &query).unwrap();
        for t in types {
            prop_assert!(plain.kept.contains(&t.name));
            prop_assert!(scope.zones_offering(&t.name).next().is_some());
            prop_assert!(query.vcpus.is_none_or(|range| range.contains(u64::from(t.vcpus))));
        }
    }

    /// The same question has the same answer, whatever order the types were learnt in.
    #[test]
    fn choice_is_deterministic(query in queries(), scope in scopes()) {
        let once = choose(&scope, &query, &Options::default()).map(|set| (set.types, set.picks));
        let again = choose(&scope, &query, &Options::default()).map(|set| (set.types, set.picks));
        prop_assert_eq!(once.ok(), again.ok());
        let filtered = sane_filtered(&scope, &query).unwrap();
        let candidate = |name: &String| diversify::Candidate {
            t: &us_east_1().types[name], price: None, zones: 1.0, band: None,
        };
        let forwards: Vec<_> = filtered.kept.iter().map(candidate).collect();
        let backwards: Vec<_> = filtered.kept.iter().rev().map(candidate).collect();
        prop_assert_eq!(diversify::pick(&forwards, 15), diversify::pick(&backwards, 15));
    }

    /// Every type is either kept or rejected with a reason; dropping a filter lets in exactly the types it alone kept out.
    #[test]
    fn filters_account_for_every_type(query in queries(), scope in scopes()) {
        let all = filter(&scope, &query).unwrap();
        prop_assert_eq!(all.kept.len() + all.rejected.len(), us_east_1().types.len());
        prop_assert!(all.rejected.values().all(|reasons| !reasons.is_empty()));
        if let (Some(count), None) = (all.by_filter.get("burst-support"), &query.base_instance_type) {
            let without = filter(&scope, &Query { burst_support: None, ..query }).unwrap();
            prop_assert_eq!(without.kept.len(), all.kept.len() + count.alone);
        }
    }

    /// Any text is either a size or refused, and what is read is at least the whole number in its unit.
    #[test]
    fn sizes_are_read_or_refused(text in "[0-9.]{0,6}[ ]?[kmgtib]{0,4}", whole in 0_u64..1_000_000) {
        let _ = text.parse::<Mib>();
        prop_assert_eq!(format!("{whole}").parse::<Mib>().unwrap(), Mib(whole * 1024));
        prop_assert_eq!(format!("{whole} MiB").parse::<Mib>().unwrap(), Mib(whole));
    }
}
