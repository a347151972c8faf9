//! `kspot validate` as a user types it. Tier: corrected moto for the machines, a real API server for the rest. Nodes, pods
//! and the status of addons are simulated: written as kubelets and controllers would write them.

use kspot::pki::issue::Pair;
use kspot::pki::keyset::Keysets;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};

use super::{CLUSTER, Desk, keys};
use crate::kubernetes::{Nodes, Plane};

/// A cluster whose machines run, with an API server that has its keys, and a kubeconfig that leads there.
struct Stage {
    desk: Desk,
    plane: Plane,
    client: kube::Client,
    nodes: Nodes,
}

impl Stage {
    async fn new() -> Stage {
        let desk = Desk::new().small();
        desk.ok("update cluster --yes");
        let keysets: Keysets = serde_json::from_str(&keys::keysets(&desk).await).unwrap();
        let plane = Plane::of(CLUSTER, |name| {
            let (_, key) = keysets.get(name).unwrap().primary().unwrap();
            let private = serde_json::to_value(&key.private).unwrap();
            let private = private.as_str().or_else(|| private["plain"].as_str()).unwrap().to_owned();
            Pair { public: key.public.clone(), private }
        })
        .await;
        desk.ok("export kubeconfig --admin --kubeconfig ./config");
        let file = desk.kspot.home().join("config");
        let config = std::fs::read_to_string(&file).unwrap();
        let server = config.lines().find(|line| line.trim().starts_with("server:")).unwrap().trim().to_owned();
        std::fs::write(&file, config.replace(&server, &format!("server: {}", plane.url()))).unwrap();
        let client = plane.admin().await;
        let nodes = Nodes::new(client.clone());
        let stage = Stage { desk, plane, client, nodes };
        // What the controllers make in every namespace.
        stage.put("v1", "ServiceAccount", json!({"metadata": {"name": "default", "namespace": "kube-system"}})).await;
        stage
    }

    fn api(&self, version: &str, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        match namespace {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        }
    }

    async fn put(&self, version: &str, kind: &str, object: Value) {
        let api = self.api(version, kind, object["metadata"]["namespace"].as_str());
        api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    }

    async fn status(&self, api: &Api<DynamicObject>, name: &str, status: Value) {
        let patch = Patch::Merge(json!({"status": status}));
        api.patch_status(name, &PatchParams::default(), &patch).await.unwrap();
    }

    /// The machines of a role: instance ids and zones.
    fn machines(&self, role: &str) -> Vec<(String, String)> {
        let listed = self.desk.json("get instances --cloud-only");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let of_role = listed["items"].as_array().unwrap().iter().filter(|i| i["role"] == role);
        of_role.map(|i| (text(&i["id"]), text(&i["zone"]))).collect()
    }

    /// A machine joins, and is ready.
    async fn join(&self, id: &str, zone: &str) {
        self.nodes.join(id, &format!("aws:///{zone}/{id}"), &[]).await;
    }

    /// A part of the control plane runs on a node.
    async fn component(&self, component: &str, node: &str) {
        let metadata = json!({"name": format!("{component}-{node}"), "namespace": "kube-system",
            "labels": {"component": component, "tier": "control-plane"}});
        let spec = json!({"nodeName": node, "priorityClassName": "system-node-critical",
            "containers": [{"name": "c", "image": "example.com/i"}]});
        self.put("v1", "Pod", json!({"metadata": metadata, "spec": spec})).await;
    }

    /// The addons run, as their controllers would say.
    async fn addons_run(&self) {
        for kind in ["DaemonSet", "Deployment"] {
            for object in self.api("apps/v1", kind, None).list(&ListParams::default()).await.unwrap() {
                let (name, namespace) = (object.metadata.name.unwrap(), object.metadata.namespace.unwrap());
                let status = json!({"observedGeneration": 100, "desiredNumberScheduled": 2, "numberReady": 2,
                    "currentNumberScheduled": 2, "numberMisscheduled": 0,
                    "conditions": [{"type": "Available", "status": "True"}]});
                self.status(&self.api("apps/v1", kind, Some(&namespace)), &name, status).await;
            }
        }
    }
}

/// A cluster comes up: validate says what is missing at each step, then that it is well; then what breaks it.
#[tokio::test]
async fn a_cluster_comes_up() {
    let stage = Stage::new().await;
    let desk = &stage.desk;
    let validate = "validate --kubeconfig ./config";
    let first = desk.run(validate).expect(4);
    assert!(first.stderr.contains("is not well"), "{first:?}");
    for missing in ["0 of 1 nodes are ready", "comes up", "is not there: `kspot addons apply` brings it"] {
        assert!(first.stdout.contains(missing), "{missing}: {}", first.stdout);
    }
    let ready = |list: &Value, name: &str| {
        let items = list["items"].as_array().unwrap();
        items.iter().find(|addon| addon["name"] == name).unwrap()["ready"].as_str().unwrap().to_owned()
    };
    let list = || desk.json("addons list --kubeconfig ./config");
    assert_eq!((ready(&list(), "flannel").as_str(), ready(&list(), "metrics-server").as_str()), ("no", "nothing"));
    desk.ok("addons apply --kubeconfig ./config");
    stage.addons_run().await;
    assert_eq!(ready(&list(), "flannel"), "yes", "{}", list());
    let shown = desk.ok("addons list --kubeconfig ./config").stdout;
    assert!(shown.contains("READY") && shown.contains("yes"), "{shown}");
    // Without a context of the cluster nobody is asked; with one in the usual file, its API is.
    let unknown = desk.ok("addons list");
    assert_eq!(unknown.stderr.matches("has no context").count(), 1, "{unknown:?}");
    assert!(unknown.stderr.contains("export kubeconfig") && unknown.stdout.contains("unknown"), "{unknown:?}");
    let config = std::fs::read_to_string(desk.kspot.home().join("config")).unwrap();
    desk.file(".kube/config", &config);
    assert_eq!(ready(&desk.json("addons list"), "flannel"), "yes");
    desk.file(".kube/config", &config.replace(&stage.plane.url(), "https://127.0.0.1:1"));
    let unknown = desk.ok("addons list");
    assert!(unknown.stderr.contains("does not answer") && unknown.stdout.contains("unknown"), "{unknown:?}");
    let (control_plane, zone) = stage.machines("control-plane").remove(0);
    let (worker, _) = stage.machines("node").remove(0);
    stage.join(&control_plane, &zone).await;
    stage.join(&worker, &zone).await;
    stage.nodes.set_ready(&worker, false).await;
    let second = desk.run(validate).expect(4).stdout;
    for missing in ["kube-scheduler on", "there is no such pod", "is not ready yet: as the test wants it"] {
        assert!(second.contains(missing), "{missing}: {second}");
    }
    assert!(!second.contains("addons apply"), "{second}");
    for component in ["etcd-main", "kube-apiserver", "kube-controller-manager", "kube-scheduler"] {
        stage.component(component, &control_plane).await;
    }
    // It waits, and ends as soon as the last node is ready: the interval alone would be too late.
    let waiting = desk.start("validate cluster --wait 50s --interval 60s --kubeconfig ./config", &[]);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    stage.nodes.set_ready(&worker, true).await;
    let status = tokio::task::spawn_blocking(move || waiting.wait_with_output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&status.stderr).into_owned();
    assert!(status.status.success(), "{said}{}", String::from_utf8_lossy(&status.stdout));
    assert!(said.contains(&format!("ok node {worker}")) && said.contains("is well: 2 nodes ready"), "{said}");
    let well = desk.json(validate);
    assert_eq!((&well["healthy"], &well["cluster"]), (&json!(true), &json!(CLUSTER)), "{well}");
    assert_eq!(well["groups"][0]["ready"], json!(1), "{well}");
    // The test's API server has a certificate of a day.
    let certificate = well["findings"].as_array().unwrap().iter().find(|f| f["name"] == "certificate").unwrap();
    assert_eq!((&certificate["kind"], &certificate["severity"]), (&json!("api"), &json!("warning")), "{certificate}");
    assert!(desk.fails(2, "validate --count 3 --wait 5s").contains("too short"));
    desk.ok("validate --count 2 --interval 1s --wait 20s --kubeconfig ./config");

    // Machines and nodes are two sides of one list.
    let instances = desk.json("get instances --kubeconfig ./config");
    let nodes = desk.json("get nodes --kubeconfig ./config");
    assert_eq!(instances["items"], nodes["items"]);
    let of_worker = nodes["items"].as_array().unwrap().iter().find(|n| n["node"] == json!(worker)).unwrap();
    assert_eq!((&of_worker["status"], &of_worker["group"]), (&json!("ready"), &json!("spot")), "{of_worker}");
    assert!(of_worker["usdPerHour"].as_f64().unwrap() > 0.0, "{of_worker}");

    // A notice: the node leaves, which is churn, unless everything counts.
    let taint = json!({"spec": {"taints": [{"key": "aws-node-termination-handler/spot-itn", "effect": "NoSchedule"}]}});
    let nodes = stage.api("v1", "Node", None);
    nodes.patch(&worker, &PatchParams::default(), &Patch::Merge(taint)).await.unwrap();
    let leaving = desk.run(validate);
    assert!(leaving.stdout.contains("leaves: it has the taint"), "{leaving:?}");
    desk.fails(4, "validate --strict --kubeconfig ./config");

    // The control plane loses a part.
    let pods = stage.api("v1", "Pod", Some("kube-system"));
    let params = kube::api::DeleteParams { grace_period_seconds: Some(0), ..Default::default() };
    pods.delete(&format!("etcd-main-{control_plane}"), &params).await.unwrap();
    let broken = desk.run("validate --max-unready-nodes 9 --kubeconfig ./config").expect(4).stdout;
    assert!(broken.contains(&format!("etcd-main on {control_plane}")), "{broken}");
}

/// Bad luck: nobody there is a finding, and the machines are still looked at; who is refused is told so at once.
#[tokio::test]
async fn bad_luck() {
    let stage = Stage::new().await;
    let desk = &stage.desk;
    let file = desk.kspot.home().join("config");
    let config = std::fs::read_to_string(&file).unwrap();
    desk.file("nowhere", &config.replace(&stage.plane.url(), "https://127.0.0.1:1"));
    let nowhere = desk.run("validate --kubeconfig ./nowhere --wait 3s").expect(4);
    assert!(nowhere.stdout.contains("the Kubernetes API does not answer"), "{nowhere:?}");
    assert!(nowhere.stdout.contains("is running"), "{nowhere:?}");
    assert!(nowhere.stderr.contains("is not well after 3s"), "{nowhere:?}");
    let listed = desk.ok("get instances --kubeconfig ./nowhere");
    assert!(listed.stdout.contains("running") && listed.stderr.contains("nodes are not shown"), "{listed:?}");
    assert!(desk.fails(1, "get nodes --kubeconfig ./nowhere").contains("does not answer"));
    let merge = |user| kspot::pki::kubeconfig::merge("", &[stage.plane.entry(user)], Some(CLUSTER)).unwrap();
    let hour = jiff::SignedDuration::from_hours(1);
    desk.file("nobody", &merge(stage.plane.certificate("nobody", &[], hour)));
    let refused = desk.fails(1, "validate --kubeconfig ./nobody --wait 60s");
    assert!(refused.contains("nobody") && refused.contains("lack this right"), "{refused}");
    desk.file("late", &merge(stage.plane.certificate("late", &["system:masters"], -hour)));
    let refused = desk.fails(1, "validate --kubeconfig ./late --wait 60s");
    assert!(refused.contains("export kubeconfig --admin"), "{refused}");
}
