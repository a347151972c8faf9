//! How a failure looks: what, why (the chain of causes), what to do next.

use std::error::Error as _;

use super::Role;
use crate::error::Error;

/// The error as lines. `verbose` shows every link of the chain, even one that repeats what was said, and the exit code.
pub(super) fn render(error: &Error, verbose: bool) -> String {
    let mut lines = vec![format!("{} {}", Role::Error.paint("error:"), indented(error.message(), "  "))];
    lines.extend(details(error));
    let mut said = error.message().to_owned();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if verbose || !said.contains(&text) {
            lines.push(format!("  {} {}", Role::Dim.paint("caused by:"), indented(&text, "    ")));
        }
        if let Some(ours) = inner.downcast_ref::<Error>() {
            lines.extend(details(ours).map(|d| format!("  {d}")));
        }
        said = text;
        cause = inner.source();
    }
    let mut hints: Vec<&str> = Vec::new();
    for hint in error.hints() {
        if !hints.contains(&hint) {
            hints.push(hint);
        }
    }
    lines.extend(hints.iter().map(|h| format!("{} {}", Role::Hint.paint("hint:"), indented(h, "      "))));
    if verbose {
        lines.push(Role::Dim.paint(format!("exit code {} ({:?})", error.kind().exit_code(), error.kind())).to_string());
    }
    lines.join("\n")
}

fn details(error: &Error) -> impl Iterator<Item = String> {
    error.details().iter().map(|d| format!("  {}", indented(d, "  ")))
}

/// The text with its further lines moved to the right.
fn indented(text: &str, by: &str) -> String {
    text.trim_end().replace('\n', &format!("\n{by}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::{ColorWhen, Options, Terminal, Ui};

    fn sample() -> Error {
        let io = std::io::Error::other("connection reset by peer");
        Error::conflict("object config changed since it was read")
            .detail("revision 12 by alice, 3 minutes ago")
            .because(io)
            .hint("kspot history shows what was changed")
            .context("writing cluster c.example.com")
            .hint("run the command again")
    }

    /// Message, causes one per line, details below their error, hints last.
    #[test]
    fn error_names_what_why_and_what_next() {
        let (ui, out, err) = Ui::captured();
        ui.error(&sample());
        assert_eq!(out.take(), "");
        insta::assert_snapshot!(err.take(), @r"
        error: writing cluster c.example.com
          caused by: object config changed since it was read
            revision 12 by alice, 3 minutes ago
          caused by: connection reset by peer
        hint: run the command again
        hint: kspot history shows what was changed
        ");
    }

    /// A cause that only repeats the message is left out, unless -v asks for everything.
    #[test]
    fn repeated_causes_are_said_once() {
        let twice = || Error::failed("no bucket b").because(std::io::Error::other("no bucket b"));
        let (ui, _, err) = Ui::captured();
        ui.error(&twice());
        assert_eq!(err.take(), "error: no bucket b\n");
        let (ui, _, err) = Ui::for_test(Options { verbose: 1, ..Options::default() }, Terminal::default(), "");
        ui.error(&twice());
        insta::assert_snapshot!(err.take(), @r"
        error: no bucket b
          caused by: no bucket b
        exit code 1 (Failed)
        ");
    }

    /// Colour marks the leading words only.
    #[test]
    fn error_in_colour() {
        let options = Options { color: ColorWhen::Always, ..Options::default() };
        let (ui, _, err) = Ui::for_test(options, Terminal::default(), "");
        ui.error(
            &Error::invalid("1 problem").detail("c.yaml:3:5: spec.zones: is empty").hint("kspot explain spec.zones"),
        );
        insta::assert_snapshot!(err.take().replace('\u{1b}', "ESC"), @r"
        ESC[1mESC[31merror:ESC[0m 1 problem
          c.yaml:3:5: spec.zones: is empty
        ESC[1mESC[36mhint:ESC[0m kspot explain spec.zones
        ");
    }
}
