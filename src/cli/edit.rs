//! `kspot edit`: a spec in the editor, again and again until it is right.

use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::{Args as ClapArgs, ValueEnum};

use super::session::Session;
use super::specs::{self, Change, groups_like};
use crate::error::{Context as _, Error, Kind as ErrorKind, Result};
use crate::ops::specs::{check, read};
use crate::state::SpecPath;

/// Edit a spec in $EDITOR
///
/// When the result is not valid, the editor opens again with the problems as comments. Nothing is written until the
/// specs are valid together; leaving the text as it is, or empty, cancels.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot edit cluster
  kspot edit ig nodes-us-east-1a
  EDITOR='code --wait' kspot edit cluster
")]
pub(super) struct Args {
    /// cluster, or ig
    #[arg(value_enum)]
    kind: Kind,

    /// The instance group, or the cluster
    name: Option<String>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The cluster's spec
    Cluster,
    /// An instance group's spec
    #[value(alias = "instancegroup", alias = "instancegroups")]
    Ig,
}

/// How the lines begin that the editor loop adds; they are taken out again.
const REMARK: &str = "#! ";

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let positional = if self.kind == Kind::Cluster { self.name.as_deref() } else { None };
        let cluster = session.cluster(positional)?;
        let store = session.store().await?;
        let specs = read(&store, &cluster).await?;
        let path = match (self.kind, &self.name) {
            (Kind::Cluster, _) => SpecPath::Cluster,
            (Kind::Ig, Some(name)) => groups_like(&specs.texts, name)?.remove(0),
            (Kind::Ig, None) => return Err(Error::usage("no instance group is named").hint("kspot edit ig NAME")),
        };
        let before = specs.texts.get(&path).cloned().unwrap_or_default();
        let mut texts = specs.texts.clone();
        let mut shown = before.clone();
        let after = loop {
            let edited = without_remarks(&open_editor(session, &shown)?);
            if edited.trim().is_empty() || edited == before {
                session.ui.say("edit cancelled: nothing changed");
                return Ok(0);
            }
            texts.insert(path.clone(), edited.clone());
            match check(&texts) {
                Ok(_) => break edited,
                Err(e) if e.kind() == ErrorKind::Invalid => {
                    if without_remarks(&shown) == edited {
                        return Err(e.hint("the editor left the text as it was: nothing is written"));
                    }
                    shown = with_remarks(&edited, &e);
                }
                Err(e) => return Err(e),
            }
        };
        let command = format!("edit {path}");
        let change = Change { store: &store, cluster: &cluster, command: &command, message: self.message.as_deref() };
        let ((), revision) = change
            .edit(session, |now| {
                if now.get(&path) != Some(&before) {
                    return Err(Error::conflict(format!("{path} was changed by somebody else while it was edited"))
                        .hint(format!("kspot edit {path} again; `kspot history` shows who changed it")));
                }
                now.insert(path.clone(), after.clone());
                Ok(())
            })
            .await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }
}

/// Opens the text in the user's editor and gives back what they left.
fn open_editor(session: &Session, text: &str) -> Result<String> {
    let editor = ["KSPOT_EDITOR", "VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| session.context.env(name).filter(|v| !v.is_empty()))
        .unwrap_or("vi");
    let mut file = tempfile::Builder::new()
        .prefix("kspot-")
        .suffix(".yaml")
        .tempfile()
        .context(|| "can't make a file for the editor".into())?;
    file.write_all(text.as_bytes()).context(|| "can't write the editor's file".into())?;
    // The variable may hold arguments, as git and kubectl allow; a shell splits it and gets the file as "$1".
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("kspot-edit")
        .arg(file.path())
        .stdin(Stdio::inherit())
        .status()
        .context(|| format!("can't start the editor {editor}"))?;
    if !status.success() {
        return Err(Error::failed(format!("the editor {editor} ended with {status}")).hint("nothing is written"));
    }
    std::fs::read_to_string(file.path()).context(|| "can't read what the editor left".into())
}

fn with_remarks(text: &str, error: &Error) -> String {
    let mut remarks = format!("{REMARK}{error}\n");
    for line in error.details() {
        remarks.push_str(&format!("{REMARK}{line}\n"));
    }
    format!("{remarks}{text}")
}

fn without_remarks(text: &str) -> String {
    text.split_inclusive('\n').filter(|l| !l.starts_with(REMARK.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the loop adds to the text never ends up in the spec; a user's own comments stay.
    #[test]
    fn remarks_come_and_go() {
        let text = "# mine\nkind: Cluster\n";
        let shown = with_remarks(text, &Error::invalid("bad").detail("config:2:1: kind: no"));
        assert!(shown.starts_with("#! bad\n#! config:2:1"));
        assert_eq!(without_remarks(&shown), text);
    }
}
