//! Properties of plan and apply together, on the in-memory cloud.

use std::collections::BTreeSet;

use proptest::prelude::*;
use tokio_util::sync::CancellationToken;

use super::{Silent, run};
use crate::cloud::memory::{Fault, MemoryCloud};
use crate::cloud::{Cloud, Live, Scope};
use crate::plan::build;
use crate::resource::{Addr, Desired, DhcpOptions, InternetGateway, Kind, Ref, Resource, Tags, Vpc};

/// A small network: DHCP options sets (replaced create-first), VPCs on them (replaced delete-first when the range
/// changes), gateways on those.
#[derive(Clone, Debug)]
struct Shape {
    options: Vec<bool>,
    vpcs: Vec<(u8, u8)>,
    gateways: Vec<(u8, bool)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    (
        prop::collection::vec(any::<bool>(), 1..3),
        prop::collection::vec((0u8..3, 0u8..3), 0..3),
        prop::collection::vec((0u8..3, any::<bool>()), 0..4),
    )
        .prop_map(|(options, vpcs, gateways)| Shape { options, vpcs, gateways })
}

fn desired(shape: &Shape) -> Desired {
    let mut all = Desired::new();
    for (n, other) in shape.options.iter().enumerate() {
        let domain_name = if *other { "other.internal" } else { "ec2.internal" };
        let options = DhcpOptions {
            domain_name: domain_name.into(),
            domain_name_servers: vec!["AmazonProvidedDNS".into()],
            tags: Tags::new(),
        };
        all.insert(Addr::new(Kind::DhcpOptions, format!("o{n}")), options.into());
    }
    for (n, (options, range)) in shape.vpcs.iter().enumerate() {
        let vpc = Vpc {
            cidr: format!("10.{range}.0.0/16"),
            additional_cidrs: BTreeSet::new(),
            ipv6: false,
            dns_support: true,
            dns_hostnames: true,
            dhcp_options: Ref::to(Kind::DhcpOptions, format!("o{}", usize::from(*options) % shape.options.len())),
            tags: Tags::new(),
        };
        all.insert(Addr::new(Kind::Vpc, format!("v{n}")), vpc.into());
    }
    for (n, (vpc, tagged)) in shape.gateways.iter().enumerate() {
        if shape.vpcs.is_empty() {
            break;
        }
        let gateway = InternetGateway {
            vpc: Ref::to(Kind::Vpc, format!("v{}", usize::from(*vpc) % shape.vpcs.len())),
            tags: tagged.then(|| ("k".to_owned(), "v".to_owned())).into_iter().collect(),
        };
        all.insert(Addr::new(Kind::InternetGateway, format!("g{n}")), gateway.into());
    }
    all
}

/// Plans and applies once; whether everything was made.
async fn converge(cloud: &MemoryCloud, wanted: &Desired) -> bool {
    let live = cloud.observe(&Scope::of("c")).await.unwrap();
    let plan = build(wanted, &live);
    let outcome = run(&plan, &live, cloud, &Silent, &CancellationToken::new()).await.unwrap();
    outcome.is_complete()
}

fn values(live: &Live) -> Vec<(Addr, Resource)> {
    live.iter().map(|(a, o)| (a.clone(), o.resource.clone())).collect()
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// From any state, one apply leads to exactly what is wanted: the plan after it is empty.
    #[test]
    fn the_plan_after_an_apply_is_empty(from in shape(), to in shape()) {
        block_on(async {
            let cloud = MemoryCloud::new();
            assert!(converge(&cloud, &desired(&from)).await);
            let wanted = desired(&to);
            assert!(converge(&cloud, &wanted).await, "{:?}", cloud.log());
            let live = cloud.live();
            assert!(build(&wanted, &live).is_empty());
            assert_eq!(values(&live), wanted.into_iter().collect::<Vec<_>>());
        });
    }

    /// An apply that is cut off at any mutating call, before or after its effect, is continued by running it again.
    #[test]
    fn an_interrupted_apply_converges(from in shape(), to in shape(), at in 0usize..12, lost in any::<bool>()) {
        block_on(async {
            let mut cloud = MemoryCloud::new();
            assert!(converge(&cloud, &desired(&from)).await);
            let wanted = desired(&to);
            cloud = cloud.failing(at, if lost { Fault::LoseAnswer } else { Fault::Refuse });
            converge(&cloud, &wanted).await;
            cloud.heal();
            // A second run may first have to clear away what the first left beside a replacement.
            let mut runs = 0;
            while !converge(&cloud, &wanted).await {
                runs += 1;
                assert!(runs < 3, "{:?}", cloud.log());
            }
            assert!(build(&wanted, &cloud.live()).is_empty(), "{:?}", build(&wanted, &cloud.live()));
        });
    }

    /// Deleting everything leaves nothing, in an order that the cloud accepts.
    #[test]
    fn everything_can_be_deleted(from in shape()) {
        block_on(async {
            let cloud = MemoryCloud::new();
            assert!(converge(&cloud, &desired(&from)).await);
            assert!(converge(&cloud, &Desired::new()).await, "{:?}", cloud.log());
            assert!(cloud.live().is_empty());
        });
    }
}

/// A failed step is reported with its cause, what needs it is only counted as skipped, the rest is made.
#[test]
fn only_root_causes_are_reported() {
    block_on(async {
        let wanted = desired(&Shape { options: vec![false, false], vpcs: vec![(0, 0)], gateways: vec![(0, false)] });
        let cloud = MemoryCloud::new().failing(0, Fault::Refuse);
        let live = Live::new();
        let outcome = run(&build(&wanted, &live), &live, &cloud, &Silent, &CancellationToken::new()).await.unwrap();
        assert_eq!(outcome.failed.len(), 1);
        assert_eq!(outcome.skipped.len(), 2);
        assert_eq!(outcome.done.len(), 1);
    });
}
