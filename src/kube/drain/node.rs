//! The node that is drained: kept from new pods and out of load balancers.

use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use crate::kube::apply::MANAGER;

/// The label that takes a node out of the load balancers of services.
pub const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// What a drain remembers of its node.
#[derive(Clone, Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) uid: String,
    /// Whether somebody cordoned it before.
    pub(super) cordoned: bool,
    /// Whether somebody took it out of load balancers before.
    pub(super) excluded: bool,
    /// Why the kubelet ends no pods, if it says nothing: the node's own words.
    pub(super) silent: Option<String>,
}

impl Subject {
    /// The node as it is now; none if there is none of this name.
    pub(super) async fn look(client: &Client, name: &str) -> kube::Result<Option<Subject>> {
        Ok(Api::<Node>::all(client.clone()).get_opt(name).await?.as_ref().map(subject))
    }

    /// Keeps new pods away and load balancers' traffic out, in one patch. False if the node is gone.
    pub(super) async fn cordon(&self, client: &Client) -> kube::Result<bool> {
        let patch = json!({
            "metadata": {"uid": self.uid, "labels": {EXCLUDE: "true"}},
            "spec": {"unschedulable": true},
        });
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        match Api::<Node>::all(client.clone()).patch(&self.name, &params, &Patch::Merge(patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
            // The unique id does not fit: another node of this name is in its place.
            Err(refused @ kube::Error::Api(_)) => match Subject::look(client, &self.name).await? {
                Some(now) if self.is(&now) => Err(refused),
                _ => Ok(false),
            },
            Err(e) => Err(e),
        }
    }

    /// Whether both are the same node, and not two of the same name.
    pub(super) fn is(&self, other: &Subject) -> bool {
        self.uid == other.uid
    }

    /// How to undo what [`Subject::cordon`] did; none if it was all so before.
    pub(super) fn undo(&self) -> Option<String> {
        let name = &self.name;
        let mut commands = Vec::new();
        if !self.cordoned {
            commands.push(format!("kubectl uncordon {name}"));
        }
        if !self.excluded {
            commands.push(format!("kubectl label node {name} {EXCLUDE}-"));
        }
        (!commands.is_empty()).then(|| commands.join(" && "))
    }
}

fn subject(node: &Node) -> Subject {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let ready = conditions.into_iter().find(|condition| condition.type_ == "Ready");
    let silent = ready.filter(|ready| ready.status == "Unknown");
    Subject {
        name: node.metadata.name.clone().unwrap_or_default(),
        uid: node.metadata.uid.clone().unwrap_or_default(),
        cordoned: node.spec.as_ref().and_then(|spec| spec.unschedulable) == Some(true),
        excluded: node.metadata.labels.iter().flatten().any(|(key, _)| key == EXCLUDE),
        silent: silent.map(|ready| ready.message.clone().unwrap_or_else(|| "its state is unknown".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(spec: serde_json::Value, labels: serde_json::Value) -> Subject {
        let node = json!({"metadata": {"name": "n", "uid": "u", "labels": labels}, "spec": spec});
        subject(&serde_json::from_value(node).unwrap())
    }

    /// The way back undoes what the drain did, and not what somebody else had done before it.
    #[test]
    fn the_way_back() {
        let label = format!("kubectl label node n {EXCLUDE}-");
        assert_eq!(node(json!({}), json!({})).undo().unwrap(), format!("kubectl uncordon n && {label}"));
        assert_eq!(node(json!({"unschedulable": true}), json!({})).undo().unwrap(), label);
        assert_eq!(node(json!({}), json!({EXCLUDE: ""})).undo().unwrap(), "kubectl uncordon n");
        assert_eq!(node(json!({"unschedulable": true}), json!({EXCLUDE: ""})).undo(), None);
    }

    /// A kubelet that says nothing ends no pods; one that says it is not ready still does.
    #[test]
    fn a_silent_kubelet_is_told_apart() {
        let with = |status: &str| {
            let ready = json!([{"type": "Ready", "status": status, "message": "Kubelet stopped posting node status."}]);
            let node = json!({"metadata": {"name": "n"}, "status": {"conditions": ready}});
            subject(&serde_json::from_value(node).unwrap()).silent
        };
        assert_eq!(with("Unknown").as_deref(), Some("Kubelet stopped posting node status."));
        assert_eq!((with("False"), with("True")), (None, None));
    }
}
