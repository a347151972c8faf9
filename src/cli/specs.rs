//! What the commands that write specs share: reading files, printing objects, recording a change.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;

use super::session::Session;
use crate::error::{Context as _, Error, Result};
use crate::ops::specs::{Specs, change, check, open, path_of};
use crate::spec::parse::Document;
use crate::spec::problem::Problems;
use crate::spec::{Object, print as spec_print};
use crate::state::change::Intent;
use crate::state::history::{Revision, Texts};
use crate::state::{SpecPath, Store};

/// The form in which specs are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// Documents of one YAML stream
    #[default]
    Yaml,
    /// One JSON document
    Json,
}

/// Prints objects to stdout.
pub(super) fn print(session: &Session, objects: &[Object], form: Form) -> Result<u8> {
    match form {
        Form::Yaml => session.ui.data(spec_print::to_yaml_stream(objects).trim_end()),
        Form::Json => {
            let items: Vec<serde_json::Value> = objects.iter().map(spec_print::to_value).collect();
            session.ui.json(&serde_json::json!({ "items": items }))?;
        }
    }
    Ok(0)
}

/// A change of a cluster's specs that is about to be recorded.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change<'a> {
    pub(super) store: &'a Arc<dyn Store>,
    pub(super) cluster: &'a str,
    /// The command, as the history shows it.
    pub(super) command: &'a str,
    /// Why.
    pub(super) message: Option<&'a str>,
    /// The files that the specs come from, so that problems are placed in them; none for other edits.
    pub(super) origins: &'a [Document],
}

impl<'a> Change<'a> {
    pub(super) fn new(store: &'a Arc<dyn Store>, cluster: &'a str, command: &'a str, message: Option<&'a str>) -> Self {
        Change { store, cluster, command, message, origins: &[] }
    }

    /// The same change with specs from these files.
    pub(super) fn of(self, origins: &'a [Document]) -> Self {
        Change { origins, ..self }
    }

    fn intent<'s>(&'s self, session: &'s Session) -> Intent<'s> {
        Intent { ctx: &session.context, command: self.command, message: self.message.unwrap_or_default() }
    }

    /// Edits the texts and records them as a revision, after checking all specs together.
    pub(super) async fn edit<T: Send>(
        &self,
        session: &Session,
        edit: impl FnOnce(&mut Texts) -> Result<T> + Send,
    ) -> Result<(T, Option<Revision>)> {
        let changed = change(&open(self.store, self.cluster)?, &self.intent(session), self.origins, edit).await?;
        if let Some(outside) = &changed.outside_edit {
            session.ui.say(format!("recorded as revision {}: edits made without kspot", outside.number));
        }
        for warning in check(&changed.texts, &[])?.warnings {
            session.ui.warn(warning);
        }
        Ok((changed.value, changed.revision))
    }
}

/// Records the first specs of a new cluster, and gives them as they were recorded.
pub(super) async fn create_all(session: &Session, change: &Change<'_>, objects: Vec<Object>) -> Result<Specs> {
    let mut texts = Texts::new();
    for object in &objects {
        texts.insert(path_of(object)?, spec_print::to_yaml(object));
    }
    let typed = check(&texts, change.origins)?;
    let store = open(change.store, change.cluster)?;
    let created = store.create(&change.intent(session), texts).await?;
    for warning in &typed.warnings {
        session.ui.warn(warning);
    }
    Ok(Specs {
        cluster: typed.cluster,
        groups: typed.groups,
        texts: created.texts,
        revision: created.revision.map_or(0, |r| r.number),
        outside_edits: Vec::new(),
        warnings: Vec::new(),
    })
}

/// Says which revision a change made, or that there was nothing to change.
pub(super) fn recorded(session: &Session, cluster: &str, revision: Option<&Revision>) {
    match revision {
        Some(r) => {
            let what = r.specs.len();
            session.ui.say(format!("cluster {cluster}: revision {} ({what} specs)", r.number));
            session.ui.hint("next", format!("kspot update cluster {cluster}"));
        }
        None => session.ui.say(format!("cluster {cluster}: nothing to change")),
    }
}

/// The objects of files, directories (their `.yaml`, `.yml` and `.json` files, by name) or `-` for standard input.
pub(super) fn load(paths: &[PathBuf]) -> Result<Loaded> {
    let mut problems = Problems::default();
    let mut documents = Vec::new();
    for (name, text) in read_files(paths)? {
        match crate::spec::parse::read(&text, &name) {
            Ok(found) => documents.extend(found.documents),
            Err(found) => problems.extend(found.0),
        }
    }
    if problems.has_errors() {
        return Err(problems.into());
    }
    if documents.is_empty() {
        return Err(Error::failed("there are no specs in what -f names"));
    }
    let objects = documents.iter().map(|d| d.object.clone()).collect();
    Ok(Loaded { objects, documents })
}

/// What files hold.
pub(super) struct Loaded {
    /// The objects.
    pub(super) objects: Vec<Object>,
    /// The same with the places of their fields.
    pub(super) documents: Vec<Document>,
}

/// Names and texts of files and directories.
pub(super) fn read_files(paths: &[PathBuf]) -> Result<Vec<(String, String)>> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(texts(path)?);
    }
    Ok(all)
}

fn texts(path: &Path) -> Result<Vec<(String, String)>> {
    let name = path.display().to_string();
    if name == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context(|| "can't read standard input".into())?;
        return Ok(vec![("<stdin>".into(), text)]);
    }
    if !path.is_dir() {
        let text = std::fs::read_to_string(path).context(|| format!("can't read {name}"))?;
        return Ok(vec![(name, text)]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .and_then(|entries| entries.map(|e| e.map(|e| e.path())).collect())
        .context(|| format!("can't list {name}"))?;
    files.retain(|f| f.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json"));
    files.sort();
    files
        .into_iter()
        .map(|f| {
            let text = std::fs::read_to_string(&f).context(|| format!("can't read {}", f.display()))?;
            Ok((f.display().to_string(), text))
        })
        .collect()
}

/// The one cluster that objects are about: the Cluster among them, or what the groups' labels say, or `named`.
pub(super) fn cluster_of(objects: &[Object], named: Option<String>) -> Result<String> {
    let mut names: Vec<&str> = objects
        .iter()
        .filter_map(|o| match o {
            Object::Cluster(c) => Some(c.name()),
            Object::InstanceGroup(g) => g.cluster(),
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    match (names.as_slice(), named) {
        ([one], None) => Ok((*one).to_owned()),
        ([one], Some(named)) if *one == named => Ok(named),
        ([one], Some(named)) => Err(Error::usage(format!("the specs are of cluster {one}, the command names {named}"))),
        ([], Some(named)) => Ok(named),
        ([], None) => Err(Error::usage("the specs do not say which cluster they belong to")
            .hint("give instance groups the label kspot.io/cluster, or name the cluster with --name")),
        (many, _) => Err(Error::usage(format!("the specs are of several clusters: {}", many.join(", ")))
            .hint("one command changes one cluster")),
    }
}

/// The names of the instance groups that fit a pattern with `*`; an error when none does.
pub(super) fn groups_like(texts: &Texts, pattern: &str) -> Result<Vec<SpecPath>> {
    let all: Vec<&SpecPath> = texts.keys().filter(|p| matches!(p, SpecPath::InstanceGroup(_))).collect();
    let found: Vec<SpecPath> =
        all.iter().filter(|p| fits(p.group_name().unwrap_or_default(), pattern)).map(|p| (*p).clone()).collect();
    if found.is_empty() {
        let names: Vec<&str> = all.iter().filter_map(|p| p.group_name()).collect();
        let error = Error::failed(format!("there is no instance group {pattern}"));
        return Err(match crate::error::did_you_mean(pattern, names.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("instance groups there: {}", names.join(", "))),
        });
    }
    Ok(found)
}

/// Whether a name fits a pattern in which `*` stands for anything.
fn fits(name: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => name == pattern,
        Some((head, tail)) => name
            .strip_prefix(head)
            .is_some_and(|rest| (0..=rest.len()).filter(|n| rest.is_char_boundary(*n)).any(|n| fits(&rest[n..], tail))),
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    /// `*` stands for any run of characters, anywhere in a pattern.
    #[test]
    fn stars_match_anything() {
        assert!(fits("nodes-us-east-1a", "nodes-*"));
        assert!(fits("nodes-us-east-1a", "*1a"));
        assert!(fits("nodes-us-east-1a", "n*us*a"));
        assert!(!fits("control-plane-1a", "nodes-*"));
        assert!(!fits("nodes-b", "nodes"));
    }
}
