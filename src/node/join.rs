//! What a worker and the control plane's controller say to each other, over HTTPS on the controller's port.
//!
//! * `POST /bootstrap`: a [`Request`], signed; the answer is a [`Grant`], or a [`Refusal`].
//! * `POST /status`: a [`BootStatus`](crate::state::status::BootStatus) of the machine that sends it.
//! * `GET /bin/<name>`: the agent's binary.

use serde::{Deserialize, Serialize};

/// The header that carries who asks: a signed request for STS, for `GetCallerIdentity`.
pub const IDENTITY_HEADER: &str = "x-kspot-identity";

/// The phase of a worker's boot in which it asks. A refusal is its status under this name, whoever of the two writes it.
pub const PHASE: &str = "identity-granted";

/// A machine that wants to become a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// The cluster that it belongs to.
    pub cluster: String,
    /// Its instance id, which is the node's name.
    pub instance: String,
    /// The configuration that it wants: a key of the store, from the store's root.
    pub configuration: String,
    /// PKCS #10, PEM: the key of the kubelet as a client. What the request says besides its key counts for nothing.
    pub client: String,
    /// PKCS #10, PEM: the key of the kubelet as a server.
    pub server: String,
}

/// What it gets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// The configuration's text.
    pub configuration: String,
    /// The cluster's authorities, PEM.
    pub authorities: String,
    /// The kubelet's certificate as a client, PEM.
    pub client: String,
    /// The kubelet's certificate as a server, PEM.
    pub server: String,
    /// The addresses of the API server: the control plane's machines.
    pub api_addresses: Vec<std::net::IpAddr>,
}

/// Why it gets nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// A sentence for the operator.
    pub error: String,
}
