//! One output stream: with or without colour, and calm about a reader that went away.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use anstream::adapter::strip_str;

/// A stream that text with escape sequences can be written to.
pub(super) struct Stream {
    out: Box<dyn Write + Send>,
    color: bool,
    /// Nobody reads any more, or a write failed: everything further is dropped.
    closed: bool,
    /// The first failure that is not just a reader that left.
    failure: Option<io::Error>,
}

impl Stream {
    pub(super) fn new(out: Box<dyn Write + Send>, color: bool) -> Self {
        Stream { out, color, closed: false, failure: None }
    }

    /// The text as this stream shows it: without colour, if it has none.
    pub(super) fn looks(&self, text: &str) -> String {
        if self.color { text.to_owned() } else { strip_str(text).to_string() }
    }

    /// Writes the text and flushes it.
    pub(super) fn write(&mut self, text: &str) {
        if self.closed {
            return;
        }
        let written = self.out.write_all(self.looks(text).as_bytes());
        if let Err(e) = written.and_then(|()| self.out.flush()) {
            self.closed = true;
            if e.kind() != io::ErrorKind::BrokenPipe {
                self.failure = Some(e);
            }
        }
    }

    pub(super) fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}

/// A growing text that a test reads back.
#[derive(Clone, Debug, Default)]
pub struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Buffer {
    /// Everything that was written since the last call.
    pub fn take(&self) -> String {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::style::Role;

    struct Broken(io::ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// `kspot get ... | head` ends quietly; a full disk does not.
    #[test]
    fn only_a_reader_that_left_is_no_failure() {
        let mut pipe = Stream::new(Box::new(Broken(io::ErrorKind::BrokenPipe)), false);
        pipe.write("x\n");
        assert!(pipe.closed && pipe.take_failure().is_none());
        let mut disk = Stream::new(Box::new(Broken(io::ErrorKind::StorageFull)), false);
        disk.write("x\n");
        assert_eq!(disk.take_failure().map(|e| e.kind()), Some(io::ErrorKind::StorageFull));
    }

    /// Without colour not one escape sequence gets out, not even one that came with the data.
    #[test]
    fn no_color_means_no_escape_sequence() {
        let buffer = Buffer::default();
        let mut stream = Stream::new(Box::new(buffer.clone()), false);
        stream.write(&format!("{} \u{1b}[31mred\u{1b}[0m\n", Role::Add.paint("+")));
        assert_eq!(buffer.take(), "+ red\n");
    }
}
