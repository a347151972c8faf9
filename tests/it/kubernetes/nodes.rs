//! Stands in for kubelets: Node objects that say how they are, pods that run as soon as they are bound to one of them, and
//! that are gone a moment after they were asked to end. It runs no container; nothing asserts on what it does itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// The annotation of a pod that does not end when it is asked to.
pub(crate) const STUCK: &str = "kspot.io/test-stuck";

/// How often pods are looked at.
const TICK: Duration = Duration::from_millis(100);

/// How often a node says how it is; Kubernetes takes one for lost that has not for 50 seconds.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The kubelets of a few nodes. They end with this value.
pub(crate) struct Nodes {
    client: Client,
    /// By name, whether it is ready.
    all: Arc<Mutex<BTreeMap<String, bool>>>,
    task: JoinHandle<()>,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Nodes {
    /// Kubelets of no node yet.
    pub(crate) fn new(client: Client) -> Nodes {
        let all: Arc<Mutex<BTreeMap<String, bool>>> = Arc::default();
        let task = tokio::spawn(run(client.clone(), Arc::clone(&all)));
        Nodes { client, all, task }
    }

    /// A node joins and is ready: its name, its provider id (`aws:///ZONE/INSTANCE`), its labels.
    pub(crate) async fn join(&self, name: &str, provider_id: &str, labels: &[(&str, &str)]) {
        let labels: BTreeMap<&str, &str> = labels.iter().copied().collect();
        let node = json!({"metadata": {"name": name, "labels": labels}, "spec": {"providerID": provider_id}});
        let node = serde_json::from_value(node).unwrap();
        self.api().create(&PostParams::default(), &node).await.unwrap();
        self.all.lock().unwrap().insert(name.to_owned(), true);
        beat(&self.client, name, true).await;
    }

    /// A node says from now on that it is ready, or is not.
    pub(crate) async fn set_ready(&self, name: &str, ready: bool) {
        self.all.lock().unwrap().insert(name.to_owned(), ready);
        beat(&self.client, name, ready).await;
    }

    /// A node's kubelet says nothing any more, and ends no pods; the object stays.
    pub(crate) fn silence(&self, name: &str) {
        self.all.lock().unwrap().remove(name);
    }

    /// A node goes, as when its machine was ended and the cloud controller noticed.
    pub(crate) async fn leave(&self, name: &str) {
        self.silence(name);
        self.api().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The Node object as it is.
    pub(crate) async fn get(&self, name: &str) -> Node {
        self.api().get(name).await.unwrap()
    }

    fn api(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }
}

/// Looks after the pods and nodes until it is aborted. What fails is tried again in the next round: the API server may be
/// busy, or gone because the test wants it so.
async fn run(client: Client, all: Arc<Mutex<BTreeMap<String, bool>>>) {
    let mut beaten = Instant::now();
    loop {
        let nodes = all.lock().unwrap().clone();
        if beaten.elapsed() > HEARTBEAT {
            beaten = Instant::now();
            for (name, ready) in &nodes {
                beat(&client, name, *ready).await;
            }
        }
        let pods = Api::<Pod>::all(client.clone()).list(&ListParams::default()).await;
        for pod in pods.into_iter().flat_map(|list| list.items) {
            let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_ref());
            if node.is_some_and(|node| nodes.contains_key(node)) {
                tend(&client, &pod).await;
            }
        }
        tokio::time::sleep(TICK).await;
    }
}

/// What a kubelet does for one pod.
async fn tend(client: &Client, pod: &Pod) {
    let pods = Api::<Pod>::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap());
    let name = pod.metadata.name.as_deref().unwrap();
    let stuck = pod.metadata.annotations.iter().flatten().any(|(key, _)| key == STUCK);
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if pod.metadata.deletion_timestamp.is_some() {
        if !stuck {
            let _ = pods.delete(name, &DeleteParams::default().grace_period(0)).await;
        }
    } else if phase == Some("Pending") {
        let status = json!({"status": {"phase": "Running", "conditions": [condition(true)]}});
        let _ = pods.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await;
    }
}

/// A node says how it is.
async fn beat(client: &Client, name: &str, ready: bool) {
    let status = json!({"status": {"conditions": [condition(ready)]}});
    let nodes = Api::<Node>::all(client.clone());
    let _ = nodes.patch_status(name, &PatchParams::default(), &Patch::Strategic(status)).await;
}

fn condition(ready: bool) -> Value {
    let status = if ready { "True" } else { "False" };
    let mut condition = json!({"type": "Ready", "status": status, "reason": "Test", "message": "as the test wants it"});
    condition["lastHeartbeatTime"] = json!(Timestamp::now());
    condition["lastTransitionTime"] = json!(Timestamp::now());
    condition
}
