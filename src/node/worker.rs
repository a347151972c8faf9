//! How a worker asks the control plane for what makes it a node.

use std::net::{IpAddr, SocketAddr};

use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use http_body_util::Full;
use hyper::body::Bytes;

use super::https::Trust;
use super::identity::Token;
use super::join::{Grant, IDENTITY_HEADER, Refusal, Request};
use crate::error::{Context as _, Error, Result};
use crate::state::status::BootStatus;

/// Where the controllers are, and how they are known.
#[derive(Clone, Debug)]
pub struct Controllers {
    /// The addresses of the control plane's machines.
    pub addresses: Vec<IpAddr>,
    /// The port.
    pub port: u16,
    /// The name in their certificates.
    pub name: String,
    /// The cluster's authorities, PEM; nobody else is trusted.
    pub authorities: String,
    /// The address to ask from, where that matters.
    pub from: Option<IpAddr>,
}

/// Why a worker has no grant.
#[derive(Debug)]
pub enum Unsuccessful {
    /// A controller says no, and why: asking another one is of no use.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The reason, for the operator.
        why: String,
    },
    /// Nobody gives an answer: what each one said.
    Nobody(Error),
}

impl Unsuccessful {
    /// As an error of the boot.
    pub fn into_error(self) -> Error {
        match self {
            Unsuccessful::Refused { why, .. } => {
                Error::failed(format!("the control plane refuses this machine: {why}"))
                    .hint("docs/joining.md has every refusal and what to do")
            }
            Unsuccessful::Nobody(error) => error,
        }
    }
}

/// Asks the controllers, in random order, until one answers. `sign` makes the token for a body; each try has a new one.
pub async fn ask<F>(
    controllers: &Controllers,
    request: &Request,
    sign: impl Fn(Vec<u8>) -> F,
) -> Result<Grant, Unsuccessful>
where
    F: Future<Output = Result<Token>>,
{
    let failed = |e: Error| Unsuccessful::Nobody(e);
    let body = serde_json::to_vec(request).context(|| "can't write the request".to_owned()).map_err(failed)?;
    let mut nobody = Error::failed("no controller of the control plane gives an answer");
    for address in shuffled(&controllers.addresses) {
        let token = sign(body.clone()).await.map_err(failed)?.encode();
        let call = Call { method: Method::POST, path: "/bootstrap", token: Some(token), body: body.clone() };
        match send(controllers, address, call).await {
            Ok((StatusCode::OK, answer)) => match serde_json::from_slice(&answer) {
                Ok(grant) => return Ok(grant),
                // What it says is never shown: there may be a part of a grant in it.
                Err(e) => nobody = nobody.detail(format!("{address}: its answer breaks off at column {}", e.column())),
            },
            Ok((status, answer)) => {
                let why = reason(&answer);
                if status.is_client_error() && status != StatusCode::TOO_MANY_REQUESTS {
                    return Err(Unsuccessful::Refused { status: status.as_u16(), why });
                }
                nobody = nobody.detail(format!("{address}: {status}: {why}"));
            }
            Err(e) => nobody = nobody.detail(e.chain()),
        }
    }
    if controllers.addresses.is_empty() {
        nobody = nobody.detail("no machine of the control plane is known");
    }
    Err(Unsuccessful::Nobody(nobody))
}

/// Tells the first controller that answers how far the boot got.
pub async fn tell(controllers: &Controllers, status: &BootStatus) -> Result<()> {
    let body = serde_json::to_vec(status).context(|| "can't write the status".to_owned())?;
    let mut nobody = Error::failed("no controller of the control plane takes the status");
    for address in shuffled(&controllers.addresses) {
        let call = Call { method: Method::POST, path: "/status", token: None, body: body.clone() };
        match send(controllers, address, call).await {
            Ok((StatusCode::OK, _)) => return Ok(()),
            Ok((status, answer)) => nobody = nobody.detail(format!("{address}: {status}: {}", reason(&answer))),
            Err(e) => nobody = nobody.detail(e.chain()),
        }
    }
    Err(nobody)
}

/// The addresses of the control plane, as one of its controllers knows them now.
pub async fn addresses(controllers: &Controllers) -> Result<Vec<IpAddr>> {
    let mut nobody = Error::failed("no controller of the control plane tells its addresses");
    for address in shuffled(&controllers.addresses) {
        let call = Call { method: Method::GET, path: "/addresses", token: None, body: Vec::new() };
        match send(controllers, address, call).await {
            Ok((StatusCode::OK, answer)) => match serde_json::from_slice(&answer) {
                Ok(addresses) => return Ok(addresses),
                Err(e) => nobody = nobody.detail(format!("{address}: {e}")),
            },
            Ok((status, answer)) => nobody = nobody.detail(format!("{address}: {status}: {}", reason(&answer))),
            Err(e) => nobody = nobody.detail(e.chain()),
        }
    }
    Err(nobody)
}

fn reason(answer: &[u8]) -> String {
    serde_json::from_slice::<Refusal>(answer).map_or_else(|_| "no reason".to_owned(), |refusal| refusal.error)
}

/// In an order of its own for each call: not all workers ask the same controller first.
fn shuffled(addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut keyed: Vec<_> = addresses.iter().map(|a| (uuid::Uuid::new_v4(), *a)).collect();
    keyed.sort();
    keyed.into_iter().map(|(_, address)| address).collect()
}

/// One request.
struct Call {
    method: Method,
    path: &'static str,
    token: Option<String>,
    body: Vec<u8>,
}

async fn send(controllers: &Controllers, address: IpAddr, call: Call) -> Result<(StatusCode, Bytes)> {
    let mut request =
        http::Request::builder().method(call.method).uri(call.path).header(CONTENT_TYPE, "application/json");
    if let Some(token) = call.token {
        request = request.header(IDENTITY_HEADER, token);
    }
    let request = request.body(Full::new(Bytes::from(call.body))).context(|| "can't write the request".to_owned())?;
    let trust = Trust::new(&controllers.authorities, None)?.from(controllers.from);
    trust.ask(SocketAddr::new(address, controllers.port), &controllers.name, request).await
}
