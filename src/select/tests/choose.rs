//! The chosen sets: the tutorial's two commands, what is left out, what is explained.

use super::{three_zones, tutorial_1, tutorial_2, us_east_1};
use crate::catalogue::{Catalogue, InstanceType};
use crate::select::explain::Verdict;
use crate::select::sane::Exclusion;
use crate::select::*;

fn chosen(query: &Query) -> Selection {
    choose(&three_zones(), query, &Options::default()).unwrap()
}

fn typed(name: &str) -> &'static InstanceType {
    &us_east_1().types[name]
}

/// Both tutorial commands give 15 types of one size without a GPU, spread over makers, generations and all zones.
#[test]
fn tutorial_sets_are_equal_gpu_free_and_diverse() {
    for (query, vcpus, memory) in [(tutorial_1(), 4, 16384), (tutorial_2(), 2, 8192)] {
        let set = chosen(&query);
        assert_eq!(set.types.len(), DEFAULT_POOLS);
        for t in set.types.iter().map(|name| typed(name)) {
            assert_eq!((t.vcpus, t.memory_mib), (vcpus, memory), "{}", t.name);
            assert!(t.gpu.is_none() && !t.burstable && !t.bare_metal && t.hypervisor.as_deref() == Some("nitro"));
            assert!(t.usage_classes.contains("spot") && t.architectures.contains("x86_64"));
        }
        assert_eq!((set.score.zones.count, set.score.warnings.len()), (3, 0));
        assert!(set.score.platforms.effective > 5.0, "{:?}", set.score.platforms);
        assert!(set.score.worst().unwrap().share < 0.4);
    }
}

/// The peer's first twenty names in the alphabet cover less hardware than fifteen picks, and include worse prices.
#[test]
fn picks_beat_the_alphabet() {
    let scope = three_zones();
    let set = chosen(&tutorial_1());
    let alphabet: Vec<String> = set.filtered.kept.iter().take(set.types.len()).cloned().collect();
    let by_name = score::score(&scope, &alphabet, true);
    assert!(set.score.independent > by_name.independent, "{} {}", set.score.independent, by_name.independent);
    let (picked, first) = (set.set_price.spot_per_node, savings::set_price(&scope, &alphabet).spot_per_node);
    assert!(picked < first, "{picked:?} {first:?}");
}

/// The picks of the tutorial's first command, as they are for these (synthetic) prices.
#[test]
fn tutorial_picks_are_stable() {
    let set = chosen(&tutorial_1());
    let told: Vec<String> = set.picks.iter().map(|pick| format!("{}: {}", pick.name, pick.reason)).collect();
    insta::assert_snapshot!(told.join("\n"));
}

/// The smallest allocatable type stands first.
#[test]
fn smallest_type_stands_first() {
    let set = chosen(&tutorial_1());
    let left = |name: &String| {
        let t = typed(name);
        t.allocatable_memory_mib(t.eni_pods())
    };
    assert!(set.types.windows(2).all(|pair| left(&pair[0]) <= left(&pair[1])), "{:?}", set.types);
}

/// Each sort that makes no ordinary node is left out, told in one line, and let in when it is asked for.
#[test]
fn exclusions_are_told_and_lifted() {
    let wide = Query { vcpus: Some(Range { min: 2, max: 96 }), ..Query::default() };
    let set = chosen(&wide);
    let sorts: Vec<Exclusion> = set.left_out.iter().map(|line| line.exclusion).collect();
    for sort in [Exclusion::Gpu, Exclusion::Inference, Exclusion::Neuron, Exclusion::Fpga, Exclusion::Media] {
        assert!(sorts.contains(&sort), "{sort:?} {sorts:?}");
    }
    for sort in [Exclusion::Metal, Exclusion::Hpc, Exclusion::Burstable, Exclusion::Xen] {
        assert!(sorts.contains(&sort), "{sort:?} {sorts:?}");
    }
    for sort in Exclusion::ALL {
        assert!(!set.filtered.kept.iter().any(|name| sort.is_in(typed(name))), "{sort:?}");
    }
    let some = |query: Query, sort: Exclusion| chosen(&query).types.iter().all(|name| sort.is_in(typed(name)));
    assert!(some(Query { gpus: Some(Range::exactly(1)), ..Query::default() }, Exclusion::Gpu));
    assert!(some(Query { burst_support: Some(true), ..Query::default() }, Exclusion::Burstable));
    assert!(some(Query { baremetal: Some(true), ..Query::default() }, Exclusion::Metal));
    assert!(some(Query { fpga_support: Some(true), ..Query::default() }, Exclusion::Fpga));
    assert!(some(Query { hypervisor: Some("xen".into()), ..Query::default() }, Exclusion::Xen));
    let bursting = Query { base_instance_type: Some("t3.large".into()), ..Query::default() };
    assert!(chosen(&bursting).types.contains(&"t3.large".to_owned()));
    let named = Query { instance_types: ["hpc7g.4xlarge".to_owned()].into(), ..Query::default() };
    let everywhere = choose(&Scope::region(us_east_1()), &named, &Options::default()).unwrap();
    assert_eq!(everywhere.types, ["hpc7g.4xlarge"]);
}

/// Older Nitro generations that AWS no longer calls current stay.
#[test]
fn previous_nitro_generations_stay() {
    let kept = sane_filtered(&three_zones(), &tutorial_2()).unwrap().kept;
    assert!(!typed("m5.large").current_generation && kept.contains(&"m5.large".to_owned()));
}

/// Fewer or more types than a set can have are brought into its limits, and said so.
#[test]
fn number_of_types_is_clamped() {
    let many = |pools| choose(&three_zones(), &tutorial_1(), &Options { pools }).unwrap();
    assert_eq!((many(3).types.len(), many(3).notes.len()), (10, 1));
    assert_eq!((many(400).types.len(), many(400).notes.len()), (25, 1));
    assert_eq!((many(12).types.len(), many(12).notes.len()), (12, 0));
}

/// A query that nothing fits says which single filter is to blame, and for how many types.
#[test]
fn too_narrow_a_query_names_the_nearest_miss() {
    let narrow = Query { deny_list: Some(".*".parse().unwrap()), ..tutorial_1() };
    let error = choose(&three_zones(), &narrow, &Options::default()).unwrap_err();
    assert_eq!(error.hints(), ["without --deny-list 26 more types fit"]);
    let hopeless = Query { vcpus: Some(Range::exactly(4)), memory: Some(Range::exactly(Mib(7))), ..tutorial_1() };
    let hopeless = Query { deny_list: Some(".*".parse().unwrap()), ..hopeless };
    let error = choose(&three_zones(), &hopeless, &Options::default()).unwrap_err();
    assert!(error.hints()[0].contains("two or more"), "{:?}", error.hints());
}

/// Each type has its answer: picked, spare, of another size, of another architecture, rejected with every reason.
#[test]
fn every_type_is_explained() {
    let wide = Query { vcpus: Some(Range { min: 2, max: 8 }), usage_class: Some("spot".into()), ..Query::default() };
    let (scope, set) = (three_zones(), chosen(&wide));
    let verdict = |name: &str| set.explain(&scope, name).unwrap();
    assert_eq!(verdict(&set.types[0]), Verdict::Picked { reason: reason_of(&set, &set.types[0]) });
    let fits = |name: &str, words: &str| match verdict(name) {
        Verdict::Fits { reason } => assert!(reason.contains(words), "{name}: {reason}"),
        other => panic!("{name}: {other:?}"),
    };
    fits(&set.spare[0], "more diverse or cheaper");
    let arm = if set.architecture == "x86_64" { "m7g.large" } else { "m7a.large" };
    fits(arm, "but the set is");
    let size = |t: &InstanceType| (t.vcpus, t.memory_mib) != (set.size.vcpus, set.size.memory_mib);
    let other = set.filtered.kept.iter().find(|name| size(typed(name)) && typed(name).architectures.contains("x86_64"));
    fits(other.unwrap(), "the set's types all have");
    let Verdict::Rejected { reasons } = verdict("G5.16xlarge") else { panic!("a GPU type is no ordinary node") };
    let filters: Vec<&str> = reasons.iter().map(|reason| reason.filter.as_str()).collect();
    assert_eq!(filters, ["vcpus", "left-out: gpu"]);
    assert_eq!(set.explain(&scope, "m5.larg").unwrap_err().hints(), ["did you mean m5.large?"]);
}

fn reason_of(set: &Selection, name: &str) -> String {
    set.picks.iter().find(|pick| pick.name == name).unwrap().reason.clone()
}

/// Without prices a set is chosen all the same, and every price is unknown.
#[test]
fn prices_are_not_needed() {
    let blind = Catalogue { prices: None, ..us_east_1().clone() };
    let set = choose(&Scope::region(&blind), &tutorial_1(), &Options::default()).unwrap();
    assert_eq!(set.types.len(), DEFAULT_POOLS);
    assert!(set.prices.iter().all(|price| price.spot_median.is_none() && price.on_demand.is_none()));
    assert!(set.picks.iter().all(|pick| pick.reason.contains("price unknown")));
    assert!(set.score.platforms.effective > 5.0);
}

/// A zone that lacks types is a gap in the matrix, not a reason to drop them.
#[test]
fn gaps_in_zones_are_shown() {
    let zones = ["us-east-1a", "us-east-1e"].map(String::from);
    let scope = Scope::zones(us_east_1(), &zones, Offered::Somewhere).unwrap();
    let set = choose(&scope, &tutorial_1(), &Options::default()).unwrap();
    let gaps = set.matrix.iter().filter(|row| row.zones["us-east-1e"] == zones::Pool::NotOffered).count();
    assert!(gaps > 0 && set.types.len() == DEFAULT_POOLS);
    assert!(set.score.warnings.iter().any(|warning| warning.contains("zones are few")), "{:?}", set.score.warnings);
}

/// The advisor's bands weigh: with every pick of before interrupted often, others come in.
#[test]
fn interruptions_weigh() {
    let before = chosen(&tutorial_1());
    let often: Vec<String> =
        before.types.iter().take(5).map(|name| format!("\"{name}\":{{\"s\":1,\"r\":4}}")).collect();
    let text = format!("{{\"spot_advisor\":{{\"us-east-1\":{{\"Linux\":{{{}}}}}}}}}", often.join(","));
    let advisor = Advisor::parse(&text, "advisor").unwrap();
    let after = choose(&three_zones().with_advisor(Some(&advisor)), &tutorial_1(), &Options::default()).unwrap();
    let kept = before.types.iter().take(5).filter(|name| after.types.contains(name)).count();
    assert!(kept < 5, "{:?}", after.types);
}
