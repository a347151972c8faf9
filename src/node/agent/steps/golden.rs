//! Every file that the steps write for a machine of the control plane and for a worker, as one text.

use crate::cloud::aws::metadata::Metadata;
use crate::context::Context;
use crate::node::agent::step::tests::{act, is_done};
use crate::node::configuration::Configuration;
use crate::node::etcd::manifest;
use crate::node::host::fake::{Fake, ok};
use crate::node::keep;

use super::kubeadm::ControlPlanePods;
use super::kubelet::Kubelet;

fn configuration(text: &str) -> Configuration {
    serde_yaml::from_str(text).unwrap()
}

fn control_plane() -> Configuration {
    configuration(include_str!("../../../../tests/fixtures/node/control-plane.yaml"))
}

fn worker() -> Configuration {
    configuration(include_str!("../../../../tests/fixtures/node/worker.yaml"))
}

fn metadata() -> Metadata {
    Metadata {
        instance: "i-0123456789abcdef0".into(),
        zone: "us-east-1a".into(),
        address: "172.20.0.10".parse().unwrap(),
        lifecycle: "spot".into(),
        instance_type: "m5.large".into(),
    }
}

fn context() -> Context {
    Context::fixed("2026-11-21T12:00:00Z".parse().unwrap(), "root", "i-1")
}

fn files(host: &Fake, all: &[&str]) -> String {
    all.iter()
        .map(|path| format!("===== {path} {:o}\n{}\n", host.mode(path).unwrap(), host.get(path).unwrap()))
        .collect()
}

fn pods() -> ControlPlanePods {
    let configuration = control_plane();
    ControlPlanePods {
        control_plane: configuration.control_plane.clone().unwrap(),
        endpoint: keep::endpoint(&configuration.api.internal_name),
        configuration,
        metadata: metadata(),
        balancer: Some("api.elb.example.com".into()),
        time: context(),
    }
}

/// The kubelet of a worker: the spec's settings in the names of KubeletConfiguration, no label that it may not set.
#[tokio::test]
async fn a_workers_kubelet() {
    let host = Fake::default();
    let step = Kubelet { configuration: worker(), metadata: metadata(), server: keep::server() };
    act(&step, &host).await.unwrap();
    assert!(is_done(&step, &host).await);
    let all = [
        "/var/lib/kubelet/config.yaml",
        "/etc/kubernetes/kubelet.conf",
        "/etc/systemd/system/kubelet.service",
        "/etc/systemd/logind.conf.d/zz-kspot.conf",
    ];
    insta::assert_snapshot!(files(&host, &all));
}

/// What kubeadm is told, and the member of etcd.
#[tokio::test]
async fn a_control_planes_files() {
    let host = Fake::default();
    let step = pods();
    act(&step, &host).await.unwrap();
    let patch = "/etc/kubernetes/patches/kube-apiserver+strategic.json";
    let all = ["/etc/kubernetes/kubeadm.yaml", "/etc/kubernetes/authentication.yaml", patch];
    let members = control_plane().control_plane.unwrap().etcd;
    let etcd: String = members
        .iter()
        .map(|e| format!("===== {}\n{}\n", manifest::file(e), manifest::manifest(e, "172.20.0.10", "token").unwrap()))
        .collect();
    insta::assert_snapshot!(files(&host, &all) + &etcd);
}

/// kubeadm makes everything once; a change makes it anew, since kubeadm keeps what no longer fits.
#[tokio::test]
async fn kubeadm_runs_when_something_changed() {
    let host = Fake::default();
    host.program("kubeadm", |host, command| {
        let at = |path: &str| format!("/etc/kubernetes/{path}");
        match (command.args[2].as_str(), command.args[3].as_str()) {
            ("certs", name) => {
                let pair = certificate();
                host.put(at(&format!("pki/{name}.crt")), pair);
            }
            ("kubeconfig", name) => host.put(at(&format!("{name}.conf")), "kubeconfig"),
            ("control-plane", _) => ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]
                .iter()
                .for_each(|pod| host.put(at(&format!("manifests/{pod}.yaml")), "metadata:\n  name: pod\n")),
            other => panic!("{other:?}"),
        }
        ok("")
    });
    act(&pods(), &host).await.unwrap();
    assert_eq!(host.ran().len(), 7);
    assert!(is_done(&pods(), &host).await);
    let other = ControlPlanePods { balancer: None, ..pods() };
    assert!(!is_done(&other, &host).await);
    let late =
        ControlPlanePods { time: Context::fixed("2027-10-21T12:00:00Z".parse().unwrap(), "root", "i-1"), ..pods() };
    assert!(!is_done(&late, &host).await, "in the last third of the certificates' lives");
}

fn certificate() -> String {
    use crate::pki::Name;
    use crate::pki::issue::{Leaf, Usage, authority, leaf};
    let now = context().now();
    let ca = authority(Name::KubernetesCa, "c", now).unwrap();
    let wanted = Leaf {
        common_name: "kube-apiserver".into(),
        organizations: Vec::new(),
        names: Vec::new(),
        usage: Usage::Server,
        life: super::keys::LIFE,
    };
    leaf(&ca, &wanted, now).unwrap().public
}
