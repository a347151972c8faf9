//! The nodes that joined, and which machine each of them is.

use k8s_openapi::api::core::v1::Node as ApiNode;
use kube::Client;
use kube::api::{Api, ListParams};

use super::again::again;
use super::error;
use crate::error::Result;

/// A node that joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// Its name.
    pub name: String,
    /// The instance that it says it is: `i-...`, the end of its provider id.
    pub instance: Option<String>,
    /// Whether it takes pods.
    pub ready: bool,
}

/// Every node of the cluster.
pub async fn list(client: &Client) -> Result<Vec<Joined>> {
    let (api, all) = (Api::<ApiNode>::all(client.clone()), ListParams::default());
    let nodes = again(|| api.list(&all)).await.map_err(|e| error::of("list the nodes", e))?;
    Ok(nodes.items.iter().map(joined).collect())
}

fn joined(node: &ApiNode) -> Joined {
    let provider = node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref());
    let instance = provider.and_then(|id| id.rsplit('/').next()).filter(|id| id.starts_with("i-"));
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    Joined {
        name: node.metadata.name.clone().unwrap_or_default(),
        instance: instance.map(str::to_owned),
        ready: conditions.into_iter().any(|c| c.type_ == "Ready" && c.status == "True"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn node(spec: Value, ready: &str) -> Joined {
        let conditions = json!([{"type": "DiskPressure", "status": "True"}, {"type": "Ready", "status": ready}]);
        let node = json!({"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": conditions}});
        joined(&serde_json::from_value(node).unwrap())
    }

    /// The machine is the end of the provider id; a node that says none, or one of another provider, is no machine.
    #[test]
    fn machines_are_read_from_provider_ids() {
        let of = |id: &str| node(json!({"providerID": id}), "True").instance;
        assert_eq!(of("aws:///eu-west-1a/i-0123").as_deref(), Some("i-0123"));
        assert_eq!((of("kind://docker/c/c-worker"), node(json!({}), "True").instance), (None, None));
        assert!(node(json!({}), "True").ready && !node(json!({}), "Unknown").ready);
    }
}
