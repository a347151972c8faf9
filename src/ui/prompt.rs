//! Questions. Without someone to answer, a question is an error that names the flag that answers it.

use std::io::BufRead;

use super::{Role, Ui, lock};
use crate::error::{Context, Error, Result};

impl Ui {
    /// Asks a question that is answered with yes or no; anything but yes is no. `flag` is what answers it in scripts.
    pub fn confirm(&self, question: &str, flag: &str) -> Result<bool> {
        let answer = self.ask(&format!("{question} {} ", Role::Dim.paint("[y/N]")), flag)?;
        Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks to type the name of what is about to be lost; anything else is no. `flag` is what answers it in scripts.
    pub fn type_name(&self, question: &str, name: &str, flag: &str) -> Result<bool> {
        let prompt = format!("{question}\nType {} to go on: ", Role::Name.paint(name));
        Ok(self.ask(&prompt, flag)? == name)
    }

    fn ask(&self, prompt: &str, flag: &str) -> Result<String> {
        if !self.terminal().answers {
            let subject = prompt.lines().next().unwrap_or(prompt);
            let subject = anstream::adapter::strip_str(subject).to_string();
            let subject = subject.trim_end().trim_end_matches("[y/N]").trim_end();
            return Err(Error::usage(format!("nobody is there to answer: {subject}"))
                .hint(format!("give the answer on the command line: {flag}")));
        }
        lock(&self.0.err).write(prompt);
        let mut line = String::new();
        let read = lock(&self.0.input).read_line(&mut line).context(|| "can't read the answer".to_owned())?;
        if read == 0 {
            lock(&self.0.err).write("\n");
        }
        Ok(line.trim().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use crate::error::Kind;
    use crate::ui::{Options, Terminal, Ui};

    fn answered(input: &str) -> (Ui, crate::ui::Buffer) {
        let terminal = Terminal { answers: true, ..Terminal::default() };
        let (ui, _, err) = Ui::for_test(Options::default(), terminal, input);
        (ui, err)
    }

    /// Only a clear yes is yes: an empty line and the end of input are no.
    #[test]
    fn anything_but_yes_is_no() {
        for (input, yes) in [("y\n", true), ("YES\n", true), ("\n", false), ("yep\n", false), ("", false)] {
            let (ui, err) = answered(input);
            assert_eq!(ui.confirm("Apply?", "--yes").unwrap(), yes, "{input:?}");
            assert!(err.take().starts_with("Apply? [y/N] "));
        }
    }

    /// A deletion goes on only with the exact name.
    #[test]
    fn the_name_must_be_exact() {
        let (ui, err) = answered("c.example.com\nC.example.com\n");
        assert!(ui.type_name("This deletes the cluster.", "c.example.com", "--yes").unwrap());
        assert_eq!(err.take(), "This deletes the cluster.\nType c.example.com to go on: ");
        assert!(!ui.type_name("This deletes the cluster.", "c.example.com", "--yes").unwrap());
    }

    /// A script is never left hanging at a question: it is told what to add.
    #[test]
    fn without_a_terminal_the_flag_is_named() {
        let (ui, _, err) = Ui::captured();
        let e = ui.confirm("Apply these changes?", "--yes").unwrap_err();
        assert_eq!((e.kind(), err.take()), (Kind::Usage, String::new()));
        assert_eq!(e.to_string(), "nobody is there to answer: Apply these changes?");
        assert_eq!(e.hints(), ["give the answer on the command line: --yes"]);
    }
}
