//! The nodes as they are, looked at once.

use kube::Client;
use kube::api::{Api, ListParams};

use super::again::again;
use super::error;
use super::seen::{Object, Watched};
use crate::error::Result;
use crate::validate::view::Node;

/// Every node of the cluster, in pages.
pub async fn list(client: &Client) -> Result<Vec<Node>> {
    let api =
        Api::<Object<<Node as Watched>::Spec, <Node as Watched>::Status>>::all_with(client.clone(), &Node::resource());
    let mut params = ListParams::default().limit(Node::PAGE);
    let mut nodes = Vec::new();
    loop {
        let page = again(|| api.list(&params)).await.map_err(|e| error::of("list the nodes", e))?;
        nodes.extend(page.items.iter().filter_map(Node::keep));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(nodes),
        }
    }
}

/// The name of every node.
pub async fn names(client: &Client) -> Result<Vec<String>> {
    let api = Api::<k8s_openapi::api::core::v1::Node>::all(client.clone());
    let mut params = ListParams::default().limit(Node::PAGE);
    let mut names = Vec::new();
    loop {
        let page = again(|| api.list_metadata(&params)).await.map_err(|e| error::of("list the nodes' names", e))?;
        names.extend(page.items.into_iter().filter_map(|node| node.metadata.name));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(names),
        }
    }
}

/// Whether a node is ready, and whose it is, as its provider id says; none if there is no such node.
pub async fn standing(client: &Client, name: &str) -> Result<Option<(bool, String)>> {
    let api = Api::<k8s_openapi::api::core::v1::Node>::all(client.clone());
    let node = api.get_opt(name).await.map_err(|e| error::of(&format!("look at node {name}"), e))?;
    Ok(node.map(|node| {
        let conditions = node.status.and_then(|s| s.conditions).unwrap_or_default();
        let ready = conditions.iter().any(|c| c.type_ == "Ready" && c.status == "True");
        (ready, node.spec.and_then(|s| s.provider_id).unwrap_or_default())
    }))
}
