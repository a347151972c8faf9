//! Draining nodes of a real API server whose controllers count the budgets: what allows, what blocks, what disappears, and
//! what goes wrong.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use kspot::error::{Error, Kind};
use kspot::kube::connect;
use kspot::kube::drain::{Drained, EXCLUDE, End, News, Options, drain};
use kube::Client;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::nodes::STUCK;
use super::{Nodes, Plane};

/// How long something may take that comes by itself.
const PATIENCE: Duration = Duration::from_secs(60);

/// A control plane with controllers, two nodes `a` and `b`, and their kubelets.
struct Stage {
    plane: Plane,
    client: Client,
    nodes: Nodes,
}

impl Stage {
    async fn new() -> Stage {
        let plane = Plane::with_controllers().await;
        let client = plane.admin().await;
        let nodes = Nodes::new(client.clone());
        for name in ["a", "b"] {
            nodes.join(name, &format!("aws:///eu-west-1a/i-{name}"), &[("on", name)]).await;
        }
        Stage { plane, client, nodes }
    }

    fn pods(&self) -> Api<Pod> {
        Api::default_namespaced(self.client.clone())
    }

    /// Makes a pod on a node, with the label `app`, and waits until it is ready.
    async fn pod(&self, name: &str, app: &str, node: &str, annotations: Value) -> Pod {
        let pod = json!({
            "metadata": {"name": name, "labels": {"app": app}, "annotations": annotations},
            "spec": {
                "nodeName": node,
                "terminationGracePeriodSeconds": 77,
                "containers": [{"name": "c", "image": "registry.k8s.io/pause"}],
            },
        });
        create(&self.pods(), pod).await;
        self.ready(name).await
    }

    async fn ready(&self, name: &str) -> Pod {
        until(&format!("pod {name} to be ready"), async || {
            let pod = self.pods().get(name).await.unwrap();
            let phase = pod.status.as_ref().and_then(|status| status.phase.clone());
            (phase.as_deref() == Some("Running")).then_some(pod)
        })
        .await
    }

    /// Makes a budget over the pods with this label, and waits until that many of them may go.
    async fn budget(&self, app: &str, min: u32, allowed: i32) {
        let budgets = Api::<PodDisruptionBudget>::default_namespaced(self.client.clone());
        let spec = json!({"minAvailable": min, "selector": {"matchLabels": {"app": app}}});
        create(&budgets, json!({"metadata": {"name": format!("{app}-budget")}, "spec": spec})).await;
        until(&format!("the budget of {app} to allow {allowed}"), async || {
            let status = budgets.get(&format!("{app}-budget")).await.unwrap().status;
            let counted =
                status.is_some_and(|s| s.observed_generation.is_some() && s.disruptions_allowed == Some(allowed));
            counted.then_some(())
        })
        .await;
    }

    /// The names of the pods on a node that are not on their way out.
    async fn on(&self, node: &str) -> Vec<String> {
        let here = ListParams::default().fields(&format!("spec.nodeName={node}"));
        let pods = self.pods().list(&here).await.unwrap().items;
        let stay = pods.into_iter().filter(|pod| pod.metadata.deletion_timestamp.is_none());
        stay.filter_map(|pod| pod.metadata.name).collect()
    }

    /// Whether a node takes no pods and no traffic.
    async fn shut(&self, node: &str) -> (bool, bool) {
        let node = self.nodes.get(node).await;
        let labels = node.metadata.labels.unwrap_or_default();
        (node.spec.unwrap().unschedulable == Some(true), labels.contains_key(EXCLUDE))
    }

    async fn drain(&self, node: &str, seconds: u64) -> Result<Drained, Error> {
        drain(&self.client, node, &options(seconds), &|_| {}).await
    }
}

fn options(seconds: u64) -> Options {
    Options { timeout: Duration::from_secs(seconds), stop: CancellationToken::new() }
}

async fn create<K>(api: &Api<K>, object: Value)
where
    K: Clone + std::fmt::Debug + serde::Serialize + DeserializeOwned,
{
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
}

/// Polls for what controllers and kubelets do in their own time.
async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return seen;
        }
        assert!(start.elapsed() < PATIENCE, "waiting for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Budgets that allow: every pod goes that has to, whoever owns it; the DaemonSet's and the mirror of a static pod stay;
/// the node takes no pods and no traffic. A second drain finds nothing to do, and a node that never was is said to be none.
#[tokio::test]
async fn budgets_that_allow() {
    let stage = Stage::new().await;
    for (name, node) in [("web-1", "a"), ("web-2", "a"), ("web-3", "b")] {
        stage.pod(name, "web", node, json!({})).await;
    }
    stage.pod("alone", "alone", "a", json!({})).await;
    stage.pod("static", "static", "a", json!({"kubernetes.io/config.mirror": "x"})).await;
    stage.budget("web", 1, 2).await;
    let daemon = daemon(&stage, "a").await;

    let news = Mutex::new(Vec::new());
    let report = |n: &News| news.lock().unwrap().push(n.clone());
    let drained = drain(&stage.client, "a", &options(60), &report).await.unwrap();
    assert_eq!(drained.end, End::Empty);
    let mut gone = drained.gone;
    gone.sort();
    assert_eq!(gone, ["default/alone", "default/web-1", "default/web-2"]);
    let mut left = stage.on("a").await;
    left.sort();
    assert_eq!(left, [daemon, "static".to_owned()]);
    assert_eq!((stage.shut("a").await, stage.shut("b").await), ((true, true), (false, false)));
    let news = news.into_inner().unwrap();
    assert_eq!(news[0], News::Cordoned(3));
    assert_eq!(news.iter().filter(|n| matches!(n, News::Evicted(_))).count(), 3, "{news:?}");

    // Whether the node is ready makes no difference.
    stage.nodes.set_ready("a", false).await;
    assert_eq!(stage.drain("a", 30).await.unwrap(), Drained { end: End::Empty, gone: vec![] });
    assert_eq!(stage.drain("nowhere", 30).await.unwrap().end, End::Absent);
}

/// A DaemonSet's pod, as its controller makes it, bound to the node as a scheduler does.
async fn daemon(stage: &Stage, node: &str) -> String {
    let template = json!({
        "metadata": {"labels": {"app": "daemon"}},
        "spec": {"nodeSelector": {"on": node}, "containers": [{"name": "c", "image": "registry.k8s.io/pause"}]},
    });
    let spec = json!({"selector": {"matchLabels": {"app": "daemon"}}, "template": template});
    let sets = Api::<DaemonSet>::default_namespaced(stage.client.clone());
    create(&sets, json!({"metadata": {"name": "daemon"}, "spec": spec})).await;
    let made = ListParams::default().labels("app=daemon");
    let name = until("the DaemonSet's pod", async || {
        stage.pods().list(&made).await.unwrap().items.pop().and_then(|pod| pod.metadata.name)
    })
    .await;
    let target = json!({"apiVersion": "v1", "kind": "Node", "name": node});
    let binding = json!({"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target});
    let bound: Value =
        stage.pods().create_subresource("binding", &name, &PostParams::default(), &binding).await.unwrap();
    assert_eq!(bound["status"], "Success");
    stage.ready(&name).await;
    name
}

/// A budget that never allows: the drain ends at its deadline and names pod and budget; pods that may go are gone, the one
/// that may not is untouched; the node stays cordoned, and the error says how to undo that. As soon as the budget allows,
/// the next drain goes through.
#[tokio::test]
async fn budgets_that_block() {
    let stage = Stage::new().await;
    let web = stage.pod("web-1", "web", "a", json!({})).await;
    stage.pod("other", "other", "a", json!({})).await;
    stage.budget("web", 1, 0).await;

    let start = Instant::now();
    let error = stage.drain("a", 4).await.unwrap_err();
    let took = start.elapsed();
    assert!(took >= Duration::from_secs(4) && took < Duration::from_secs(5), "{took:?}");
    let said = error.details().join("\n");
    assert_eq!(error.message(), "node a is not drained after 4s: 1 pod still there", "{said}");
    assert_eq!(error.kind(), Kind::Failed);
    assert!(said.starts_with("pod default/web-1: blocked by the budget default/web-budget: "), "{said}");
    assert!(said.contains("needs 1 healthy pods and has 1"), "the API's own words: {said}");
    let hints = error.hints().join("\n");
    assert!(hints.contains("kubectl get pdb") && hints.contains("kubectl uncordon a"), "{hints}");
    assert_eq!(stage.on("a").await, ["web-1"]);
    assert_eq!(stage.pods().get("web-1").await.unwrap().metadata.uid, web.metadata.uid);
    assert_eq!(stage.shut("a").await, (true, true));

    // Somebody cordoned it before: that is the drain of above. It is left to them.
    let error = stage.drain("a", 1).await.unwrap_err();
    assert!(!error.hints().join("\n").contains("uncordon"), "{:?}", error.hints());

    // Another pod of the budget becomes ready elsewhere while the drain waits.
    let (blocked, mut told) = tokio::sync::mpsc::unbounded_channel();
    let report = move |news: &News| {
        if let News::Blocked { pod, by } = news {
            blocked.send(format!("{pod} {by}")).unwrap();
        }
    };
    let options = options(60);
    let drains = drain(&stage.client, "a", &options, &report);
    let helps = async {
        let first = told.recv().await.unwrap();
        assert!(first.contains("default/web-1") && first.contains("default/web-budget"), "{first}");
        stage.pod("web-2", "web", "b", json!({})).await;
    };
    let (drained, ()) = tokio::join!(drains, helps);
    assert_eq!(drained.unwrap(), Drained { end: End::Empty, gone: vec!["default/web-1".to_owned()] });
    assert!(told.try_recv().is_err(), "a budget is told once");
    assert_eq!(stage.on("b").await, ["web-2"]);

    // The API never evicts a pod of two budgets: its words say so.
    stage.pod("twice", "twice", "a", json!({})).await;
    stage.budget("twice", 0, 1).await;
    let budgets = Api::<PodDisruptionBudget>::default_namespaced(stage.client.clone());
    let spec = json!({"minAvailable": 0, "selector": {"matchLabels": {"app": "twice"}}});
    create(&budgets, json!({"metadata": {"name": "second"}, "spec": spec})).await;
    let error = stage.drain("a", 2).await.unwrap_err();
    assert!(error.details()[0].contains("more than one PodDisruptionBudget"), "{:?}", error.details());
    assert_eq!(stage.on("a").await, ["twice"]);
}

/// A pod that does not end is named with its grace period. A stop ends the drain at once. A node that disappears in the
/// middle is drained, also if another takes its name.
#[tokio::test]
async fn pods_that_stay_and_a_node_that_goes() {
    let stage = Stage::new().await;
    stage.pod("slow", "slow", "a", json!({STUCK: "true"})).await;
    let error = stage.drain("a", 2).await.unwrap_err();
    let said = error.details().join("\n");
    assert!(said.contains("pod default/slow: still ending after") && said.contains("grace period is 77s"), "{said}");

    let stop = CancellationToken::new();
    let options = Options { timeout: PATIENCE, stop: stop.clone() };
    let report = move |_: &News| stop.cancel();
    let start = Instant::now();
    let error = drain(&stage.client, "a", &options, &report).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(error.kind(), Kind::Interrupted);
    assert!(error.details()[0].contains("default/slow"), "{error:?}");

    // Another node of the same name in its place is another machine: what ran on the first is gone.
    let (cordoned, mut told) = tokio::sync::mpsc::unbounded_channel();
    let report = move |_: &News| cordoned.send(()).unwrap();
    let options = self::options(60);
    let drains = drain(&stage.client, "a", &options, &report);
    let replaced = async {
        told.recv().await.unwrap();
        stage.nodes.leave("a").await;
        stage.nodes.join("a", "aws:///eu-west-1a/i-other", &[]).await;
    };
    let (drained, ()) = tokio::join!(drains, replaced);
    assert_eq!(drained.unwrap(), Drained { end: End::Vanished, gone: vec!["default/slow".to_owned()] });
    assert_eq!(stage.shut("a").await, (false, false));

    stage.pod("web", "web", "b", json!({STUCK: "true"})).await;
    let (evicted, mut told) = tokio::sync::mpsc::unbounded_channel();
    let report = move |news: &News| {
        if let News::Evicted(pod) = news {
            evicted.send(pod.clone()).unwrap();
        }
    };
    let options = self::options(60);
    let drains = drain(&stage.client, "b", &options, &report);
    let goes = async {
        assert_eq!(told.recv().await.unwrap(), "default/web");
        stage.nodes.leave("b").await;
    };
    let (drained, ()) = tokio::join!(drains, goes);
    assert_eq!(drained.unwrap(), Drained { end: End::Vanished, gone: vec!["default/web".to_owned()] });
    // The pod went with its machine; until Kubernetes notices, the API still shows it.
    let _ = stage.pods().delete("web", &DeleteParams::default().grace_period(0)).await;
}

/// A webhook that is asked about evictions and is down: the drain ends at its deadline, names the webhook and the pod, and
/// evicts nothing.
#[tokio::test]
async fn a_webhook_that_is_down() {
    let stage = Stage::new().await;
    stage.pod("web", "web", "a", json!({})).await;
    let rule = json!({"apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods/eviction"], "operations": ["*"]});
    let is_asked = async || {
        let dry = json!({"metadata": {"name": "web"}, "deleteOptions": {"dryRun": ["All"]}});
        let params = PostParams { dry_run: true, ..PostParams::default() };
        stage.pods().create_subresource::<Value, Value>("eviction", "web", &params, &dry).await.is_err()
    };
    super::webhook_that_is_down(&stage.client, rule, is_asked).await;
    let start = Instant::now();
    let error = stage.drain("a", 3).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let said = error.details().join("\n");
    assert!(said.contains("pod default/web: ") && said.contains("down.example.com"), "{said}");
    assert!(error.hints().iter().any(|hint| hint.contains("validatingwebhookconfigurations")), "{:?}", error.hints());
    assert_eq!(stage.on("a").await, ["web"]);
}

/// A client that may do only this.
async fn only(stage: &Stage, name: &str, rules: Value) -> Client {
    let roles = Api::<ClusterRole>::all(stage.client.clone());
    create(&roles, json!({"metadata": {"name": name}, "rules": rules})).await;
    let bindings = Api::<ClusterRoleBinding>::all(stage.client.clone());
    let group = "rbac.authorization.k8s.io";
    let role = json!({"apiGroup": group, "kind": "ClusterRole", "name": name});
    let user = json!({"apiGroup": group, "kind": "User", "name": name});
    create(&bindings, json!({"metadata": {"name": name}, "roleRef": role, "subjects": [user]})).await;
    let client = connect(&stage.plane.entry(stage.plane.certificate(name, &[], SignedDuration::from_hours(1)))).await;
    let client = client.unwrap();
    // The API server learns of new rights in its own time.
    until("the rights", async || Api::<Node>::all(client.clone()).get("a").await.ok()).await;
    client
}

/// A missing right ends the drain at once and is named, and nothing is removed: who may not list pods cordons nothing, who
/// may not evict leaves every pod.
#[tokio::test]
async fn forbidden_verbs() {
    let stage = Stage::new().await;
    stage.pod("web", "web", "a", json!({})).await;
    let rule = |what: &str, verbs: &[&str]| json!({"apiGroups": [""], "resources": [what], "verbs": verbs});
    let nodes = || rule("nodes", &["get", "patch"]);

    let blind = only(&stage, "blind", json!([nodes()])).await;
    let error = drain(&blind, "a", &options(30), &|_| {}).await.unwrap_err();
    assert!(error.message().contains("list the pods of node a") && error.message().contains("forbidden"), "{error}");
    assert_eq!(stage.shut("a").await, (false, false));

    let weak = only(&stage, "weak", json!([nodes(), rule("pods", &["list"])])).await;
    let start = Instant::now();
    let error = drain(&weak, "a", &options(30), &|_| {}).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert!(error.message().contains("can't evict pod default/web"), "{error}");
    assert!(error.message().contains("cannot create resource \"pods/eviction\""), "{error}");
    assert!(error.hints().join("\n").contains("kubectl uncordon a"), "{:?}", error.hints());
    assert_eq!(stage.on("a").await, ["web"]);
}

/// An API that goes away in the middle: the drain waits for it until its deadline, then says what was still there and that
/// nobody answers. One that is not there at all is said to be so within the deadline.
#[tokio::test]
async fn an_api_that_is_gone() {
    let mut stage = Stage::new().await;
    stage.pod("slow", "slow", "a", json!({STUCK: "true"})).await;
    let (evicted, mut told) = tokio::sync::mpsc::unbounded_channel();
    let report = move |news: &News| evicted.send(news.clone()).unwrap();
    let start = Instant::now();
    let client = stage.client.clone();
    let options = options(6);
    let drains = drain(&client, "a", &options, &report);
    let ends = async {
        while told.recv().await.unwrap() != News::Evicted("default/slow".to_owned()) {}
        stage.plane.end_api_server();
        while !matches!(told.recv().await.unwrap(), News::Trouble(_)) {}
    };
    let (drained, ()) = tokio::join!(drains, ends);
    let (error, took) = (drained.unwrap_err(), start.elapsed());
    assert!(took >= Duration::from_secs(6) && took < Duration::from_secs(7), "{took:?}");
    assert!(error.details()[0].contains("pod default/slow: still ending"), "{:?}", error.details());
    assert!(error.chain().contains("the Kubernetes API does not answer"), "{}", error.chain());
    assert!(error.hints().join("\n").contains("kubectl uncordon a"), "{:?}", error.hints());

    let start = Instant::now();
    let error = stage.drain("a", 2).await.unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(error.message().contains("read node a") && error.message().contains("does not answer"), "{error}");
    assert!(error.details().is_empty() && !error.hints().join("\n").contains("uncordon"), "nothing was done");
}
