//! Leads connections from loopback to an API server that answers.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{Context, Result};

/// How long an API server may take to accept a connection, before the next one is tried.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where API servers are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Known {
    /// Connections are spread over these.
    pub preferred: Vec<SocketAddr>,
    /// Those to try when none of them answers.
    pub others: Vec<SocketAddr>,
}

impl Known {
    /// All, in the order in which a connection tries them.
    fn in_turn(&self, turn: usize) -> impl Iterator<Item = SocketAddr> {
        let spread = |all: &[SocketAddr]| {
            let mut all = all.to_vec();
            let places = all.len().max(1);
            all.rotate_left(turn % places);
            all
        };
        spread(&self.preferred).into_iter().chain(spread(&self.others))
    }

    fn has(&self, server: SocketAddr) -> bool {
        self.preferred.contains(&server) || self.others.contains(&server)
    }
}

/// The API servers as they are known now.
pub type Servers = watch::Receiver<Known>;

/// Listens on loopback.
pub async fn listen(port: u16) -> Result<TcpListener> {
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpListener::bind(at).await.context(|| format!("can't listen on {at}"))
}

/// Forwards until it is stopped. A connection to a server that is no longer there is ended, so that its client comes back
/// and is led to another one.
pub async fn forward(listener: TcpListener, servers: Servers, stop: CancellationToken) {
    // Connections are spread by beginning with another server each time.
    let mut turn: usize = 0;
    // Said once, not for each connection while there is no API server.
    let answering = Arc::new(AtomicBool::new(true));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((client, _)) => {
                turn = turn.wrapping_add(1);
                tokio::spawn(lead(client, servers.clone(), turn, Arc::clone(&answering)));
            }
            Err(error) => {
                // Out of descriptors, most likely: others will end.
                tracing::warn!(%error, "a connection is not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn lead(mut client: TcpStream, mut servers: Servers, turn: usize, answering: Arc<AtomicBool>) {
    let all = servers.borrow_and_update().clone();
    for server in all.in_turn(turn) {
        let Ok(Ok(mut connection)) = tokio::time::timeout(PATIENCE, TcpStream::connect(server)).await else { continue };
        answering.store(true, Ordering::Relaxed);
        // Small requests must not wait for each other.
        let _ = (client.set_nodelay(true), connection.set_nodelay(true));
        tokio::select! {
            _ = tokio::io::copy_bidirectional(&mut client, &mut connection) => {}
            () = gone(&mut servers, server) => tracing::info!(%server, "an API server is gone: its connections end"),
        }
        return;
    }
    if answering.swap(false, Ordering::Relaxed) {
        tracing::warn!(servers = ?all, "no API server accepts a connection");
    }
}

/// Returns when the server is no longer among those that are there.
async fn gone(servers: &mut Servers, server: SocketAddr) {
    while servers.changed().await.is_ok() {
        if !servers.borrow_and_update().has(server) {
            return;
        }
    }
    std::future::pending().await
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn known(preferred: &[SocketAddr]) -> Known {
        Known { preferred: preferred.to_vec(), others: Vec::new() }
    }

    /// The machine's own API server comes first, whoever's turn it is.
    #[test]
    fn the_preferred_come_first() {
        let [a, b, c] = [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let known = Known { preferred: vec![a], others: vec![b, c] };
        assert_eq!(known.in_turn(4).collect::<Vec<_>>(), [a, b, c]);
        assert_eq!(known.in_turn(5).collect::<Vec<_>>(), [a, c, b]);
    }

    /// A server that answers each connection with its name, and then echoes.
    async fn server(name: &'static str) -> (SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    stream.write_all(name.as_bytes()).await.unwrap();
                    let (mut read, mut write) = stream.split();
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                });
            }
        });
        (at, task)
    }

    async fn greeting(at: SocketAddr) -> Option<(TcpStream, String)> {
        let mut stream = TcpStream::connect(at).await.unwrap();
        let mut name = [0; 1];
        stream.read_exact(&mut name).await.ok()?;
        Some((stream, String::from_utf8(name.to_vec()).unwrap()))
    }

    /// Connections are spread; a server that is down is passed over; one that is taken off ends its connections.
    #[tokio::test]
    async fn connections_find_a_server() {
        let (a, of_a) = server("a").await;
        let (b, _of_b) = server("b").await;
        let (tell, servers) = watch::channel(known(&[a, b]));
        let listener = listen(0).await.unwrap();
        let at = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(forward(listener, servers, stop.clone()));
        let mut names = Vec::new();
        for _ in 0..4 {
            names.push(greeting(at).await.unwrap().1);
        }
        names.sort();
        assert_eq!(names, ["a", "a", "b", "b"]);

        let (mut to_a, _) = loop {
            let (stream, name) = greeting(at).await.unwrap();
            if name == "a" {
                break (stream, name);
            }
        };
        to_a.write_all(b"x").await.unwrap();
        let mut echo = [0; 1];
        to_a.read_exact(&mut echo).await.unwrap();
        of_a.abort();
        // The listener is gone with its task; wait for that, not for a time.
        while TcpStream::connect(a).await.is_ok() {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            assert_eq!(greeting(at).await.unwrap().1, "b");
        }
        tell.send(known(&[b])).unwrap();
        assert_eq!(to_a.read(&mut echo).await.unwrap_or(0), 0, "a connection to a server that is gone ends");
        tell.send(known(&[])).unwrap();
        assert!(greeting(at).await.is_none());
        stop.cancel();
        task.await.unwrap();
    }
}
