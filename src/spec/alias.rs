//! Reads kOps' `kops.k8s.io/v1alpha2` manifests: renames what has another name here, drops what is harmless.
//!
//! The work is done on the YAML tree, so that everything after it sees kspot's names and the user's positions.

use super::metadata::{CLUSTER_LABEL, KOPS_CLUSTER_LABEL};
use super::object::Kind;
use super::yaml::{Content, Entry, Mark, Node};

/// A field that was dropped or read in another way, and why that is all right.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Notice {
    pub(crate) mark: Mark,
    pub(crate) path: String,
    pub(crate) message: String,
}

/// When a field of a kOps manifest may be left out.
enum Harmless {
    Always,
    If(&'static [&'static str]),
}

/// The cluster fields that are dropped from a kOps manifest; with another value they are an error like any unknown field.
const CLUSTER_DROPS: &[(&[&str], Harmless)] = &[
    (&["authorization", "rbac"], Harmless::Always),
    (&["channel"], Harmless::Always),
    (&["cloudProvider"], Harmless::If(&["aws"])),
    (&["configBase"], Harmless::Always),
    (&["configStore"], Harmless::Always),
    (&["containerRuntime"], Harmless::If(&["containerd"])),
    (&["iam", "legacy"], Harmless::If(&["false"])),
    (&["keyStore"], Harmless::Always),
    (&["masterInternalName"], Harmless::Always),
    (&["secretStore"], Harmless::Always),
    (&["topology", "masters"], Harmless::Always),
    (&["topology", "nodes"], Harmless::Always),
    (&["useHostCertificates"], Harmless::If(&["false"])),
];

const ETCD_DROPS: &[(&[&str], Harmless)] = &[
    (&["enableEtcdTLS"], Harmless::If(&["true"])),
    (&["enableTLSAuth"], Harmless::If(&["true"])),
    (&["provider"], Harmless::If(&["Manager"])),
];

const GROUP_DROPS: &[(&[&str], Harmless)] =
    &[(&["manager"], Harmless::If(&["CloudGroup"])), (&["rootVolumeDeleteOnTermination"], Harmless::If(&["true"]))];

/// The role aliases that both apiVersions take.
pub(crate) fn roles(document: &mut Node) {
    let Some(spec) = field_mut(document, "spec") else { return };
    let Some(role) = field_mut(spec, "role") else { return };
    if let Content::Scalar { text, .. } = &mut role.content {
        match text.as_str() {
            "Master" | "master" | "control-plane" => "ControlPlane".clone_into(text),
            "node" => "Node".clone_into(text),
            "bastion" => "Bastion".clone_into(text),
            _ => {}
        }
    }
}

/// Gives a group that carries only kOps' label of its cluster the label of kspot.
pub(crate) fn cluster_label(document: &mut Node) {
    let labels = field_mut(document, "metadata").and_then(|m| field_mut(m, "labels"));
    if let Some(labels) = labels.filter(|l| l.get(CLUSTER_LABEL).is_none()).and_then(Node::entries_mut)
        && let Some(label) = labels.iter_mut().find(|e| e.key == KOPS_CLUSTER_LABEL)
    {
        CLUSTER_LABEL.clone_into(&mut label.key);
    }
}

/// Turns a kOps document into one of kspot; what was dropped is told.
pub(crate) fn from_kops(document: &mut Node, kind: Kind) -> Vec<Notice> {
    let mut notices = Vec::new();
    let k8s_local = document.get("metadata").and_then(|m| m.get("name")).and_then(Node::text);
    let k8s_local = k8s_local.is_some_and(|name| name.ends_with(".k8s.local"));
    let Some(spec) = field_mut(document, "spec") else { return notices };
    match kind {
        Kind::InstanceGroup => drops(spec, "spec", GROUP_DROPS, &mut notices),
        Kind::Cluster => {
            drops(spec, "spec", CLUSTER_DROPS, &mut notices);
            etcd(spec, &mut notices);
            names(spec);
            policies(spec);
            load_balancer(spec, &mut notices);
            pod_network(spec, &mut notices);
            if !k8s_local {
                dns(spec, &mut notices);
            }
        }
    }
    notices
}

fn field_mut<'n>(node: &'n mut Node, key: &str) -> Option<&'n mut Node> {
    node.entries_mut()?.iter_mut().find(|e| e.key == key).map(|e| &mut e.value)
}

fn drops(node: &mut Node, at: &str, table: &[(&[&str], Harmless)], notices: &mut Vec<Notice>) {
    for (path, when) in table {
        let Some((last, blocks)) = path.split_last() else { continue };
        let Some(block) = blocks.iter().try_fold(&mut *node, |node, key| field_mut(node, key)) else { continue };
        let harmless = block.get(last).is_some_and(|value| match when {
            Harmless::Always => true,
            Harmless::If(values) => value.text().is_some_and(|text| values.contains(&text)),
        });
        if let Some(entry) = harmless.then(|| block.remove(last)).flatten() {
            let path = format!("{at}.{}", path.join("."));
            let message = "kspot has no such setting and needs none: left out".to_owned();
            notices.push(Notice { mark: entry.key_mark, path, message });
        }
    }
    for block in ["authorization", "iam", "topology"] {
        let empty = |node: &Node| matches!(&node.content, Content::Map(entries) if entries.is_empty());
        if node.get(block).is_some_and(empty) {
            node.remove(block);
        }
    }
}

fn etcd(spec: &mut Node, notices: &mut Vec<Notice>) {
    if let Some(Content::Seq(clusters)) = field_mut(spec, "etcdClusters").map(|n| &mut n.content) {
        for (i, cluster) in clusters.iter_mut().enumerate() {
            drops(cluster, &format!("spec.etcdClusters[{i}]"), ETCD_DROPS, notices);
        }
    }
}

/// `masterKubelet`, `masterPublicName`, `DisableSubnetTags` under their names here.
fn names(spec: &mut Node) {
    for (kops, kspot) in [("masterKubelet", "controlPlaneKubelet"), ("DisableSubnetTags", "disableSubnetTags")] {
        if let Some(entry) = spec.entries_mut().and_then(|all| all.iter_mut().find(|e| e.key == kops)) {
            kspot.clone_into(&mut entry.key);
        }
    }
    if let Some(entry) = spec.remove("masterPublicName") {
        let mark = entry.key_mark;
        let entry = Entry { key: "publicName".to_owned(), ..entry };
        if let Some(api) = block(spec, "api", mark).and_then(Node::entries_mut) {
            api.push(entry);
        }
    }
}

/// Role names as keys: `master` is `control-plane`.
fn policies(spec: &mut Node) {
    for field in ["externalPolicies", "additionalPolicies"] {
        let entries = field_mut(spec, field).and_then(Node::entries_mut);
        if let Some(entry) = entries.and_then(|all| all.iter_mut().find(|e| e.key == "master")) {
            "control-plane".clone_into(&mut entry.key);
        }
    }
}

/// Classic load balancers, which older manifests ask for, become network load balancers.
fn load_balancer(spec: &mut Node, notices: &mut Vec<Notice>) {
    let balancer = field_mut(spec, "api").and_then(|api| field_mut(api, "loadBalancer"));
    let Some(class) = balancer.and_then(|lb| field_mut(lb, "class")) else { return };
    if let Content::Scalar { text, .. } = &mut class.content
        && text == "Classic"
    {
        "Network".clone_into(text);
        let path = "spec.api.loadBalancer.class".to_owned();
        let message = "a network load balancer is made instead of a classic one".to_owned();
        notices.push(Notice { mark: class.mark, path, message });
    }
}

/// The pod networks that `kops create cluster` writes on its own account give way to flannel.
fn pod_network(spec: &mut Node, notices: &mut Vec<Notice>) {
    let Some(networking) = field_mut(spec, "networking") else { return };
    let plain_cilium = |node: &Node| match &node.content {
        Content::Map(entries) => entries.iter().all(|e| e.key == "enableNodePort"),
        _ => node.is_null(),
    };
    let (name, replaced) = if networking.get("cilium").is_some_and(plain_cilium) {
        ("cilium", networking.remove("cilium"))
    } else {
        ("kubenet", networking.remove("kubenet"))
    };
    let Some(entry) = replaced else { return };
    let mark = entry.key_mark;
    let path = format!("spec.networking.{name}");
    notices.push(Notice { mark, path, message: format!("flannel is used instead of {name}") });
    block(networking, "flannel", mark);
    let proxy = field_mut(spec, "kubeProxy").filter(|_| name == "cilium");
    if let Some(proxy) = proxy.filter(|p| p.get("enabled").and_then(Node::text) == Some("false")) {
        let mark = proxy.remove("enabled").map_or(mark, |e| e.key_mark);
        let path = "spec.kubeProxy.enabled".to_owned();
        notices.push(Notice { mark, path, message: "flannel needs kube-proxy: it stays on".to_owned() });
    }
}

/// kOps publishes names in a public zone unless told otherwise; here nothing is published unless asked.
fn dns(spec: &mut Node, notices: &mut Vec<Notice>) {
    let given = spec.get("topology").and_then(|t| t.get("dns")).and_then(|d| d.get("type")).is_some();
    if given {
        return;
    }
    let mark = spec.mark;
    let dns = block(spec, "topology", mark).and_then(|topology| block(topology, "dns", mark));
    if let Some(entries) = dns.and_then(Node::entries_mut) {
        let value = Node { mark, content: Content::Scalar { text: "Public".to_owned(), plain: true } };
        entries.push(Entry { key: "type".to_owned(), key_mark: mark, value });
        let path = "spec.topology.dns.type".to_owned();
        let message = "kOps takes Public when nothing is said, so it is Public here; None needs no Route 53".to_owned();
        notices.push(Notice { mark, path, message });
    }
}

/// The block of this name, made if it is missing or empty; `None` if `node` is no mapping.
fn block<'n>(node: &'n mut Node, key: &str, mark: Mark) -> Option<&'n mut Node> {
    let empty = || Node { mark, content: Content::Map(Vec::new()) };
    let entries = node.entries_mut()?;
    let index = entries.iter().position(|e| e.key == key).unwrap_or_else(|| {
        entries.push(Entry { key: key.to_owned(), key_mark: mark, value: empty() });
        entries.len() - 1
    });
    let value = &mut entries[index].value;
    if value.is_null() {
        *value = empty();
    }
    Some(value)
}
