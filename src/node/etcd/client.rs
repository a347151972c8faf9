//! What is asked of a running member, in etcd's JSON form of its API.

use std::net::{Ipv4Addr, SocketAddr};

use http::{Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::node::agent::steps::keys::PKI;
use crate::node::configuration::Etcd;
use crate::node::host::Host;
use crate::node::https::Trust;

/// What a member says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Its release.
    pub version: String,
    /// The size of its database on the disk, in bytes.
    pub size: u64,
    /// How much of that is in use.
    pub in_use: u64,
    /// The store's revision.
    pub revision: u64,
    /// Whether it leads.
    pub leads: bool,
    /// Alarms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
}

/// A member on this machine.
pub struct Client {
    trust: Trust,
    port: u16,
    what: String,
}

impl Client {
    /// The member that this machine runs, with the certificate that the API server has for etcd.
    pub async fn of(host: &dyn Host, etcd: &Etcd) -> Result<Self> {
        let text = async |path: String| -> Result<String> {
            host.text(&path).await?.ok_or_else(|| Error::failed(format!("{path} is not there")))
        };
        let authorities = text(format!("{}/ca.crt", super::manifest::PKI)).await?;
        let certificate = text(format!("{PKI}/apiserver-etcd-client.crt")).await?;
        let key = text(format!("{PKI}/apiserver-etcd-client.key")).await?;
        Ok(Client::new(etcd, Trust::new(&authorities, Some((&certificate, &key)))?))
    }

    /// The member that this machine runs; `trust` has a certificate that etcd takes.
    pub fn new(etcd: &Etcd, trust: Trust) -> Self {
        Client { trust, port: etcd.client_port, what: format!("etcd {} member {}", etcd.name, etcd.member) }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Which member it is, for messages.
    pub fn what(&self) -> &str {
        &self.what
    }

    fn failed(&self, path: &str, why: &str) -> Error {
        Error::failed(format!("{}: {path}: {why}", self.what))
    }

    fn request(&self, path: &str, body: &Value) -> Result<Request<Full<Bytes>>> {
        let request = Request::post(path).header("content-type", "application/json");
        request.body(Full::from(body.to_string())).map_err(|e| self.failed(path, &e.to_string()))
    }

    /// Calls a method whose answer comes in parts.
    pub async fn open(&self, path: &str, body: &Value) -> Result<Response<Incoming>> {
        let answer = self.trust.open(self.address(), "localhost", self.request(path, body)?).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        Err(self.failed(path, &format!("it answers {}", answer.status())))
    }

    /// Calls a method; the answer's JSON.
    pub async fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let (status, answer) = self.trust.ask(self.address(), "localhost", self.request(path, body)?).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let why = answer.get("message").or_else(|| answer.get("error")).and_then(Value::as_str);
        Err(self.failed(path, &why.map_or_else(|| format!("it answers {status}"), str::to_owned)))
    }

    /// What the member says of itself.
    pub async fn status(&self) -> Result<Status> {
        let said = self.call("/v3/maintenance/status", &json!({})).await?;
        // Numbers of 64 bits are strings in etcd's JSON.
        let number =
            |name: &str| said.get(name).and_then(Value::as_str).and_then(|n| n.parse().ok()).unwrap_or_default();
        let header = said.get("header");
        let text = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().to_owned();
        Ok(Status {
            version: text(said.get("version")),
            size: number("dbSize"),
            in_use: number("dbSizeInUse"),
            revision: text(header.and_then(|h| h.get("revision"))).parse().unwrap_or_default(),
            leads: said.get("leader") == header.and_then(|h| h.get("member_id")),
            errors: said
                .get("errors")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(|alarm| alarm.as_str().map(str::to_owned))
                .collect(),
        })
    }

    /// Whether the cluster takes writes: a majority answers, this member among them.
    pub async fn has_quorum(&self) -> Result<()> {
        // A linearizable read goes through the leader, and a majority.
        self.call("/v3/kv/range", &json!({"key": "aGVhbHRo", "limit": 1})).await.map(|_| ())
    }
}
