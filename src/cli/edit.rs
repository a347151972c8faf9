//! `kspot edit`: a spec in the editor, again and again until it is right.

use std::io::Write as _;
use std::process::{Command, Stdio};

use clap::{Args as ClapArgs, ValueEnum};
use tempfile::NamedTempFile;

use super::session::Session;
use super::specs::{self, Change, groups_like};
use crate::error::{Context as _, Error, Kind as ErrorKind, Result};
use crate::ops::specs::check;
use crate::state::SpecPath;
use crate::state::history::Texts;

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
    #[arg(value_name = "NAME")]
    object: Option<String>,

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
        let positional = if self.kind == Kind::Cluster { self.object.as_deref() } else { None };
        let (store, specs) = session.specs(positional).await?;
        let cluster = specs.cluster.name().to_owned();
        let path = match (self.kind, &self.object) {
            (Kind::Cluster, _) => SpecPath::Cluster,
            (Kind::Ig, Some(name)) => groups_like(&specs.texts, name)?.remove(0),
            (Kind::Ig, None) => return Err(Error::usage("no instance group is named").hint("kspot edit ig NAME")),
        };
        let before = specs.texts.get(&path).cloned().unwrap_or_default();
        let mut after = before.clone();
        let written = async {
            if !settle(session, &specs.texts, &path, &mut after)? {
                session.ui.say("edit cancelled: nothing changed");
                return Ok(0);
            }
            let command = format!("edit {path}");
            let message = self.message.as_deref();
            let change = Change::new(&store, &cluster, &command, message);
            let put = |now: &mut Texts| put(now, &path, (&before, &after));
            let ((), revision) = change.edit(session, put).await?;
            specs::recorded(session, &cluster, revision.as_ref());
            Ok(0)
        };
        match written.await {
            Err(e) if !after.trim().is_empty() && after != before => Err(keep(e, &after)),
            done => done,
        }
    }
}

/// Opens the editor until the specs are valid together. `text` is what the user wrote last, whatever happens. False if
/// they left it as it was, or empty.
fn settle(session: &Session, specs: &Texts, path: &SpecPath, text: &mut String) -> Result<bool> {
    let before = text.clone();
    let mut shown = before.clone();
    loop {
        let last = text.clone();
        open_editor(session, &shown, text)?;
        if text.trim().is_empty() || *text == before {
            return Ok(false);
        }
        let mut texts = specs.clone();
        texts.insert(path.clone(), text.clone());
        match check(&texts, &[]) {
            Ok(_) => return Ok(true),
            Err(e) if e.kind() != ErrorKind::Invalid => return Err(e),
            Err(e) if *text == last => {
                return Err(e.hint("the editor left the text as it was: nothing is written"));
            }
            Err(e) => shown = with_remarks(text, &e),
        }
    }
}

/// Puts the new text in the place of the one that the editor was opened with.
fn put(now: &mut Texts, path: &SpecPath, (before, after): (&String, &String)) -> Result<()> {
    if now.get(path) != Some(before) {
        return Err(Error::conflict(format!("{path} was changed by somebody else while it was edited"))
            .hint("`kspot diff` shows what they changed"));
    }
    now.insert(path.clone(), after.clone());
    Ok(())
}

/// Nobody loses what they wrote: the text goes to a file that the error names.
fn keep(error: Error, text: &str) -> Error {
    let kept = editors_file(text).and_then(|file| {
        let path = file.into_temp_path();
        path.keep().context(|| "can't keep the editor's file".into())
    });
    match kept {
        Ok(path) => error.hint(format!("what you wrote is kept: kspot replace -f {}", path.display())),
        Err(e) => error.hint(format!("what you wrote could not be kept: {}", e.chain())),
    }
}

/// A file of the user's own that holds the text.
fn editors_file(text: &str) -> Result<NamedTempFile> {
    let mut file = tempfile::Builder::new()
        .prefix("kspot-")
        .suffix(".yaml")
        .tempfile()
        .context(|| "can't make a file for the editor".into())?;
    file.write_all(text.as_bytes()).context(|| "can't write the editor's file".into())?;
    Ok(file)
}

/// Opens what is shown in the user's editor; `text` becomes what they leave, also when the editor fails.
fn open_editor(session: &Session, shown: &str, text: &mut String) -> Result<()> {
    let editor = ["KSPOT_EDITOR", "VISUAL", "EDITOR"]
        .iter()
        .find_map(|name| session.context.env(name).filter(|v| !v.is_empty()))
        .unwrap_or("vi");
    let file = editors_file(shown)?;
    // The variable may hold arguments, as git and kubectl allow; a shell splits it and gets the file as "$1".
    let status = Command::new("sh")
        .arg("-c")
        .arg(format!("{editor} \"$1\""))
        .arg("kspot-edit")
        .arg(file.path())
        .stdin(Stdio::inherit())
        .status()
        .context(|| format!("can't start the editor {editor}"))?;
    let left = std::fs::read_to_string(file.path()).context(|| "can't read what the editor left".into())?;
    *text = without_remarks(&left);
    if status.success() {
        return Ok(());
    }
    Err(Error::failed(format!("the editor {editor} ended with {status}")).hint("nothing is written"))
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
