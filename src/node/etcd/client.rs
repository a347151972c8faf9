//! What is asked of a running member, in etcd's JSON form of its API.

use std::net::{Ipv4Addr, SocketAddr};

use http::Request;
use http_body_util::Full;
use serde_json::{Value, json};

use crate::error::{Error, Result};
use crate::node::configuration::Etcd;
use crate::node::https::Trust;

/// A member on this machine.
pub struct Client {
    trust: Trust,
    port: u16,
    what: String,
}

impl Client {
    /// The member that this machine runs; `trust` has a certificate that etcd takes.
    pub fn new(etcd: &Etcd, trust: Trust) -> Self {
        Client { trust, port: etcd.client_port, what: format!("etcd {} member {}", etcd.name, etcd.member) }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Calls a method; the answer's JSON.
    pub async fn call(&self, path: &str, body: &Value) -> Result<Value> {
        let failed = |why: String| Error::failed(format!("{}: {path}: {why}", self.what));
        let request = Request::post(path).header("content-type", "application/json");
        let request = request.body(Full::from(body.to_string())).map_err(|e| failed(e.to_string()))?;
        let (status, answer) = self.trust.ask(self.address(), "localhost", request).await?;
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if status.is_success() {
            return Ok(answer);
        }
        let why = answer.get("message").or_else(|| answer.get("error")).and_then(Value::as_str);
        Err(failed(why.map_or_else(|| format!("it answers {status}"), str::to_owned)))
    }

    /// Whether the cluster takes writes: a majority answers, this member among them.
    pub async fn has_quorum(&self) -> Result<()> {
        // A linearizable read goes through the leader, and a majority.
        self.call("/v3/kv/range", &json!({"key": "aGVhbHRo", "limit": 1})).await.map(|_| ())
    }
}
