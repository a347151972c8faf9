//! The controller's HTTPS server: who may connect, for how long, how much is read; and which path leads where.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::agent::{self, Name};
use super::bootstrap::{self, Asked, Failure};
use super::limits::Connections;
use super::status;
use crate::error::{Context as _, Result};
use crate::node::identity::Denied;
use crate::node::join::{IDENTITY_HEADER, Refusal};

/// How much of a request is read, headers and body each.
const LARGEST: usize = 64 << 10;

/// How long a connection may take to be secured, and to send its request's headers.
const GREETING: Duration = Duration::from_secs(10);

/// How long a request may take to be read and answered.
const REQUEST: Duration = Duration::from_secs(15);

/// How long the binary may take to be had from the store.
const BINARY: Duration = Duration::from_secs(120);

/// How long a connection may last: the binary over a slow line.
const CONNECTION: Duration = Duration::from_secs(600);

/// How many connections there may be at once.
const CONNECTIONS: usize = 512;

/// How long what is under way may go on at the end.
const FAREWELL: Duration = Duration::from_secs(10);

type Body = BoxBody<Bytes, std::io::Error>;

/// Where it listens.
pub async fn listen(wanted: Option<SocketAddr>, port: u16) -> Result<TcpListener> {
    let doing = |at: SocketAddr| move || format!("can't listen at {at}");
    if let Some(at) = wanted {
        return TcpListener::bind(at).await.context(doing(at));
    }
    // Of both families where there are both.
    let any = [SocketAddr::from(([0u16; 8], port)), SocketAddr::from(([0u8; 4], port))];
    match TcpListener::bind(any[0]).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind(any[1]).await.context(doing(any[1])),
    }
}

/// Serves until it is stopped; then what is under way may end.
pub async fn serve(
    parts: Arc<Parts>,
    listener: TcpListener,
    config: watch::Receiver<Arc<ServerConfig>>,
    stop: CancellationToken,
) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let peers = Connections::default();
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &room) => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Some((stream, peer, place)) = accepted else { continue };
        let peer = peer.ip().to_canonical();
        let Some(own) = peers.enter(peer) else {
            tracing::debug!(%peer, "a connection is closed: the address has too many");
            continue;
        };
        let tls = TlsAcceptor::from(Arc::clone(&config.borrow()));
        let (parts, stop) = (Arc::clone(&parts), stop.clone());
        connections.spawn(async move {
            let _places = (place, own);
            if tokio::time::timeout(CONNECTION, connection(parts, stream, peer, tls, stop)).await.is_err() {
                tracing::debug!(%peer, "a connection lasted too long");
            }
        });
    }
    drop(listener);
    let ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(FAREWELL, ended).await.is_err() {
        tracing::warn!("connections are cut off");
    }
}

type Accepted = (TcpStream, SocketAddr, tokio::sync::OwnedSemaphorePermit);

/// The next connection, once there is room for it.
async fn accept(listener: &TcpListener, room: &Arc<Semaphore>) -> Option<Accepted> {
    let place = Arc::clone(room).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, peer)) => Some((stream, peer, place)),
        Err(e) => {
            // Out of file descriptors, perhaps: it passes, but not at once.
            tracing::warn!(error = %e, "can't accept a connection");
            tokio::time::sleep(Duration::from_millis(100)).await;
            None
        }
    }
}

async fn connection(parts: Arc<Parts>, stream: TcpStream, peer: IpAddr, tls: TlsAcceptor, stop: CancellationToken) {
    let stream = match tokio::time::timeout(GREETING, tls.accept(stream)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return tracing::debug!(%peer, error = %e, "a connection is not secured"),
        Err(_) => return tracing::debug!(%peer, "a connection is not secured in time"),
    };
    let service = service_fn(|request| {
        let parts = Arc::clone(&parts);
        async move { Ok::<_, Infallible>(answer(&parts, peer, request).await) }
    });
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(GREETING).max_buf_size(LARGEST);
    let mut connection = std::pin::pin!(server.serve_connection(TokioIo::new(stream), service));
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(e) = ended {
        tracing::debug!(%peer, error = %e, "a connection broke off");
    }
}

/// Answers one request, in time.
async fn answer(parts: &Arc<Parts>, peer: IpAddr, request: Request<Incoming>) -> Response<Body> {
    if !parts.limits.allows(peer, Instant::now()) {
        return refused(&Denied::TooMany(peer));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let (patience, routed) = match (&method, path.as_str()) {
        (&Method::GET, path) if path.starts_with("/bin/") => (BINARY, true),
        (&Method::POST, "/bootstrap" | "/status") | (&Method::GET, "/addresses") => (REQUEST, true),
        _ => (REQUEST, false),
    };
    if !routed {
        return json(StatusCode::NOT_FOUND, &Refusal { error: format!("there is no {method} {path}") });
    }
    // In a task of its own: who leaves does not keep the binary from being had for the next one.
    let parts = Arc::clone(parts);
    let work = tokio::spawn(async move { route(&parts, peer, &path, request).await });
    match tokio::time::timeout(patience, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(e)) => {
            tracing::error!(%peer, error = %e, "a request failed");
            later("the controller failed; its log says why")
        }
        Err(_) => later("it takes too long"),
    }
}

async fn route(parts: &Arc<Parts>, peer: IpAddr, path: &str, request: Request<Incoming>) -> Response<Body> {
    if path == "/addresses" {
        return json(StatusCode::OK, &parts.seen.borrow().control_plane());
    }
    if let Some(name) = path.strip_prefix("/bin/") {
        return binary(parts, name).await;
    }
    let token = request.headers().get(IDENTITY_HEADER).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let body = match Limited::new(request.into_body(), LARGEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(e) if e.downcast_ref::<LengthLimitError>().is_some() => {
            return json(StatusCode::PAYLOAD_TOO_LARGE, &Refusal { error: format!("more than {LARGEST} bytes") });
        }
        Err(e) => return json(StatusCode::BAD_REQUEST, &Refusal { error: format!("the request broke off: {e}") }),
    };
    if path == "/status" {
        return match status::take(parts, peer, &body).await {
            Ok(()) => json(StatusCode::OK, &serde_json::json!({})),
            Err(failure) => {
                if let Failure::Denied(why) = &failure {
                    tracing::warn!(%peer, reason = %why, "a status is refused");
                }
                failed(&failure)
            }
        };
    }
    let asked = Asked { peer, token: token.as_deref().unwrap_or_default(), body: &body };
    match bootstrap::answer(parts, asked).await {
        Ok(grant) => json(StatusCode::OK, &grant),
        Err(failure) => failed(&failure),
    }
}

async fn binary(parts: &Parts, name: &str) -> Response<Body> {
    let Some(name) = Name::parse(name) else {
        return json(StatusCode::NOT_FOUND, &Refusal { error: "that is no binary's name".to_owned() });
    };
    match parts.binaries.open(&name).await {
        Ok(Some((file, size))) => {
            let body = BodyExt::boxed(StreamBody::new(agent::stream(file)));
            let response = Response::builder().header(CONTENT_TYPE, "application/octet-stream");
            response.header(CONTENT_LENGTH, size).body(body).unwrap_or_else(|_| later("a header is odd"))
        }
        Ok(None) => {
            let error = "the state store has no such binary".to_owned();
            json(StatusCode::NOT_FOUND, &Refusal { error })
        }
        Err(e) => {
            tracing::error!(error = e.line(), "a binary can't be sent");
            later(&e.to_string())
        }
    }
}

fn failed(failure: &Failure) -> Response<Body> {
    match failure {
        Failure::Denied(why) => refused(why),
        Failure::Unknown(why) => {
            // Which service, and what it said; without what only the log shows.
            later(&why.to_string())
        }
    }
}

fn refused(why: &Denied) -> Response<Body> {
    json(StatusCode::from_u16(why.status()).unwrap_or(StatusCode::FORBIDDEN), &Refusal { error: why.to_string() })
}

/// Somebody else, or this controller a little later, may have an answer.
fn later(why: &str) -> Response<Body> {
    let mut response = json(StatusCode::SERVICE_UNAVAILABLE, &Refusal { error: why.to_owned() });
    response.headers_mut().insert(RETRY_AFTER, http::HeaderValue::from_static("5"));
    response
}

fn json(status: StatusCode, document: &impl Serialize) -> Response<Body> {
    let text = serde_json::to_vec(document).unwrap_or_default();
    let mut response = Response::new(Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}
