//! What the tests of resource kinds share: a cluster's things on a bed, changed the way `kspot update` changes them,
//! by plan and apply.

use std::collections::BTreeMap;

use kspot::apply::{self, Outcome, Silent};
use kspot::cloud::aws::AwsCloud;
use kspot::cloud::{Cloud, Ids, Live, Scope};
use kspot::context::Context;
use kspot::plan::{self, Action, Plan};
use kspot::resource::{Addr, Desired, Kind, Resource, Tags, tags};
use tokio_util::sync::CancellationToken;

use crate::bed::Bed;

/// The cluster of every stage.
pub(crate) const CLUSTER: &str = "c.example.com";

/// The tags of an owned thing.
pub(crate) fn tagged(name: &str) -> Tags {
    tags::owned(CLUSTER, name)
}

/// The same with one more tag that kspot manages.
pub(crate) fn tagged_also(name: &str, key: &str, value: &str) -> Tags {
    let mut tags = tagged(name);
    tags.insert(key.to_owned(), value.to_owned());
    tags
}

/// A wanted thing under its address.
pub(crate) fn thing(name: &str, resource: impl Into<Resource>) -> (Addr, Resource) {
    let resource = resource.into();
    (Addr::new(resource.kind(), name), resource)
}

/// Wanted things together.
pub(crate) fn desired<const N: usize>(things: [(Addr, Resource); N]) -> Desired {
    Desired::from(things)
}

/// `base` with some of its things replaced by others, or more of them.
pub(crate) fn with<const N: usize>(base: &Desired, things: [(Addr, Resource); N]) -> Desired {
    let mut all = base.clone();
    all.extend(things);
    all
}

/// A cluster on a bed.
pub(crate) struct Stage {
    pub(crate) cloud: AwsCloud,
    scope: Scope,
}

impl Stage {
    pub(crate) async fn on(bed: &Bed) -> Stage {
        let cloud = AwsCloud::new(&bed.sdk_config().await, &Context::system()).unwrap();
        Stage { cloud, scope: Scope::of(CLUSTER) }
    }

    /// Everything of the cluster.
    pub(crate) async fn observe(&self) -> Live {
        self.cloud.observe(&self.scope).await.unwrap()
    }

    /// The scope of a spec that wants these things; what was looked for before stays looked for.
    pub(crate) fn look_for(&mut self, desired: &Desired) {
        self.scope = self.scope.clone().union(kspot::model::scope(CLUSTER, desired));
    }

    /// Plans and applies; gives the plan and how the apply ended.
    pub(crate) async fn try_apply(&mut self, desired: &Desired) -> (Plan, Outcome) {
        self.look_for(desired);
        let live = self.observe().await;
        let plan = plan::build(desired, &live);
        let outcome = apply::run(&plan, &live, &self.cloud, &Silent, &CancellationToken::new()).await.unwrap();
        (plan, outcome)
    }

    /// Plans and applies; afterwards what is observed equals what is wanted, and nothing is left to change.
    pub(crate) async fn apply(&mut self, desired: &Desired) -> Plan {
        let (plan, outcome) = self.try_apply(desired).await;
        let failed: Vec<String> =
            outcome.failed.iter().map(|(addr, op, e)| format!("{op:?} {addr}: {}", told(e))).collect();
        assert!(outcome.is_complete(), "{failed:#?}");
        let live = self.observe().await;
        let as_is: BTreeMap<&Addr, &Resource> = live.iter().map(|(addr, o)| (addr, &o.resource)).collect();
        let wanted: BTreeMap<&Addr, &Resource> = desired.iter().collect();
        pretty_equal(&as_is, &wanted);
        assert!(plan::build(desired, &live).is_empty());
        plan
    }

    /// Makes the first version, changes it in place into each of the others, deletes everything, deletes it again.
    pub(crate) async fn round_trip(&mut self, versions: &[Desired]) {
        for (n, version) in versions.iter().enumerate() {
            let plan = self.apply(version).await;
            assert!(!plan.is_empty(), "version {n} differs from the one before");
            for change in &plan.changes {
                assert!(n == 0 || !change.action.is_replace(), "version {n}: {} {:?}", change.addr, change.fields);
            }
        }
        let last = self.observe().await;
        let plan = self.apply(&Desired::new()).await;
        assert!(plan.changes.iter().all(|c| c.action == Action::Delete));
        for (addr, observed) in &last {
            let again = self.cloud.delete(addr, observed, &Ids::of(&last)).await;
            assert!(again.is_ok(), "deleting {addr} once more: {}", told(&again.unwrap_err()));
        }
    }

    /// The ids of everything of a kind.
    pub(crate) async fn ids(&self, kind: Kind) -> Vec<String> {
        self.observe().await.into_iter().filter(|(addr, _)| addr.kind == kind).map(|(_, o)| o.id).collect()
    }
}

/// An error with all its causes.
fn told(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Fails with the things that differ alone.
fn pretty_equal(as_is: &BTreeMap<&Addr, &Resource>, wanted: &BTreeMap<&Addr, &Resource>) {
    let addresses: std::collections::BTreeSet<&Addr> = as_is.keys().chain(wanted.keys()).copied().collect();
    let different = addresses.into_iter().filter(|a| as_is.get(a) != wanted.get(a));
    let different: Vec<String> =
        different.map(|a| format!("{a}\n  is     {:?}\n  wanted {:?}", as_is.get(a), wanted.get(a))).collect();
    assert!(different.is_empty(), "{}", different.join("\n"));
}
