//! A web server on loopback that serves what a test puts there.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

type Shelf = Arc<Mutex<BTreeMap<String, (u16, String)>>>;

/// The server. It ends with the test process; nothing asks it any more once this value is gone.
pub(crate) struct Files {
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
    shelf: Shelf,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Files {
    pub(crate) fn serve() -> Files {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (shelf, asked): (Shelf, Arc<Mutex<Vec<String>>>) = Default::default();
        let (files, log) = (Arc::clone(&shelf), Arc::clone(&asked));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                answer(stream.unwrap(), &files, &log);
            }
        });
        Files { url, shelf, asked }
    }

    /// A path holds this from now on.
    pub(crate) fn put(&self, path: &str, text: &str) {
        self.shelf.lock().unwrap().insert(path.to_owned(), (200, text.to_owned()));
    }

    /// A path leads elsewhere from now on.
    pub(crate) fn lead(&self, path: &str, to: &str) {
        self.shelf.lock().unwrap().insert(path.to_owned(), (302, to.to_owned()));
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == path).count()
    }
}

fn answer(mut stream: TcpStream, shelf: &Shelf, log: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
    let path = lines.next().and_then(|line| line.split(' ').nth(1).map(str::to_owned)).unwrap_or_default();
    lines.find(String::is_empty);
    log.lock().unwrap().push(path.clone());
    let (status, headers, body) = match shelf.lock().unwrap().get(&path).cloned() {
        Some((302, to)) => ("302 Found", format!("Location: {to}\r\n"), String::new()),
        Some((_, text)) => ("200 OK", String::new(), text),
        None => ("404 Not Found", String::new(), String::new()),
    };
    let length = body.len();
    // A client that left is its own business.
    let _ = write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
}
