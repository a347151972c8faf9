//! The static pod of a member.

use serde_json::{Value, json};

use crate::error::{Context, Result};
use crate::node::configuration::Etcd;

/// Where the volumes of members are mounted, by etcd cluster.
pub const VOLUMES: &str = "/var/lib/kspot/etcd";

/// Where the certificates are.
pub const PKI: &str = "/etc/kubernetes/pki/etcd";

/// The directory of static pods.
pub const MANIFESTS: &str = "/etc/kubernetes/manifests";

/// The port of metrics and health, on loopback.
pub fn metrics_port(etcd: &Etcd) -> u16 {
    etcd.client_port + 100
}

/// The directory with the member's data, on its volume.
pub fn data(etcd: &Etcd) -> String {
    format!("{VOLUMES}/{}/{}", etcd.name, super::seed::DATA)
}

/// The file of the pod.
pub fn file(etcd: &Etcd) -> String {
    format!("{MANIFESTS}/etcd-{}.yaml", etcd.name)
}

/// The pod. `token` is that of the cluster's seeding.
pub fn manifest(etcd: &Etcd, address: &str, token: &str) -> Result<String> {
    let own = etcd.members.iter().find(|m| m.name == etcd.member);
    let own = own.map_or(etcd.member.as_str(), |m| m.peer_name.as_str());
    let url = |host: &str, port: u16| {
        format!("https://{}:{port}", if host.contains(':') { format!("[{host}]") } else { host.to_owned() })
    };
    let initial: Vec<String> =
        etcd.members.iter().map(|m| format!("{}={}", m.name, url(&m.peer_name, etcd.peer_port))).collect();
    let pki = |file: &str| format!("{PKI}/{file}");
    let (certificate, key) = (pki(&format!("{}.crt", etcd.name)), pki(&format!("{}.key", etcd.name)));
    let flags = [
        ("name", etcd.member.clone()),
        ("data-dir", "/var/lib/etcd".to_owned()),
        ("advertise-client-urls", url(own, etcd.client_port)),
        // Its only client is the API server beside it.
        ("listen-client-urls", url("127.0.0.1", etcd.client_port)),
        ("initial-advertise-peer-urls", url(own, etcd.peer_port)),
        ("listen-peer-urls", url(address, etcd.peer_port)),
        ("initial-cluster", initial.join(",")),
        ("initial-cluster-state", "new".to_owned()),
        ("initial-cluster-token", format!("{token}-{}", etcd.name)),
        ("listen-metrics-urls", format!("http://127.0.0.1:{}", metrics_port(etcd))),
        ("cert-file", certificate.clone()),
        ("key-file", key.clone()),
        ("client-cert-auth", "true".to_owned()),
        ("trusted-ca-file", pki("ca.crt")),
        ("peer-cert-file", certificate),
        ("peer-key-file", key),
        ("peer-client-cert-auth", "true".to_owned()),
        ("peer-trusted-ca-file", pki("ca.crt")),
        ("snapshot-count", "10000".to_owned()),
        ("auto-compaction-retention", "0".to_owned()),
        ("quota-backend-bytes", "8589934592".to_owned()),
    ];
    let command: Vec<String> =
        std::iter::once("etcd".to_owned()).chain(flags.iter().map(|(f, v)| format!("--{f}={v}"))).collect();
    let probe = |path: &str, failures: u32| -> Value {
        json!({
            "httpGet": {"host": "127.0.0.1", "path": path, "port": metrics_port(etcd), "scheme": "HTTP"},
            "periodSeconds": 2, "timeoutSeconds": 15, "failureThreshold": failures,
        })
    };
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": format!("etcd-{}", etcd.name),
            "namespace": "kube-system",
            "labels": {"component": format!("etcd-{}", etcd.name), "tier": "control-plane"},
        },
        "spec": {
            "hostNetwork": true,
            "priorityClassName": "system-node-critical",
            "priority": 2_000_001_000,
            "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "etcd",
                "image": etcd.image,
                "imagePullPolicy": "IfNotPresent",
                "command": command,
                "resources": {"requests": {"cpu": etcd.cpu_request, "memory": etcd.memory_request}},
                "startupProbe": probe("/readyz", 450),
                "livenessProbe": probe("/livez", 8),
                "readinessProbe": probe("/readyz", 3),
                "volumeMounts": [
                    {"mountPath": "/var/lib/etcd", "name": "data"},
                    {"mountPath": PKI, "name": "certificates", "readOnly": true},
                    // Not the kubelet's copy, which would keep a peer's old address for ever.
                    {"mountPath": "/etc/hosts", "name": "names", "readOnly": true},
                ],
            }],
            "volumes": [
                // Of type Directory, and on the volume: without that the pod waits, and does not begin with nothing.
                {"name": "data", "hostPath": {"path": data(etcd), "type": "Directory"}},
                {"name": "certificates", "hostPath": {"path": PKI, "type": "Directory"}},
                {"name": "names", "hostPath": {"path": "/etc/hosts", "type": "File"}},
            ],
        },
    });
    serde_yaml::to_string(&pod).context(|| format!("can't write the manifest of etcd {}", etcd.name))
}
