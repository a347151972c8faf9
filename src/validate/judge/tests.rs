//! Clusters in every state, judged.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::*;
use crate::spec::{KubernetesVersion, Role};
use crate::validate::member::BOOT;
use crate::validate::view::{
    Addon, Alarm, Boot, CloudGroup, Critical, Group, Key, Kubernetes, Machine, Node, NotReady, Part, PartState, Pod,
    PodStatus, Shortage, Snapshots,
};

const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);

fn ago(minutes: i64) -> Timestamp {
    NOW - SignedDuration::from_mins(minutes)
}

fn group(name: &str, role: Role, min: u32, desired: u32) -> Group {
    Group { name: name.into(), role, min, cloud: Some(CloudGroup { desired, shortage: None }) }
}

fn machine(id: &str, group: &str, minutes: i64) -> Machine {
    Machine {
        id: id.into(),
        group: group.into(),
        zone: "eu-west-1a".into(),
        state: "running".into(),
        ending: false,
        launched: Some(ago(minutes)),
        boot: None,
    }
}

fn node(id: &str, minutes: i64) -> Node {
    Node {
        name: id.into(),
        instance: Some(id.into()),
        ready: Ok(()),
        created: ago(minutes),
        taints: Vec::new(),
        cordoned: false,
        deleting: false,
        kubelet: Some(KubernetesVersion::DEFAULT),
    }
}

fn not_ready(why: &str) -> Result<(), NotReady> {
    Err(NotReady { since: Some(ago(1)), why: why.into() })
}

fn pod(name: &str, node: &str, critical: Critical) -> Pod {
    Pod {
        namespace: "kube-system".into(),
        name: name.into(),
        node: Some(node.into()).filter(|n: &String| !n.is_empty()),
        component: None,
        critical: Some(critical),
        owner: None,
        created: ago(60),
        deleting: false,
        status: PodStatus::Ready,
    }
}

fn boot(phase: &str, error: Option<&str>) -> Boot {
    let error = error.map(str::to_owned);
    Boot { phase: phase.into(), error, began: Some(ago(3)), since: Some(ago(2)), when: ago(1) }
}

/// One control-plane machine and two workers, all well for an hour.
fn well() -> View {
    let machines = vec![machine("i-cp", "cp", 60), machine("i-1", "nodes", 60), machine("i-2", "nodes", 60)];
    let nodes = vec![node("i-cp", 60), node("i-1", 60), node("i-2", 60)];
    let parts = control_plane::COMPONENTS
        .iter()
        .map(|component| Pod { component: Some((*component).into()), ..pod(component, "i-cp", Critical::Node) });
    View {
        now: NOW,
        version: KubernetesVersion::DEFAULT,
        groups: vec![group("cp", Role::ControlPlane, 1, 1), group("nodes", Role::Node, 2, 2)],
        machines,
        kubernetes: Ok(Kubernetes {
            version: Some(KubernetesVersion::DEFAULT),
            nodes,
            pods: parts.collect(),
            addons: Vec::new(),
        }),
        keys: Vec::new(),
        serving: Some(NOW + SignedDuration::from_hours(24 * 61)),
        snapshots: Vec::new(),
        alarms: Vec::new(),
    }
}

fn kubernetes(view: &mut View) -> &mut Kubernetes {
    view.kubernetes.as_mut().unwrap()
}

/// The findings as lines, for comparing.
fn said(view: &View) -> Vec<String> {
    lines(&judge(view, Rules::default()))
}

fn lines(report: &Report) -> Vec<String> {
    let severity = |s| match s {
        Severity::Blocks => "blocks",
        Severity::Churn => "churn",
        Severity::Warning => "warning",
    };
    report
        .findings
        .iter()
        .map(|f| format!("{}: {} {}: {}", severity(f.severity), f.kind.as_str(), f.name, f.message))
        .collect()
}

/// A cluster that is well has nothing to say, and counts its nodes.
#[test]
fn nothing_to_say() {
    let report = judge(&well(), Rules::default());
    assert_eq!((report.healthy, report.findings.len(), report.ready_nodes()), (true, 0, 3));
}

/// A cluster that comes up is not well before its least is ready, and says how far each machine got.
#[test]
fn coming_up() {
    let mut view = well();
    view.groups[1].cloud = None;
    view.machines = vec![machine("i-cp", "cp", 1), machine("i-1", "nodes", 1), machine("i-2", "nodes", 1)];
    view.machines[0].boot = Some(boot("downloading", None));
    view.machines[1].state = "pending".into();
    view.kubernetes = Err("can't list nodes: the Kubernetes API does not answer".into());
    assert_eq!(
        said(&view),
        [
            "blocks: API api: can't list nodes: the Kubernetes API does not answer",
            "blocks: instance group nodes: AWS has no Auto Scaling group for it: `kspot update cluster` makes it",
            "warning: machine i-cp: is running: downloading",
        ]
    );
    let mut view = well();
    view.machines = vec![machine("i-cp", "cp", 60), machine("i-1", "nodes", 1), machine("i-2", "nodes", 1)];
    view.machines[2].state = "pending".into();
    kubernetes(&mut view).nodes = vec![node("i-cp", 60), node("i-1", 0)];
    assert_eq!(
        said(&view),
        ["blocks: instance group nodes: 1 of 2 nodes are ready", "churn: machine i-2: comes up: launching"]
    );
    // The same in a group that has a node of old: machines come and go there.
    view.machines[1].launched = Some(ago(60));
    assert_eq!(said(&view), ["churn: machine i-2: comes up: launching"]);
    // A group that may be empty is allowed to start from nothing.
    view.machines[1].launched = Some(ago(1));
    view.groups[1].min = 0;
    assert_eq!(said(&view), ["churn: machine i-2: comes up: launching"]);
}

/// A machine that has not joined in time blocks, and says where its boot stands.
#[test]
fn not_joined() {
    let mut view = well();
    kubernetes(&mut view).nodes.pop();
    let silent = "blocks: machine i-2: has not joined the cluster, and has said nothing of its boot";
    assert_eq!(said(&view), [silent]);
    let told = boot("downloading https://dl.k8s.io/x", Some("the server answers 404"));
    view.machines[2].boot = Some(told.clone());
    let message = "has not joined the cluster: downloading https://dl.k8s.io/x: the server answers 404";
    assert_eq!(said(&view), [format!("blocks: machine i-2: {message}")]);
    assert_eq!(judge(&view, Rules::default()).findings[0].boot, Some(told.clone()));
    // The same boot a minute later is no news; the next phase is.
    let before = judge(&view, Rules::default());
    view.machines[2].boot = Some(Boot { when: NOW, ..told });
    assert_eq!(judge(&view, Rules::default()).since(Some(&before)).found, Vec::<&Finding>::new());
    view.machines[2].boot = Some(boot("kubelet", None));
    assert_eq!(judge(&view, Rules::default()).since(Some(&before)).found.len(), 1);
    assert!(judge(&view, Rules { max_unready_nodes: 1, ..Rules::default() }).healthy);
}

/// What a machine said of its boot is over when it has joined: its node counts from then on, or that it has none.
#[test]
fn boots_that_are_over() {
    let mut view = well();
    view.machines[2].boot = Some(boot(crate::state::status::JOINED, None));
    kubernetes(&mut view).nodes[2].ready = not_ready("");
    assert_eq!(said(&view), ["blocks: node i-2: is not ready"]);
    view.machines[2].boot = Some(boot("registered", None));
    assert_eq!(said(&view), ["blocks: node i-2: is not ready"]);
    kubernetes(&mut view).nodes.pop();
    assert_eq!(said(&view), ["blocks: machine i-2: has not joined the cluster: registered"]);
    view.machines[2].boot = Some(boot(crate::state::status::JOINED, None));
    assert_eq!(said(&view), ["blocks: machine i-2: has joined the cluster, which has no node of it"]);
    assert_eq!(judge(&view, Rules::default()).findings[0].boot, None);
    view.machines[0].boot = Some(boot(crate::state::status::JOINED, None));
    view.kubernetes = Err("it does not answer".into());
    assert_eq!(said(&view), ["blocks: API api: it does not answer", "warning: machine i-cp: is running"]);
}

/// A node that is not ready blocks when it is old, and is churn when it is young.
#[test]
fn not_ready_young_and_old() {
    let mut view = well();
    kubernetes(&mut view).nodes[2].ready = not_ready("PLEG is not healthy");
    assert_eq!(said(&view), ["blocks: node i-2: is not ready: PLEG is not healthy"]);
    let finding = &judge(&view, Rules::default()).findings[0];
    assert_eq!((finding.since, finding.group.as_deref()), (Some(ago(1)), Some("nodes")));
    view.machines[2].launched = Some(ago(2));
    assert_eq!(said(&view), ["churn: node i-2: is not ready yet: PLEG is not healthy"]);
    let strict = judge(&view, Rules { strict: true, ..Rules::default() });
    assert_eq!(lines(&strict), ["blocks: node i-2: is not ready yet: PLEG is not healthy"]);
}

/// A node that leaves is churn however it looks, and so are its pods.
#[test]
fn leaving() {
    for taint in ["aws-node-termination-handler/spot-itn", "ToBeDeletedByClusterAutoscaler"] {
        let mut view = well();
        let k = kubernetes(&mut view);
        k.nodes[2].taints = vec!["other".into(), taint.into()];
        k.nodes[2].ready = not_ready("stopped");
        k.pods.push(Pod { status: PodStatus::Waiting("terminated".into()), ..pod("flannel", "i-2", Critical::Node) });
        assert_eq!(
            said(&view),
            [
                format!("churn: node i-2: leaves: it has the taint {taint}"),
                "churn: pod kube-system/flannel: is not ready (system-node-critical): terminated".to_owned(),
            ]
        );
    }
    let mut view = well();
    view.machines[2].state = "shutting-down".into();
    assert_eq!(said(&view), ["churn: node i-2: leaves: the machine is shutting-down"]);
    // The machine is gone; the node object stays for a moment, and the group is about to launch another.
    view.machines.pop();
    kubernetes(&mut view).nodes[2].ready = not_ready("the kubelet stopped posting its status");
    assert_eq!(
        said(&view),
        ["churn: instance group nodes: 1 of 2 machines are missing", "churn: node i-2: leaves: its machine is gone",]
    );
}

/// A group that stays short blocks, with AWS's own words.
#[test]
fn short_of_machines() {
    let mut view = well();
    view.machines.pop();
    kubernetes(&mut view).nodes.pop();
    let cause = Some("there is no Spot capacity available".to_owned());
    let shortage = |minutes| {
        Some(CloudGroup { desired: 2, shortage: Some(Shortage { since: ago(minutes), cause: cause.clone() }) })
    };
    view.groups[1].cloud = shortage(2);
    let message = "instance group nodes: 1 of 2 machines are missing: there is no Spot capacity available";
    assert_eq!(said(&view), [format!("churn: {message}")]);
    view.groups[1].cloud = shortage(20);
    assert_eq!(said(&view), [format!("blocks: {message}")]);
}

/// Each control-plane node runs all its parts; one that is missing, or not ready, blocks.
#[test]
fn control_plane_pods() {
    let mut view = well();
    kubernetes(&mut view).pods.retain(|p| p.name != "kube-scheduler");
    assert_eq!(said(&view), ["blocks: control plane kube-scheduler on i-cp: there is no such pod"]);
    let mut view = well();
    kubernetes(&mut view).pods[0].status = PodStatus::Waiting("CrashLoopBackOff".into());
    assert_eq!(
        said(&view),
        ["blocks: pod kube-system/etcd-main: is not ready (system-node-critical): CrashLoopBackOff"]
    );
    let mut view = well();
    kubernetes(&mut view).nodes[0].ready = not_ready("disk pressure");
    view.machines[0].launched = Some(ago(1));
    assert_eq!(
        said(&view),
        ["blocks: instance group cp: 0 of 1 nodes are ready", "blocks: node i-cp: is not ready yet: disk pressure"]
    );
}

/// Critical pods block, except one that was made a moment ago beside another of its kind, and what a controller has made
/// again.
#[test]
fn critical_pods() {
    let pending = |owner: &str, minutes| Pod {
        status: PodStatus::Waiting("no node fits".into()),
        owner: Some(owner.into()),
        created: ago(minutes),
        ..pod("coredns-2", "", Critical::Cluster)
    };
    let mut view = well();
    kubernetes(&mut view).pods.push(pending("dns", 1));
    let message = "pod kube-system/coredns-2: is not ready (system-cluster-critical): no node fits";
    assert_eq!(said(&view), [format!("blocks: {message}")]);
    kubernetes(&mut view).pods.push(Pod { owner: Some("dns".into()), ..pod("coredns-1", "i-1", Critical::Cluster) });
    assert_eq!(said(&view), [format!("churn: {message}")]);
    kubernetes(&mut view).pods[4] = pending("dns", 10);
    assert_eq!(said(&view), [format!("blocks: {message}")]);
    kubernetes(&mut view).pods[4] = Pod { deleting: true, ..pending("dns", 10) };
    assert_eq!(said(&view), Vec::<String>::new());
    kubernetes(&mut view).pods[4] = Pod { status: PodStatus::Ended, ..pending("dns", 10) };
    assert_eq!(said(&view), Vec::<String>::new());
}

/// Addons: what is missing or broken blocks; a DaemonSet may lack pods on nodes that come and go.
#[test]
fn addons() {
    let part = |what: &str, state| Part { what: what.into(), state };
    let mut view = well();
    kubernetes(&mut view).addons = vec![Addon {
        name: "flannel".into(),
        parts: vec![
            part("DaemonSet kube-flannel/flannel", PartState::Lacks { missing: 1, of: 3 }),
            part("Deployment a/b", PartState::Missing),
            part("Deployment a/c", PartState::Ready),
        ],
    }];
    assert_eq!(
        said(&view),
        [
            "blocks: addon flannel: DaemonSet kube-flannel/flannel lacks 1 of 3 pods",
            "blocks: addon flannel: Deployment a/b is not there: `kspot addons apply` brings it",
        ]
    );
    view.machines[2].launched = Some(ago(1));
    kubernetes(&mut view).nodes[2].ready = not_ready("");
    assert!(said(&view).contains(&"churn: addon flannel: DaemonSet kube-flannel/flannel lacks 1 of 3 pods".into()));
}

/// Who a node is: no provider id, an unknown machine, twice the same.
#[test]
fn identities() {
    let mut view = well();
    let k = kubernetes(&mut view);
    k.nodes.push(Node { name: "anonymous".into(), instance: None, ..node("x", 60) });
    k.nodes.push(Node { name: "stranger".into(), ..node("i-9", 60) });
    k.nodes.push(Node { name: "double".into(), ..node("i-1", 60) });
    assert_eq!(
        said(&view),
        [
            "blocks: node anonymous: has no provider id: nothing says which machine it is",
            "blocks: node double: says that it is i-1, and so does node i-1",
            "warning: node stranger: says that it is i-9, which is none of the cluster's machines",
        ]
    );
}

/// A kubelet may be three minor releases behind, never ahead; what differs from the spec is worth a word.
#[test]
fn versions() {
    let at = |minor| Some(KubernetesVersion { minor, ..KubernetesVersion::DEFAULT });
    let mut view = well();
    kubernetes(&mut view).nodes[1].kubelet = at(KubernetesVersion::DEFAULT.minor - 1);
    assert_eq!(said(&view), ["warning: node kubelet 1.35.4: one node runs 1.35.4, the spec asks for 1.36.4"]);
    kubernetes(&mut view).nodes[1].kubelet = at(KubernetesVersion::DEFAULT.minor + 1);
    assert_eq!(said(&view), ["blocks: node i-1: its kubelet (1.37.4) is newer than the API server (1.36.4)"]);
    kubernetes(&mut view).nodes[1].kubelet = at(32);
    assert_eq!(
        said(&view),
        ["blocks: node i-1: its kubelet (1.32.4) is more than 3 minor releases older than the API server (1.36.4)"]
    );
}

/// Keys that end soon are warned of, those that ended block.
#[test]
fn signing_keys() {
    let mut view = well();
    let day = SignedDuration::from_hours(24);
    view.keys = vec![
        Key { name: "etcd-ca 0001".into(), expires: NOW + day * 59 },
        Key { name: "front-proxy-ca 0001".into(), expires: NOW - day },
        Key { name: "kubernetes-ca 0001".into(), expires: NOW + day * 61 },
    ];
    assert_eq!(
        said(&view),
        [
            "blocks: key front-proxy-ca 0001: has expired",
            "warning: key etcd-ca 0001: expires soon: rotate it with create, promote and distrust keypair",
        ]
    );
}

/// Snapshots that grow old are warned of, each etcd cluster's by its own interval; an alarm blocks, as a full database does
/// that looks well otherwise.
#[test]
fn snapshots_and_alarms() {
    let mut view = well();
    let of = |etcd: &str, newest, minutes| Snapshots {
        etcd: etcd.into(),
        since: ago(600),
        newest,
        interval: SignedDuration::from_mins(minutes),
    };
    view.snapshots = vec![
        of("main", Ok(Some(ago(61))), 15),
        of("events", Ok(Some(ago(61))), 360),
        of("leases", Ok(None), 15),
        of("locked", Err("you may not list s3://elsewhere".into()), 15),
    ];
    view.alarms = vec![Alarm { member: "main/a".into(), what: "memberID:7 alarm:NOSPACE".into() }];
    assert_eq!(
        said(&view),
        [
            "blocks: etcd member main/a: raises an alarm: memberID:7 alarm:NOSPACE: its database is full, and nothing can \
             be written: delete what is not needed, compact, defragment and disarm",
            "warning: etcd snapshots leases: there is none, and etcd was seeded more than 1h ago",
            "warning: etcd snapshots locked: you may not list s3://elsewhere",
            "warning: etcd snapshots main: the newest is older than 1h",
        ]
    );
}

/// The API server's own certificate: soon over it is a warning, over a problem.
#[test]
fn the_api_servers_certificate() {
    let again = "its machine makes a new one when kspot-boot starts: end it, or `systemctl restart kspot-boot` on it";
    let mut view = well();
    view.serving = Some(NOW + SignedDuration::from_hours(24 * 59));
    let soon = "warning: API certificate: expires soon, and should have been renewed";
    assert_eq!(said(&view), [format!("{soon}: {again}")]);
    view.serving = Some(NOW);
    assert_eq!(said(&view), [format!("blocks: API certificate: has expired: {again}")]);
    view.serving = None;
    assert_eq!(said(&view), Vec::<String>::new());
}

/// News between two judgements are what is new, what reads differently and what is over; nothing else.
#[test]
fn news() {
    let mut view = well();
    let before = judge(&view, Rules::default());
    kubernetes(&mut view).nodes[2].ready = not_ready("a");
    let ill = judge(&view, Rules::default());
    assert_eq!((ill.since(Some(&before)).found.len(), ill.since(Some(&ill)).found.len()), (1, 0));
    kubernetes(&mut view).nodes[2].ready = not_ready("b");
    assert_eq!(judge(&view, Rules::default()).since(Some(&ill)).found[0].message, "is not ready: b");
    assert_eq!((before.since(Some(&ill)).found.len(), before.since(Some(&ill)).over.len()), (0, 1));
}

/// A worker in the simulation below.
#[derive(Clone, Copy, Debug)]
struct Worker {
    launched: i64,
    /// Seconds that its boot takes.
    boot: i64,
    /// When it is reclaimed, if it is.
    reclaimed: Option<i64>,
}

/// A group of spot workers at a second: each boots, is ready, is reclaimed with a notice of two minutes, lingers as a node
/// without a machine for half a minute; its replacement is launched within a minute.
fn at(second: i64, workers: &[Worker], desired: u32) -> View {
    let mut view = well();
    let (machines, k) = (&mut view.machines, view.kubernetes.as_mut().unwrap());
    machines.truncate(1);
    k.nodes.truncate(1);
    let moment = |s: i64| NOW - SignedDuration::from_secs(second - s);
    for (n, w) in workers.iter().enumerate().filter(|(_, w)| w.launched <= second) {
        let id = format!("i-{n}");
        let left = w.reclaimed.map(|at| second - at);
        if left.is_none_or(|since| since < 120) {
            machines.push(Machine { launched: Some(moment(w.launched)), ..machine(&id, "nodes", 0) });
        }
        let joined = w.launched + w.boot / 2;
        if second >= joined && left.is_none_or(|since| since < 150) {
            let mut node = Node { created: moment(joined), ..node(&id, 0) };
            if second < w.launched + w.boot || left.is_some_and(|since| since >= 120) {
                node.ready = not_ready("the container runtime network is not ready");
            }
            if left.is_some() {
                node.taints = vec!["aws-node-termination-handler/spot-itn".into()];
            }
            k.nodes.push(node);
        }
    }
    view.groups[1] = group("nodes", Role::Node, desired, desired);
    view
}

fn worker(range: std::ops::Range<i64>) -> impl Strategy<Value = Worker> {
    (range, 30..BOOT.as_secs(), prop::option::weighted(0.7, 60..2_000i64)).prop_map(|(launched, boot, life)| Worker {
        launched,
        boot,
        reclaimed: life.map(|life| launched + life),
    })
}

proptest! {
    /// Spot machines that come and go never make a cluster unwell, as long as one node of old is left; and a broken control
    /// plane always does.
    #[test]
    fn churn_never_blocks_and_a_broken_control_plane_always_does(
        workers in prop::collection::vec(worker(0..3_000), 0..20),
        seconds in prop::collection::vec(400..3_000i64, 1..20),
        broken in 0..4usize,
        part in 0..4usize,
    ) {
        let rock = Worker { launched: 0, boot: 60, reclaimed: None };
        let all: Vec<Worker> = std::iter::once(rock).chain(workers).collect();
        for second in seconds {
            let mut view = at(second, &all, 5);
            let report = judge(&view, Rules::default());
            prop_assert!(report.healthy, "at {second}: {:?}", lines(&report));
            match broken {
                0 => kubernetes(&mut view).nodes[0].ready = not_ready("disk pressure"),
                1 => { kubernetes(&mut view).pods.remove(part); }
                2 => kubernetes(&mut view).pods[part].status = PodStatus::Waiting("CrashLoopBackOff".into()),
                _ => { view.machines.remove(0); kubernetes(&mut view).nodes.remove(0); }
            }
            let report = judge(&view, Rules { max_unready_nodes: 100, ..Rules::default() });
            prop_assert!(!report.healthy, "at {second}");
        }
    }
}
