//! The controller beside a real API server: nodes that join, their labels, the addons, and which of two controllers does
//! what. Tier: real API server for Kubernetes, corrected moto for AWS.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, ServiceAccount};
use kspot::kube::connect;
use kspot::kube::lease::Lease;
use kspot::kube::terminated::TAINT;
use kspot::node::join::Request;
use kspot::node::labels::kubelet_may_set;
use kspot::node::worker::Unsuccessful;
use kspot::pki::Name;
use kspot::pki::issue::{Pair, authority, request};
use kspot::resource::Addon;
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::stage::{CLUSTER, Controller, PATIENCE, Stage, Worker};
use crate::kubernetes::{Nodes, Plane};

/// A control plane, and what its controllers work with.
async fn stage() -> (Plane, Stage) {
    let kubernetes = authority(Name::KubernetesCa, CLUSTER, Timestamp::now()).unwrap();
    let plane = Plane::of(CLUSTER, |name| match name {
        Name::KubernetesCa => kubernetes.clone(),
        name => authority(name, CLUSTER, Timestamp::now()).unwrap(),
    });
    let plane = plane.await;
    let port = plane.url().rsplit(':').next().unwrap().parse().unwrap();
    let stage = Stage::of(kubernetes, Some(port)).await;
    (plane, stage)
}

/// Waits until something is so.
async fn until(what: &str, controller: &Controller, so: impl AsyncFn() -> bool) {
    let start = Instant::now();
    while !so().await {
        assert!(start.elapsed() < PATIENCE, "not {what}:\n{}", controller.log());
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A kubelet's client, with the certificate that its machine was granted.
async fn kubelet(plane: &Plane, stage: &Stage, controller: &Controller, worker: &Worker) -> Client {
    let (key, csr) = request().unwrap();
    let asked = Request { client: csr, ..stage.request(worker) };
    let grant = stage.ask_for(controller, worker, &asked).await;
    let grant = grant.unwrap_or_else(|e| panic!("{e:?}\n{}", controller.log()));
    connect(&plane.entry(Pair { public: grant.client, private: key })).await.unwrap()
}

/// Registers a node as its kubelet does.
async fn register(kubelet: &Client, worker: &Worker, labels: &[(&str, &str)]) {
    let labels: serde_json::Map<_, _> = labels.iter().map(|(k, v)| ((*k).to_owned(), json!(v))).collect();
    let provider = format!("aws:///eu-west-1a/{}", worker.id);
    let taint = json!({"key": "team", "value": "a", "effect": "NoSchedule"});
    let node = json!({
        "metadata": {"name": worker.id, "labels": labels},
        "spec": {"providerID": provider, "taints": [taint]},
    });
    let node = serde_json::from_value(node).unwrap();
    Api::<Node>::all(kubelet.clone()).create(&PostParams::default(), &node).await.unwrap();
}

/// The completed specs with one group of workers.
async fn specs(stage: &Stage, group: &str) {
    let text = format!(
        "apiVersion: kspot.io/v1alpha1\nkind: InstanceGroup\nmetadata:\n  name: workers\n  labels:\n    kspot.io/cluster: {CLUSTER}\nspec:\n  role: Node\n{group}"
    );
    stage.put(&stage.store.keys().completed(), text.as_bytes()).await;
}

/// The certificate of a worker is its kubelet's: it registers its node and sees it, no other's; the API server refuses just
/// the labels that a kubelet is said not to set; the controller sets those, and takes away what the spec has no more.
/// Nobody takes the place of a node that works.
#[tokio::test(flavor = "multi_thread")]
async fn nodes_join_and_are_labelled() {
    let (plane, stage) = stage().await;
    let (worker, other) = (stage.worker().await, stage.worker().await);
    specs(&stage, "  nodeLabels:\n    team: a\n    gone: x\n  taints:\n  - team=a:NoSchedule\n").await;
    let controller = stage.start().await;
    let (mine, theirs) =
        tokio::join!(kubelet(&plane, &stage, &controller, &worker), kubelet(&plane, &stage, &controller, &other));
    register(&mine, &worker, &[("team", "old"), ("gone", "x"), ("kspot.io/lifecycle", "spot"), ("own", "1")]).await;
    register(&theirs, &other, &[]).await;
    assert!(Api::<Node>::all(mine.clone()).get(&worker.id).await.is_ok());
    assert!(Api::<Node>::all(mine.clone()).get(&other.id).await.is_err(), "the node authorizer");

    for key in [
        "node-role.kubernetes.io/node",
        "kops.k8s.io/instancegroup",
        "kspot.io/instancegroup",
        "node.kubernetes.io/exclude-from-external-load-balancers",
        "kubernetes.io/hostname",
        "kubernetes.io/role",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/rack",
        "node-restriction.kubernetes.io/x",
        "sub.kubelet.kubernetes.io/x",
        "x.k8s.io/y",
    ] {
        let patch = json!({"metadata": {"labels": {key: "x"}}});
        let dry = PatchParams { dry_run: true, ..PatchParams::default() };
        let set = Api::<Node>::all(mine.clone()).patch(&worker.id, &dry, &Patch::Merge(patch)).await;
        assert_eq!(set.is_ok(), kubelet_may_set(key), "{key}: {:?}", set.err());
    }

    let nodes = Api::<Node>::all(plane.admin().await);
    let label =
        async |key: &str| nodes.get_metadata(&worker.id).await.unwrap().metadata.labels.unwrap().get(key).cloned();
    until("labelled", &controller, async || {
        label("node-role.kubernetes.io/node").await.is_some() && label("team").await.as_deref() == Some("a")
    })
    .await;
    assert_eq!(label("kops.k8s.io/instancegroup").await.as_deref(), Some("workers"));
    let by_hand = json!({"metadata": {"labels": {"hand": "1", "team": "b"}}});
    nodes.patch(&worker.id, &PatchParams::default(), &Patch::Merge(by_hand)).await.unwrap();
    until("put right", &controller, async || label("team").await.as_deref() == Some("a")).await;
    specs(&stage, "  nodeLabels:\n    team: c\n  taints:\n  - team=b:NoSchedule\n").await;
    // Specs are looked at when a node changes, and now and then.
    let nudge = json!({"metadata": {"labels": {"hand": "2"}}});
    nodes.patch(&worker.id, &PatchParams::default(), &Patch::Merge(nudge)).await.unwrap();
    until("changed", &controller, async || label("team").await.as_deref() == Some("c")).await;
    assert_eq!(label("gone").await, None);
    for (theirs, value) in [("hand", "2"), ("own", "1"), ("kspot.io/lifecycle", "spot")] {
        assert_eq!(label(theirs).await.as_deref(), Some(value));
    }
    let taints = nodes.get(&worker.id).await.unwrap().spec.unwrap().taints.unwrap();
    let group: Vec<_> = taints.iter().filter(|t| t.key == "team").map(|t| t.value.as_deref()).collect();
    assert_eq!(group, [Some("b")]);

    // A worker may come again, not in another's place.
    assert!(stage.ask(&controller, &worker).await.is_ok());
    let third = stage.worker().await;
    Nodes::new(plane.admin().await).join(&third.id, &format!("aws:///eu-west-1a/{}", worker.id), &[]).await;
    match stage.ask(&controller, &third).await {
        Err(Unsuccessful::Refused { status: 409, why }) => assert!(why.contains("is ready"), "{why}"),
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("it was granted"),
    }
}

/// A terminated machine's node goes at once, and what was on it before: its pods as failed, whatever grace they have, and by
/// a taint its volumes, for which the node waits. What belongs to the node stays as long as that does, and everything on a
/// machine that is only stopped stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_on_a_terminated_machine_is_let_go_of() {
    let (plane, stage) = stage().await;
    let client = plane.admin().await;
    let (dead, stopped) = (stage.worker().await, stage.worker().await);
    let nodes = Nodes::new(client.clone());
    for worker in [&dead, &stopped] {
        nodes.join(&worker.id, &format!("aws:///eu-west-1a/{}", worker.id), &[]).await;
        nodes.silence(&worker.id);
    }
    let account = serde_json::from_value(json!({"metadata": {"name": "default"}})).unwrap();
    Api::<ServiceAccount>::default_namespaced(client.clone()).create(&PostParams::default(), &account).await.unwrap();
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let make = async |name: &str, on: &Worker, more: Value| {
        let mut pod = json!({
            "metadata": {"name": name},
            "spec": {"nodeName": on.id, "terminationGracePeriodSeconds": 7777, "containers": [{"name": "c", "image": "c"}]},
        });
        pod["metadata"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        pods.create(&PostParams::default(), &serde_json::from_value(pod).unwrap()).await.unwrap();
    };
    let daemon = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "d", "uid": "d", "controller": true});
    make("web", &dead, json!({})).await;
    make("ending", &dead, json!({})).await;
    make("job", &dead, json!({"finalizers": ["batch.kubernetes.io/job-tracking"]})).await;
    make("daemon", &dead, json!({"ownerReferences": [daemon]})).await;
    make("done", &dead, json!({})).await;
    make("other", &stopped, json!({})).await;
    let succeeded = Patch::Merge(json!({"status": {"phase": "Succeeded"}}));
    pods.patch_status("done", &PatchParams::default(), &succeeded).await.unwrap();
    pods.delete("ending", &DeleteParams::default()).await.unwrap();
    let taints = async |worker: &Worker| nodes.get(&worker.id).await.spec.unwrap().taints.unwrap_or_default();
    let out = async |worker: &Worker| taints(worker).await.into_iter().filter(|t| t.key == TAINT).collect::<Vec<_>>();

    let volume = json!({"name": "kubernetes.io/csi/ebs.csi.aws.com^vol-1", "devicePath": ""});
    let attached = Patch::Merge(json!({"status": {"volumesAttached": [volume]}}));
    let all = Api::<Node>::all(client.clone());
    all.patch_status(&dead.id, &PatchParams::default(), &attached).await.unwrap();

    let controller = stage.start().await;
    stage.terminate(&dead).await;
    stage.stop(&stopped).await;
    until("let go of", &controller, async || {
        let there = pods.list(&ListParams::default()).await.unwrap().items;
        let ending = |pod: &Pod| pod.metadata.deletion_timestamp.is_some();
        let names: Vec<_> = there.iter().map(|pod| (pod.metadata.name.as_deref().unwrap(), ending(pod))).collect();
        names == [("daemon", false), ("done", false), ("job", true), ("other", false)] && !out(&dead).await.is_empty()
    })
    .await;
    let job = pods.get("job").await.unwrap().status.unwrap();
    let why = job.conditions.unwrap().into_iter().find(|c| c.type_ == "DisruptionTarget").unwrap();
    assert_eq!(
        (job.phase.as_deref(), why.status.as_str(), why.reason.as_deref()),
        (Some("Failed"), "True", Some("InstanceTerminated"))
    );
    let taint = out(&dead).await.pop().unwrap();
    assert_eq!((taint.effect.as_str(), taint.value.as_deref()), ("NoExecute", Some("terminated")));

    let detached = Patch::Merge(json!({"status": {"volumesAttached": null}}));
    all.patch_status(&dead.id, &PatchParams::default(), &detached).await.unwrap();
    until("gone", &controller, async || {
        let there = pods.list_metadata(&ListParams::default()).await.unwrap().items;
        let names: Vec<_> = there.into_iter().filter_map(|pod| pod.metadata.name).collect();
        names == ["job", "other"] && all.get_opt(&dead.id).await.unwrap().is_none()
    })
    .await;
    assert!(out(&stopped).await.is_empty());
}

/// Writes an addon of one ConfigMap, as an update does; gives its key.
async fn addon(stage: &Stage, name: &str, value: &str) -> String {
    let text = format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\n  namespace: kube-system\n  labels:\n    kspot.io/addon: {name}\n    app.kubernetes.io/managed-by: kspot\ndata:\n  value: \"{value}\"\n"
    );
    let addon = Addon::new(CLUSTER, "1.0", text.clone());
    let key = stage.store.keys().addon(&format!("{name}/1.0-{}", addon.digest));
    stage.put(&key, text.as_bytes()).await;
    key
}

/// Addons are applied when the store has others, and what it has no more is removed; an empty store removes nothing. One
/// controller does it, another goes on when that one ends, in whatever way.
#[tokio::test(flavor = "multi_thread")]
async fn addons_follow_the_store() {
    let (plane, stage) = stage().await;
    let maps = Api::<ConfigMap>::namespaced(plane.admin().await, "kube-system");
    let value = async |name: &str| {
        let map = maps.get_opt(name).await.unwrap();
        map.map(|map| map.data.unwrap_or_default().get("value").cloned().unwrap_or_default())
    };
    let (one, two) = (addon(&stage, "one", "1").await, addon(&stage, "two", "1").await);
    let first = stage.start().await;
    until("applied", &first, async || value("one").await.is_some() && value("two").await.is_some()).await;
    let second = stage.start().await;
    let remove = async |key: &str| {
        stage.store.store().delete(key, kspot::state::Precondition::None).await.unwrap();
    };
    remove(&two).await;
    addon(&stage, "one", "2").await;
    remove(&one).await;
    until("changed", &first, async || value("one").await.as_deref() == Some("2") && value("two").await.is_none()).await;
    assert!(!second.log().contains("the addons are applied"), "{}", second.log());

    // It ends as services do: the other one has the lease at once.
    let ended = Instant::now();
    assert_eq!(first.end(), Some(0));
    addon(&stage, "three", "1").await;
    until("taken over", &second, async || value("three").await.is_some()).await;
    assert!(ended.elapsed() < Duration::from_secs(40), "{:?}", ended.elapsed());

    // It is killed in the middle: another one goes on once the lease is over, and finds what was half done.
    let third = stage.start().await;
    addon(&stage, "four", "1").await;
    drop(second);
    maps.delete("three", &DeleteParams::default()).await.unwrap();
    until("taken over again", &third, async || value("three").await.is_some() && value("four").await.is_some()).await;

    for entry in stage.store.store().list(&stage.store.keys().addons(), None).await.unwrap() {
        remove(&entry.key).await;
    }
    third.says("the state store holds no addons").await;
    assert!(value("one").await.is_some() && value("four").await.is_some());
}

/// Of contenders for a lease never two hold it at once, while they come and go, and somebody always gets it.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_has_one_holder() {
    let plane = Plane::start().await;
    let life = Duration::from_millis(1500);
    let contend = async |name: String, client: Client| {
        let mut held: Vec<(Instant, Instant)> = Vec::new();
        let start = Instant::now();
        let mut lease = Lease::new("test", &name, life);
        let mut silent = 0;
        while start.elapsed() < Duration::from_secs(12) {
            if let Some(until) = lease.hold(&client).await.unwrap() {
                held.push((Instant::now(), until));
                // Now and then it falls silent, or lets go.
                silent += 1;
                if silent % 5 == 0 {
                    tokio::time::sleep(life * 2).await;
                } else if silent % 7 == 0 {
                    let now = Instant::now();
                    held.iter_mut().for_each(|(_, until)| *until = now.min(*until));
                    lease.release(&client).await.unwrap();
                    tokio::time::sleep(life / 2).await;
                }
            }
            tokio::time::sleep(life / 10).await;
        }
        (name, held)
    };
    let clients = [plane.admin().await, plane.admin().await, plane.admin().await];
    let contenders = clients.into_iter().enumerate().map(|(n, client)| contend(format!("contender-{n}"), client));
    let all = futures::future::join_all(contenders).await;
    assert!(all.iter().filter(|(_, held)| !held.is_empty()).count() > 1, "it changed hands");
    for (one, theirs) in &all {
        for (other, others) in all.iter().filter(|(other, _)| other != one) {
            for ((from, to), (other_from, other_to)) in theirs.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
                assert!(to <= other_from || other_to <= from, "{one} and {other} at once");
            }
        }
    }
}
