//! A server of the bed as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use super::venv;

/// A running server on a free loopback port. It ends when this value is dropped, and also when the test process ends in
/// any way: it watches its standard input, whose other side is ours. (`PR_SET_PDEATHSIG` would not do: it fires when
/// the *thread* that started the child ends, and every test has a thread of its own.)
pub(crate) struct Server {
    child: Child,
    url: String,
}

impl Server {
    /// Starts a script of `tests/bed/` and waits until it says where it listens.
    pub(crate) fn python(script: &str, arguments: &[&str]) -> Server {
        let mut child = Command::new(venv::python())
            .arg(venv::root().join("tests/bed").join(script))
            .args(["--port", "0", "--lifeline"])
            .args(arguments)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("starting {script}: {e}"));
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let Some(url) = first.trim().strip_prefix("listening ") else {
            panic!("{script} ended before it listened: {:?}", child.wait());
        };
        Server { url: url.to_owned(), child }
    }

    /// Its address: `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone after wait.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP request to a server of the bed: status and body. For its own endpoints; AWS requests go through the SDK.
pub(crate) fn http(url: &str, method: &str, path: &str, body: &str) -> (u16, String) {
    let host = url.strip_prefix("http://").expect("an http:// address");
    let mut stream = TcpStream::connect(host).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, text) = answer.split_once("\r\n\r\n").expect("a complete answer");
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
    (status, text.to_owned())
}
