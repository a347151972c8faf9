//! `delete instance`: the right machine ends, after its node was drained, and only then. Tier: corrected moto; a real API
//! server where nodes are drained.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Pod;
use kspot::pki::kubeconfig::merge;
use kube::Api;
use serde_json::{Value, json};

use super::Desk;
use crate::bed::Bed;
use crate::kubernetes::{Nodes, Plane};

/// A machine of a group that is running, as `get instances` lists it.
fn of_group(desk: &Desk, group: &str) -> Vec<String> {
    let listed = desk.json("get instances");
    let alive = listed["items"].as_array().unwrap().iter().filter(|i| i["group"] == group && i["state"] == "running");
    alive.map(|i| i["id"].as_str().unwrap().to_owned()).collect()
}

/// A machine ends and another takes its place; an id that is no machine's is refused with the nearest one; without --yes
/// nothing happens; an API that does not answer ends nothing.
#[test]
fn the_right_machine_ends() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let before = (of_group(&desk, "spot"), of_group(&desk, "control-plane"));
    let id = before.0[0].as_str();

    let slip = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    let said = desk.fails(1, &format!("delete instance {slip} --no-drain --yes"));
    assert!(said.contains(&format!("the cluster has no machine {slip}")), "{said}");
    assert!(said.contains(&format!("did you mean {id}?")), "{said}");
    let said = desk.fails(2, &format!("delete instance {id} --no-drain"));
    assert!(said.contains("--yes") && said.contains("group spot, running"), "{said}");
    let said = desk.fails(1, &format!("delete instance {id} --yes"));
    assert!(said.contains("does not answer") && said.contains("--no-drain"), "{said}");
    let said = desk.fails(2, &format!("delete instance {id} --drain-timeout 0s --yes"));
    assert!(said.contains("leaves no time"), "{said}");
    assert_eq!((of_group(&desk, "spot"), of_group(&desk, "control-plane")), before);

    let said = desk.ok(&format!("delete instance {id} --no-drain --yes")).stderr;
    assert!(said.contains("starts another") && said.contains(&format!("{id} is ending")), "{said}");
    let after = of_group(&desk, "spot");
    assert!(after.len() == 1 && after[0] != id, "{after:?}");
    assert_eq!(of_group(&desk, "control-plane"), before.1);
    desk.settled();

    let only = &before.1[0];
    let said = desk.fails(2, &format!("delete instance {only} --no-drain --yes --decrement"));
    assert!(said.contains("of the control plane, whose size is given by the spec"), "{said}");
    let said = desk.ok(&format!("delete instance {only} --no-drain --yes")).stderr;
    assert!(said.contains("the API is away until another has taken its place"), "{said}");
    let after = of_group(&desk, "control-plane");
    assert!(after.len() == 1 && after[0] != *only, "{after:?}");
}

/// How far boots got is shown with its times; not of a machine that joined, and not what was said before the machine was
/// started.
#[tokio::test]
async fn boots_are_shown() {
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let (worker, control_plane) = (of_group(&desk, "spot").remove(0), of_group(&desk, "control-plane").remove(0));
    let status = |id: &str, phase: &str, error: Option<&str>, ago: i64| {
        let at = |seconds: i64| Timestamp::now() - SignedDuration::from_secs(seconds);
        let when = at(ago);
        json!({"instance": id, "phase": phase, "error": error, "began": at(125), "since": at(80), "when": when})
    };
    let listed = || desk.ok("get instances --cloud-only").stdout;
    let url = "downloading https://dl.k8s.io/kubelet";
    desk.put(&format!("status/{worker}.json"), &status(&worker, url, Some("404"), -60).to_string()).await;
    desk.put(&format!("status/{control_plane}.json"), &status(&control_plane, "kernel", None, 86_400).to_string())
        .await;
    let shown = listed();
    assert!(shown.contains(&format!("running: {url} for 1m 2")) && shown.contains(": 404 "), "{shown}");
    assert!(!shown.contains("kernel"), "{shown}");
    let data = desk.json("get instances --cloud-only");
    let of_worker = data["items"].as_array().unwrap().iter().find(|i| i["id"] == json!(worker)).unwrap();
    let boot = &of_worker["boot"];
    assert_eq!((&boot["phase"], &boot["error"]), (&json!(url), &json!("404")), "{boot}");
    assert!(["began", "since", "when"].iter().all(|field| boot[field].is_string()), "{boot}");
    desk.put(&format!("status/{worker}.json"), &status(&worker, "joined", None, -60).to_string()).await;
    assert!(!listed().contains("joined"), "{}", listed());
    // Without an API, the boots of the control plane say why there is none.
    let sent = status(&control_plane, url, Some("the server answers 404"), -60).to_string();
    desk.put(&format!("status/{control_plane}.json"), &sent).await;
    let judged = desk.run("validate").expect(4).stdout;
    assert!(judged.contains(&format!("is running: {url} for 1m 2")), "{judged}");
    assert!(judged.contains(": the server answers 404 "), "{judged}");
    let judged: Value = serde_json::from_str(&desk.run("validate -o json").expect(4).stdout).unwrap();
    let of_boot = judged["findings"].as_array().unwrap().iter().find(|f| f["kind"] == "machine").unwrap();
    assert_eq!(of_boot["boot"]["phase"], json!(url), "{of_boot}");
}

/// What there is of a machine: its state, its boot, its console; a type without the newest console gives the one that it has;
/// an id that is no machine's is refused with the nearest one.
#[tokio::test]
async fn logs_of_a_machine() {
    let desk = Desk::on(Bed::with_faults()).small();
    desk.ok("update cluster --yes");
    let id = of_group(&desk, "spot").remove(0);
    let shown = desk.ok(&format!("toolbox logs {id}"));
    assert!(shown.stdout.contains(&format!("{id}: running, group spot")), "{shown:?}");
    assert!(shown.stdout.contains("boot: it has said nothing"), "{shown:?}");
    assert!(!shown.stdout.contains("Linux version") && shown.stderr.contains("--all shows them all"), "{shown:?}");
    assert!(desk.ok(&format!("toolbox logs {id} --all")).stdout.contains("\nLinux version"));
    let now = Timestamp::now() + SignedDuration::from_secs(60);
    let status = json!({"instance": id, "phase": "keys", "error": "no right", "since": now, "when": now});
    desk.put(&format!("status/{id}.json"), &status.to_string()).await;
    let shown = desk.ok(&format!("toolbox logs {id}")).stdout;
    assert!(shown.contains("boot: keys for 0.0s") && shown.contains("last error: no right"), "{shown}");
    let data = desk.json(&format!("toolbox logs {id} --all"));
    assert_eq!((&data["id"], &data["boot"]["phase"], &data["group"]), (&json!(id), &json!("keys"), &json!("spot")));
    assert!(data["console"]["lines"].as_array().unwrap().len() > 5, "{data}");
    let unsupported = json!([{"service": "ec2", "action": "GetConsoleOutput", "nth": [1], "do": "error",
        "code": "UnsupportedOperation"}]);
    desk.bed.faults(unsupported);
    assert!(desk.ok(&format!("toolbox logs {id} --all")).stdout.contains("\nLinux version"));
    desk.bed.faults(json!([]));
    let slip = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { '1' } else { '0' });
    let said = desk.fails(1, &format!("toolbox logs {slip}"));
    assert!(said.contains("has no machine") && said.contains(&format!("did you mean {id}?")), "{said}");
}

/// With --decrement the group gets smaller, but not below its smallest size: that is said before anything is done.
#[test]
fn a_group_gets_smaller() {
    let desk = Desk::new().small();
    desk.ok("set ig spot spec.minSize=2");
    desk.ok("update cluster --yes");
    let machines = of_group(&desk, "spot");
    assert_eq!(machines.len(), 2);
    let line = format!("delete instance {} --no-drain --decrement --yes", machines[0]);
    let said = desk.fails(1, &line);
    assert!(said.contains("group spot is at its smallest size, 2"), "{said}");
    assert!(said.contains("kspot set ig spot spec.minSize=1"), "{said}");
    assert_eq!(of_group(&desk, "spot"), machines);
    desk.ok("set ig spot spec.minSize=1");
    desk.ok("update cluster --yes");
    let said = desk.ok(&line).stderr;
    assert!(said.contains("gets smaller: from 2 to 1"), "{said}");
    assert_eq!(of_group(&desk, "spot"), [machines[1].clone()]);
}

/// With nodes behind a real API: one that never joined has nothing to drain; a budget that blocks keeps the machine, and is
/// named; a node whose pods may go is drained, by its name, and its machine ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_drained_first() {
    let plane = Plane::with_controllers().await;
    let client = plane.admin().await;
    let desk = Desk::new().small();
    desk.ok("update cluster --yes");
    let kubeconfig = merge("", &[plane.admin_entry()], Some("c.example.com")).unwrap();
    desk.file("plane", &kubeconfig);

    let machine = of_group(&desk, "spot").remove(0);
    let said = desk.ok(&format!("delete instance {machine} --yes --kubeconfig plane")).stderr;
    assert!(said.contains("it has not joined the cluster: there is nothing to drain"), "{said}");

    let machine = of_group(&desk, "spot").remove(0);
    let nodes = Nodes::new(client.clone());
    nodes.join("worker", &format!("aws:///eu-west-1a/{machine}"), &[]).await;
    let pod = json!({
        "metadata": {"name": "web", "labels": {"app": "web"}},
        "spec": {"nodeName": "worker", "containers": [{"name": "c", "image": "registry.k8s.io/pause"}]},
    });
    make(&plane, "/api/v1/namespaces/default/pods", &pod).await;
    // A budget does not count before its pod runs.
    let pods = Api::<Pod>::default_namespaced(client.clone());
    let runs = |pod: Pod| pod.status.and_then(|status| status.phase).as_deref() == Some("Running");
    let start = Instant::now();
    while !runs(pods.get("web").await.unwrap()) {
        assert!(start.elapsed() < Duration::from_secs(60), "the pod does not run");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let budget = json!({
        "metadata": {"name": "web-budget"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}},
    });
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    make(&plane, budgets, &budget).await;
    let line = "delete instance worker --yes --kubeconfig plane --drain-timeout 3s";
    let said = desk.fails(1, line);
    for words in [
        "node worker is drained first, for 3s at most",
        "error: node worker is not drained after 3s: 1 pod still there",
        "pod default/web: blocked by the budget default/web-budget: ",
        "kubectl uncordon worker",
        &format!("{machine} is left as it is"),
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    assert_eq!(of_group(&desk, "spot"), [machine.as_str()]);
    let said = desk.fails(1, "delete instance wroker --yes --kubeconfig plane");
    assert!(said.contains("did you mean worker?"), "{said}");

    let gone = http::Request::delete(format!("{budgets}/web-budget")).body(Vec::new()).unwrap();
    client.request::<Value>(gone).await.unwrap();
    let said = desk.ok(&line.replace("3s", "60s")).stderr;
    assert!(
        said.contains("pod default/web is gone") && said.contains("node worker is drained of default/web"),
        "{said}"
    );
    assert!(said.contains(&format!("{machine} is ending")), "{said}");
    let after = of_group(&desk, "spot");
    assert!(after.len() == 1 && after[0] != machine, "{after:?}");
}

/// Makes an object of the API.
async fn make(plane: &Plane, place: &str, object: &Value) {
    let body = serde_json::to_vec(object).unwrap();
    let request = http::Request::post(place).header("Content-Type", "application/json").body(body).unwrap();
    plane.admin().await.request::<Value>(request).await.unwrap();
}
