//! The labels and taints of nodes, as the controller reads and changes them.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::core::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::again::again;
use super::error;
use crate::error::Result;

/// Who manages the fields that the controller sets.
pub(super) const MANAGER: &str = "kspot-controller";

/// How many nodes a page of a listing holds.
const PAGE: u32 = 500;

/// A node, as far as its labels and taints go.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Labelled {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Its taints, as the API has them.
    pub taints: Vec<Value>,
    /// Its version in the API.
    pub version: Option<String>,
}

/// What is changed of a node.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// Labels to be set, or removed.
    pub labels: BTreeMap<String, Option<String>>,
    /// Annotations to be set.
    pub annotations: BTreeMap<String, String>,
    /// All its taints, if they change.
    pub taints: Option<Vec<Value>>,
}

/// Every node.
pub async fn list(client: &Client) -> Result<Vec<Labelled>> {
    let api = Api::<Node>::all(client.clone());
    let mut params = ListParams::default().limit(PAGE);
    let mut nodes = Vec::new();
    loop {
        let page = again(|| api.list(&params)).await.map_err(|e| error::of("list the nodes", e))?;
        nodes.extend(page.items.into_iter().map(labelled));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(nodes),
        }
    }
}

/// What it says of its labels and taints.
pub(super) fn labelled(node: Node) -> Labelled {
    let taints = node.spec.as_ref().and_then(|s| s.taints.as_ref()).into_iter().flatten();
    Labelled {
        name: node.name_any(),
        labels: node.labels().clone(),
        annotations: node.annotations().clone(),
        taints: taints.filter_map(|taint| serde_json::to_value(taint).ok()).collect(),
        version: node.resource_version(),
    }
}

/// Changes a node; false if it is gone, or somebody else changed it meanwhile.
pub async fn change(client: &Client, node: &Labelled, change: &Change) -> Result<bool> {
    let mut patch = json!({"metadata": {"labels": change.labels, "annotations": change.annotations}});
    if let Some(taints) = &change.taints {
        patch["spec"] = json!({ "taints": taints });
        // The list goes as a whole: what somebody else adds at the same moment must not get lost.
        patch["metadata"]["resourceVersion"] = json!(node.version);
    }
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let (api, patch) = (Api::<Node>::all(client.clone()), Patch::Merge(patch));
    match again(|| api.patch_metadata(&node.name, &params, &patch)).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(e) => Err(error::of(&format!("label node {}", node.name), e)),
    }
}

/// Tells when a node came, or its labels or annotations changed, for as long as it is polled.
pub async fn watch(client: Client, changed: Arc<Notify>) {
    let api = Api::<PartialObjectMeta<Node>>::all(client);
    let mut events = watcher(api, Config::default().page_size(PAGE)).default_backoff().boxed();
    let mut known = BTreeMap::new();
    while let Some(event) = events.next().await {
        // A node says every few seconds how it is: that is nothing new here.
        let is_new = match event {
            Ok(Event::InitApply(node) | Event::Apply(node)) => {
                let now = (node.labels().clone(), node.annotations().clone());
                known.insert(node.name_any(), now.clone()) != Some(now)
            }
            Ok(Event::Delete(node)) => {
                known.remove(&node.name_any());
                false
            }
            Ok(Event::Init | Event::InitDone) | Err(_) => false,
        };
        if is_new {
            changed.notify_one();
        }
    }
}
