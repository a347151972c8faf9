//! The load balancer of the API.

use std::collections::BTreeMap;

use kspot::resource::target_group::HealthCheck;
use kspot::resource::{LoadBalancer, TargetGroup};

use super::{health_check, listener, load_balancer, network, subnets, target_group};
use crate::bed::Bed;
use crate::harness::{Stage, tagged_also, thing, with};

/// Everything of the API's load balancer changes in place: its subnets, its attributes, where its listener goes.
#[tokio::test]
async fn load_balancing() {
    let bed = Bed::new();
    let mut stage = Stage::on(&bed).await;
    let base = with(
        &network(),
        [
            thing("tcp-c", target_group("tcp-c", 443)),
            thing("kc-c", target_group("kc-c", 3988)),
            thing("api-c", load_balancer()),
            thing("api-c:443", listener("tcp-c")),
        ],
    );
    let group = |g: TargetGroup| with(&base, [thing("tcp-c", g)]);
    let usual = || target_group("tcp-c", 443);
    let slower = HealthCheck { interval: 30, healthy_threshold: 3, unhealthy_threshold: 3, ..health_check() };
    let plain = HealthCheck { protocol: "TCP".into(), path: None, ..health_check() };
    let balancer = |b: LoadBalancer| with(&base, [thing("api-c", b)]);
    stage
        .round_trip(&[
            base.clone(),
            group(TargetGroup { health_check: slower, ..usual() }),
            group(TargetGroup { health_check: plain, ..usual() }),
            group(TargetGroup { deregistration_delay: 60, connection_termination: false, ..usual() }),
            group(TargetGroup { preserve_client_ip: false, ..usual() }),
            group(TargetGroup { tags: tagged_also("tcp-c", "kspot.io/x", "1"), ..usual() }),
            balancer(LoadBalancer { subnets: subnets(&["a", "b"]), ..load_balancer() }),
            balancer(LoadBalancer { cross_zone: false, ..load_balancer() }),
            balancer(LoadBalancer { tags: tagged_also("api.c.example.com", "kspot.io/x", "1"), ..load_balancer() }),
            with(&base, [thing("api-c:443", listener("kc-c"))]),
        ])
        .await;
    assert_eq!(bed.inventory().kinds, BTreeMap::new());
}
