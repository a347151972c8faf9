//! The machines of a cluster with their nodes: what EC2 says, what Kubernetes says, and how each stands.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use serde::Serialize;

use super::prepare::Site;
use super::specs::{Specs, open};
use crate::catalogue::Prices;
use crate::cloud::aws::lookup::Instance;
use crate::error::{Error, Result};
use crate::kube::connect::in_time;
use crate::kube::nodes as joined;
use crate::spec::Role;
use crate::state::ClusterStore;
use crate::validate::member::{Member, Standing, members};
use crate::validate::view::{Boot, Group, Kubernetes, Machine as Seen, Node, View};

/// How long an API that need not be there is waited for.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// A machine and its node.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Machine {
    /// What EC2 says; none for a node that no machine stands behind.
    #[serde(flatten)]
    pub instance: Option<Instance>,
    /// The node's name, if it has joined.
    pub node: Option<String>,
    /// `ready`, `coming`, `leaving`, `not joined`, `not ready`; EC2's state where nodes are not known.
    pub status: String,
    /// Why it is not ready, or leaves.
    pub reason: Option<String>,
    /// Whether new pods are kept away.
    pub cordoned: bool,
    /// The kubelet's version.
    pub kubelet: Option<String>,
    /// US dollars per hour today: the spot price of its zone, or the on-demand price.
    pub usd_per_hour: Option<f64>,
    /// How far its boot got, as it said last.
    pub boot: Option<Boot>,
    /// When it was started, or joined.
    pub since: Option<Timestamp>,
}

/// The machines, and why their nodes are not known, if they are not.
#[derive(Debug)]
pub struct Machines {
    /// By role, group and id.
    pub all: Vec<Machine>,
    /// What kept the API from being asked.
    pub unknown: Option<Error>,
}

/// Lists the machines. Without a client the nodes are left out; `needed` says that a list without nodes is none.
pub async fn list(site: &Site, specs: &Specs, client: Option<Result<Client>>, needed: bool) -> Result<Machines> {
    let store = open(&site.store, specs.cluster.name())?;
    let asked = async {
        match client {
            None => Ok(None),
            Some(client) => Ok(Some(nodes(client, needed).await)),
        }
    };
    let (instances, nodes) = futures::try_join!(site.cloud.instances(specs.cluster.name()), asked)?;
    let (nodes, unknown) = match nodes {
        None => (None, None),
        Some(Ok(nodes)) => (Some(nodes), None),
        Some(Err(e)) if needed => return Err(e),
        Some(Err(e)) => (None, Some(e)),
    };
    let ids: Vec<String> = match &nodes {
        None => instances.iter().map(|i| i.id.clone()).collect(),
        Some(nodes) => {
            let joined = |id: &str| nodes.iter().any(|n| n.instance.as_deref() == Some(id));
            instances.iter().filter(|i| !joined(&i.id)).map(|i| i.id.clone()).collect()
        }
    };
    let types = instances.iter().map(|i| i.instance_type.clone()).collect();
    let prices = async { Ok(site.facts.prices(&types).await) };
    let (boots, prices) = futures::try_join!(boots(&store, &ids), prices)?;
    let view = view(site.context.now(), specs, &instances, nodes, &boots);
    let by_id: BTreeMap<&str, &Instance> = instances.iter().map(|i| (i.id.as_str(), i)).collect();
    let knows = view.kubernetes.is_ok();
    let all = members(&view).iter().map(|m| row(m, &by_id, &prices, knows)).collect();
    Ok(Machines { all, unknown })
}

async fn nodes(client: Result<Client>, needed: bool) -> Result<Vec<Node>> {
    let client = client?;
    let asked = joined::list(&client);
    if needed {
        return asked.await;
    }
    in_time(PATIENCE, asked).await
}

fn view(
    now: Timestamp,
    specs: &Specs,
    instances: &[Instance],
    nodes: Option<Vec<Node>>,
    boots: &BTreeMap<String, Boot>,
) -> View {
    let group =
        |g: &crate::spec::InstanceGroup| Group { name: g.name().to_owned(), role: g.spec.role, min: 0, cloud: None };
    View {
        now,
        version: specs.cluster.spec.kubernetes_version(),
        groups: specs.groups.iter().map(group).collect(),
        machines: instances.iter().map(|i| Seen { boot: boot_of(i.launched, boots.get(&i.id)), ..seen(i) }).collect(),
        kubernetes: nodes.map(|nodes| Kubernetes { nodes, ..Kubernetes::default() }).ok_or_else(String::new),
        keys: Vec::new(),
        serving: None,
        snapshots: Vec::new(),
        alarms: Vec::new(),
    }
}

/// A machine as a judgement needs it.
pub(super) fn seen(i: &Instance) -> Seen {
    Seen {
        id: i.id.clone(),
        group: i.group.clone(),
        zone: i.zone.clone(),
        state: i.state.clone(),
        ending: false,
        launched: i.launched,
        boot: None,
    }
}

/// How far the boots of these machines got, by their ids.
pub(super) async fn boots(store: &ClusterStore, ids: &[String]) -> Result<BTreeMap<String, Boot>> {
    let told = if ids.is_empty() { Vec::new() } else { store.boots(ids).await? };
    Ok(told.into_iter().map(|status| (status.instance.clone(), status.into())).collect())
}

/// What a machine said since it was launched; what it said before it was stopped tells nothing of this boot.
pub(super) fn boot_of(launched: Option<Timestamp>, told: Option<&Boot>) -> Option<Boot> {
    told.filter(|boot| launched.is_none_or(|launched| boot.when >= launched)).cloned()
}

fn row(member: &Member<'_>, instances: &BTreeMap<&str, &Instance>, prices: &Prices, knows: bool) -> Machine {
    let instance = member.machine.and_then(|m| instances.get(m.id.as_str())).map(|i| (*i).clone());
    let (status, reason) = status(member, knows);
    Machine {
        usd_per_hour: instance.as_ref().and_then(|i| price(i, prices)),
        instance,
        node: member.node.map(|n| n.name.clone()),
        status,
        reason,
        cordoned: member.node.is_some_and(|n| n.cordoned),
        kubelet: member.node.and_then(|n| n.kubelet).map(|v| v.to_string()),
        boot: member.machine.and_then(|m| m.boot.clone()),
        since: member.since(),
    }
}

fn status(member: &Member<'_>, knows: bool) -> (String, Option<String>) {
    let state = member.machine.map(|m| m.state.as_str()).unwrap_or_default();
    let why = member.node.and_then(|n| n.ready.as_ref().err()).map(|n| n.why.clone());
    let (status, reason) = match (&member.standing, member.node) {
        _ if !knows || member.role == Some(Role::Bastion) => (state, None),
        (Standing::Ready, _) => ("ready", None),
        (Standing::Coming, _) => ("coming", why),
        (Standing::Going(why), _) => ("leaving", Some(why.clone())),
        (Standing::Failing, None) => ("not joined", None),
        (Standing::Failing, Some(_)) => ("not ready", why),
    };
    (status.to_owned(), reason)
}

fn price(instance: &Instance, prices: &Prices) -> Option<f64> {
    match instance.lifecycle.as_str() {
        "spot" => prices.spot.get(&instance.instance_type)?.get(&instance.zone).map(|p| p.usd_per_hour),
        _ => prices.on_demand.get(&instance.instance_type).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was said before the launch is of another boot.
    #[test]
    fn stale_statuses_are_left_out() {
        let at = |second| Timestamp::constant(second, 0);
        let boot = Boot { phase: "kernel".into(), error: None, began: None, since: None, when: at(100) };
        assert_eq!(boot_of(Some(at(101)), Some(&boot)), None);
        assert_eq!(boot_of(Some(at(100)), Some(&boot)), Some(boot.clone()));
        assert_eq!(boot_of(None, Some(&boot)), Some(boot.clone()));
        assert_eq!(boot_of(Some(at(1)), None), None);
    }
}
