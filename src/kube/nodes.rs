//! The nodes as they are, listed once.

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
