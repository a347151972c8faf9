//! What user data tells the agent: `/etc/kspot/boot.yaml`.

use serde::{Deserialize, Serialize};

/// Where the user data puts the document.
pub const PATH: &str = "/etc/kspot/boot.yaml";

/// Where the user data of a worker puts the cluster's authorities.
pub const AUTHORITY: &str = "/etc/kspot/ca.crt";

/// The document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Boot {
    /// `kspot.io/v1alpha1`
    pub api_version: String,
    /// `Boot`
    pub kind: String,
    /// The cluster's name.
    pub cluster: String,
    /// The instance group's name.
    pub group: String,
    /// `control-plane` or `node`.
    pub role: String,
    /// The region that the machine runs in.
    pub region: String,
    /// Which configuration it reads.
    pub configuration: Reference,
    /// The state store; only the control plane may read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<String>,
    /// The region of the state store's bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_region: Option<String>,
    /// Whom a worker asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controller: Option<Controller>,
}

/// The configuration of the machine: its key in the state store, from the store's root, and the hash of its text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    /// The key.
    pub key: String,
    /// The sha256 of the text, in hex.
    pub sha256: String,
}

/// The control plane's controller, as workers see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Controller {
    /// The name in its certificate; its addresses are those of the control plane's machines.
    pub name: String,
    /// Its port.
    pub port: u16,
    /// The file with the authorities that its certificate is checked with.
    pub certificate_authority: String,
}
