//! `delete instance`: the right machine ends, after its node was drained, and only then. Tier: corrected moto; a real API
//! server where nodes are drained.

use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use kspot::pki::kubeconfig::merge;
use kube::Api;
use serde_json::{Value, json};

use super::Desk;
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
