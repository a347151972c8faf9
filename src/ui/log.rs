//! The log of `-vv`: goes to stderr between the lines of a progress display, never through them.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use super::Ui;

/// One event of the log; it is printed when it is complete.
pub struct LogLine {
    ui: Ui,
    text: Vec<u8>,
}

impl Write for LogLine {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LogLine {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        if !text.is_empty() {
            self.ui.err_line(text.trim_end_matches('\n'));
        }
    }
}

impl MakeWriter<'_> for Ui {
    type Writer = LogLine;

    fn make_writer(&self) -> LogLine {
        LogLine { ui: self.clone(), text: Vec::new() }
    }
}

impl Ui {
    /// Sends the log to stderr from now on, for what runs as a service; the journal has the time. `-v` says more.
    pub fn log(&self) {
        let level = if self.verbosity() > 0 { "kspot=debug" } else { "kspot=info" };
        let filter = tracing_subscriber::EnvFilter::new(level);
        let log = tracing_subscriber::fmt().with_writer(self.clone()).with_env_filter(filter);
        // A second one would be a mistake of ours that must not end the service.
        let _ = log.with_ansi(false).with_target(false).without_time().try_init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the log says comes out on stderr, where the talk is.
    #[test]
    fn the_log_goes_to_stderr() {
        let (ui, out, err) = Ui::captured();
        let log = ui.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(log).with_ansi(false).without_time().finish();
        tracing::subscriber::with_default(subscriber, || tracing::info!(action = "CreateVpc", "sent"));
        assert_eq!(out.take(), "");
        assert!(err.take().ends_with("sent action=\"CreateVpc\"\n"));
    }
}
