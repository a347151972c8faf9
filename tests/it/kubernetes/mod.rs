//! A real control plane on loopback: etcd and kube-apiserver, with certificates that kspot's own PKI makes, and Kubernetes'
//! controllers where a test asks for them. Tier: real API server; no kubelet stands behind it, `nodes` takes its place.

mod access;
mod addons;
mod drain;
mod nodes;
mod plane;

/// A webhook of which nobody is there to answer, and without whose word the API does nothing of this sort; waits until the API
/// server knows it.
async fn webhook_that_is_down(client: &kube::Client, rule: serde_json::Value, is_asked: impl AsyncFn() -> bool) {
    let place = serde_json::json!({"namespace": "default", "name": "nobody"});
    let webhook = serde_json::json!({
        "name": "down.example.com", "rules": [rule], "failurePolicy": "Fail", "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "clientConfig": {"service": place},
    });
    let configuration = serde_json::json!({"metadata": {"name": "down"}, "webhooks": [webhook]});
    let all =
        kube::Api::<k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration>::all(client.clone());
    all.create(&kube::api::PostParams::default(), &serde_json::from_value(configuration).unwrap()).await.unwrap();
    let start = std::time::Instant::now();
    while !is_asked().await {
        assert!(start.elapsed() < std::time::Duration::from_secs(60), "the API server does not ask the webhook");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

pub(crate) use nodes::Nodes;
pub(crate) use plane::{Plane, Process, Program};
