//! Labels of nodes, from their groups. A kubelet may set most of them itself when it registers; this sets those that it
//! may not, and brings all up to date when the spec changes.
//!
//! Which group a node is in is asked of EC2, never of the node. What was set last is noted on the node, so that a label
//! which the spec has no more is removed, while other people's stay. Taints are the kubelet's at registration: they are
//! touched only when the group's own have changed since.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::addresses::{Fleet, Seen};
use super::each::each;
use super::home::Home;
use super::leader;
use crate::error::Result;
use crate::kube::label::{self, Change, Labelled};
use crate::model::tags::{self, LIFECYCLE};
use crate::spec::{Object, Taint};
use crate::state::{Etag, Fetched};

/// How often all nodes are looked at, besides when one changes.
const EVERY: Duration = Duration::from_secs(30);

/// How long changes are gathered: many nodes come at once.
const GATHER: Duration = Duration::from_millis(500);

/// How long a watch is used: its certificate ends some time after.
const WATCH: Duration = Duration::from_secs(3600);

/// The annotation that tells what was set last.
const APPLIED: &str = "kspot.io/applied";

/// What the nodes of a group have.
#[derive(Clone, Debug, Default, PartialEq)]
struct Wanted {
    labels: BTreeMap<String, String>,
    taints: Vec<Taint>,
}

/// What was set last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Applied {
    labels: BTreeSet<String>,
    taints: Vec<Taint>,
}

/// What the groups' nodes have, as the specs were applied last.
#[derive(Default)]
struct Specs {
    read: Option<Etag>,
    groups: BTreeMap<String, Wanted>,
}

impl Specs {
    /// Reads them if they have changed.
    async fn refresh(&mut self, home: &Home) -> Result<()> {
        let (store, key) = (home.store.store(), home.store.keys().completed());
        let fetched = match &self.read {
            Some(etag) => store.get_if_changed(&key, etag).await?,
            None => store.get(&key).await?.map_or(Fetched::Missing, Fetched::Changed),
        };
        let Fetched::Changed(blob) = fetched else { return Ok(()) };
        let etag = blob.etag.clone();
        self.groups = groups(&blob.text(&key)?).map_err(|e| e.context(format!("{key} can't be understood")))?;
        self.read = Some(etag);
        Ok(())
    }
}

/// Keeps the labels until it is stopped.
pub async fn follow(home: Arc<Home>, seen: Seen, leading: watch::Receiver<bool>, stop: CancellationToken) {
    // When its time is over it begins again, with a new watch.
    let work = || tokio::time::timeout(WATCH, keep(&home, &seen)).map(drop);
    leader::while_leading(leading, stop, work).await;
}

/// Looks at all nodes whenever one changes, and now and then.
async fn keep(home: &Home, seen: &Seen) {
    let mut specs = Specs::default();
    let changed = Arc::new(Notify::new());
    let watch = async {
        match home.door.client().await {
            Ok(client) => label::watch(client, Arc::clone(&changed)).await,
            Err(e) => tracing::warn!(error = e.line(), "nodes are not watched"),
        }
    };
    let look = async {
        loop {
            let fleet = seen.borrow().clone();
            if let Err(e) = round(home, &fleet, &mut specs).await {
                tracing::warn!(error = e.line(), "nodes are not labelled");
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = changed.notified() => tokio::time::sleep(GATHER).await,
            }
        }
    };
    tokio::join!(watch, look);
}

async fn round(home: &Home, fleet: &Fleet, specs: &mut Specs) -> Result<()> {
    specs.refresh(home).await?;
    let client = home.door.client().await?;
    let wanted = |node: &Labelled| {
        let group = fleet.machines.get(&node.name).and_then(|machine| machine.group())?;
        difference(node, specs.groups.get(group)?)
    };
    let nodes = label::list(&client).await?.into_iter();
    let due: Vec<(Labelled, Change)> = nodes.filter_map(|node| wanted(&node).map(|change| (node, change))).collect();
    let client = &client;
    let set = |(node, change): (Labelled, Change)| async move {
        if label::change(client, &node, &change).await? {
            tracing::info!(node = node.name, labels = ?change.labels, taints = change.taints.is_some(), "labelled");
        }
        Ok(())
    };
    each(due, "changed", set).await
}

/// What each group's nodes have, out of the completed specs.
fn groups(text: &str) -> Result<BTreeMap<String, Wanted>> {
    let objects = crate::spec::parse::parse(text, "cluster-completed.spec")?;
    let groups = objects.iter().filter_map(|object| match object {
        Object::InstanceGroup(group) => Some(group),
        Object::Cluster(_) => None,
    });
    Ok(groups
        .map(|group| {
            let mut labels = tags::labels(group);
            // How a machine was bought it knows itself.
            labels.remove(LIFECYCLE);
            (group.name().to_owned(), Wanted { labels, taints: group.spec.effective_taints() })
        })
        .collect())
}

/// What is to be changed of a node; none if nothing is.
fn difference(node: &Labelled, wanted: &Wanted) -> Option<Change> {
    let note = node.annotations.get(APPLIED);
    let applied: Option<Applied> = note.and_then(|text| serde_json::from_str(text).ok());
    let mut change = Change::default();
    for (key, value) in &wanted.labels {
        if node.labels.get(key) != Some(value) {
            change.labels.insert(key.clone(), Some(value.clone()));
        }
    }
    for key in applied.iter().flat_map(|a| &a.labels) {
        if !wanted.labels.contains_key(key) && node.labels.contains_key(key) && key != LIFECYCLE {
            change.labels.insert(key.clone(), None);
        }
    }
    if let Some(applied) = applied.as_ref().filter(|a| a.taints != wanted.taints) {
        let after = taints(&node.taints, &applied.taints, &wanted.taints);
        change.taints = (after != node.taints).then_some(after);
    }
    let now = Applied { labels: wanted.labels.keys().cloned().collect(), taints: wanted.taints.clone() };
    if applied.as_ref() != Some(&now) {
        let text = serde_json::to_string(&now).unwrap_or_default();
        change.annotations.insert(APPLIED.to_owned(), text);
    }
    (change != Change::default()).then_some(change)
}

/// A node's taints after the group's have changed; everybody else's stay as they are.
fn taints(there: &[Value], before: &[Taint], after: &[Taint]) -> Vec<Value> {
    let is = |value: &Value, taint: &Taint| value["key"] == *taint.key && value["effect"] == taint.effect.as_str();
    let superfluous = |value: &&Value| before.iter().chain(after).any(|taint| is(value, taint));
    let as_it_was = |taint: &Taint| {
        let same = |v: &&Value| is(v, taint) && v["value"].as_str().unwrap_or_default() == taint.value;
        there.iter().find(same).cloned()
    };
    let new = |taint: &Taint| json!({"key": taint.key, "value": taint.value, "effect": taint.effect.as_str()});
    let kept = there.iter().filter(|value| !superfluous(value)).cloned();
    kept.chain(after.iter().map(|taint| as_it_was(taint).unwrap_or_else(|| new(taint)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::TaintEffect;

    fn taint(key: &str, value: &str) -> Taint {
        Taint { key: key.into(), value: value.into(), effect: TaintEffect::NoSchedule }
    }

    fn wanted(labels: &[(&str, &str)], taints: &[Taint]) -> Wanted {
        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Wanted { labels, taints: taints.to_vec() }
    }

    /// The node after the change, as the API would have it.
    fn after(mut node: Labelled, wanted: &Wanted) -> Labelled {
        let Some(change) = difference(&node, wanted) else { return node };
        for (key, value) in change.labels {
            match value {
                Some(value) => drop(node.labels.insert(key, value)),
                None => drop(node.labels.remove(&key)),
            }
        }
        node.annotations.extend(change.annotations);
        node.taints = change.taints.unwrap_or(node.taints);
        assert_eq!(difference(&node, wanted), None, "once is enough");
        node
    }

    fn node(labels: &[(&str, &str)]) -> Labelled {
        Labelled { name: "i-1".into(), labels: wanted(labels, &[]).labels, ..Labelled::default() }
    }

    /// A label comes, changes and goes with the spec, whoever set it first; other people's stay, and so does how the
    /// machine was bought.
    #[test]
    fn labels_follow_the_spec() {
        let start = node(&[("team", "a"), ("theirs", "x"), (LIFECYCLE, "spot")]);
        let with = wanted(&[("team", "b"), ("node-role.kubernetes.io/node", "")], &[]);
        let labelled = after(start, &with);
        assert_eq!(labelled.labels.len(), 4);
        assert_eq!(labelled.labels["team"], "b");
        let without = after(labelled, &wanted(&[("node-role.kubernetes.io/node", "")], &[]));
        let left: Vec<&str> = without.labels.keys().map(String::as_str).collect();
        assert_eq!(left, [LIFECYCLE, "node-role.kubernetes.io/node", "theirs"]);
    }

    /// Taints are not touched until the group's change; then only the group's are.
    #[test]
    fn taints_of_running_nodes_are_left_alone() {
        let mut start = node(&[]);
        start.taints = vec![
            json!({"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule", "timeAdded": "2026-11-21T12:00:00Z"}),
        ];
        let (a, b) = (taint("a", "1"), taint("b", ""));
        let seen = after(start.clone(), &wanted(&[], std::slice::from_ref(&a)));
        assert_eq!(seen.taints, start.taints, "somebody took it away on purpose");
        let changed = after(seen, &wanted(&[], &[taint("a", "2"), b.clone()]));
        let keys: Vec<_> = changed.taints.iter().map(|t| (t["key"].as_str().unwrap(), t["value"].as_str())).collect();
        assert_eq!(keys, [("node.kubernetes.io/not-ready", None), ("a", Some("2")), ("b", Some(""))]);
        assert_eq!(changed.taints[0], start.taints[0]);
        let gone = after(changed, &wanted(&[], &[b]));
        assert_eq!(gone.taints.len(), 2);
    }

    /// The groups of the completed specs have the labels that the model gives them, but for how a machine was bought.
    #[test]
    fn groups_are_read_from_the_specs() {
        let text = "apiVersion: kspot.io/v1alpha1\nkind: InstanceGroup\nmetadata:\n  name: a\n  labels:\n    kspot.io/cluster: c\n\
            spec:\n  role: Node\n  nodeLabels:\n    team: x\n  taints:\n  - k=v:NoSchedule\n";
        let groups = groups(text).unwrap();
        let a = &groups["a"];
        assert_eq!(a.labels["team"], "x");
        assert!(a.labels.contains_key("node-role.kubernetes.io/node") && !a.labels.contains_key(LIFECYCLE));
        assert_eq!(a.taints, [taint("k", "v")]);
    }
}
