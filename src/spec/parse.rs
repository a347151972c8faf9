//! Reads spec documents: strict, and every problem at once with its line and column.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::did_you_mean;

use super::alias;
use super::check::{Checker, Finding};
use super::cluster::Cluster;
use super::instance_group::InstanceGroup;
use super::metadata::{API_VERSION, KOPS_API_VERSION};
use super::object::{Kind, Object};
use super::path;
use super::problem::{ObjectId, Place, Problem, Problems};
use super::shape::Shape;
use super::yaml::{self, Content, Mark, Node};

/// An object as it was read, and where its fields stand in the text.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// The object.
    pub object: Object,
    /// Its text's positions.
    pub source: Source,
}

/// Where the fields of one document stand.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    file: String,
    positions: BTreeMap<String, Mark>,
}

impl Source {
    /// The place of a field, or of the nearest block around it that is written.
    pub fn place(&self, path: &str) -> Place {
        let mut at = Some(path);
        let mark = loop {
            match at {
                Some(path) if self.positions.contains_key(path) => break self.positions[path],
                Some(path) => at = path::parent(path),
                None => break self.positions.get("").copied().unwrap_or(Mark { line: 1, column: 1 }),
            }
        };
        Place { file: self.file.clone(), line: mark.line, column: mark.column }
    }
}

/// What a text holds, and what is worth knowing about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The objects, in the order of the text.
    pub documents: Vec<Document>,
    /// What was left out of a kOps manifest, and the like.
    pub warnings: Problems,
}

/// The objects of a text of YAML documents; `file` is the name shown with problems.
///
/// # Errors
/// Every problem of the text, each with file, line, column and path; no object is returned if there is one.
pub fn parse(text: &str, file: &str) -> Result<Vec<Object>, Problems> {
    read(text, file).map(|parsed| parsed.documents.into_iter().map(|d| d.object).collect())
}

/// As [`parse`], with the positions of all fields and with the warnings.
///
/// # Errors
/// As [`parse`].
pub fn read(text: &str, file: &str) -> Result<Parsed, Problems> {
    let mut reader = Reader { file, problems: Problems::default() };
    let (nodes, syntax_error) = yaml::documents(text);
    let documents: Vec<Document> = nodes.into_iter().filter_map(|node| reader.document(node)).collect();
    if let Some(error) = syntax_error {
        reader.push(error.mark, Problem::error("", format!("not YAML: {}", error.message)));
    }
    reader.problems.sort();
    Ok(Parsed { documents, warnings: reader.problems.into_result()? })
}

struct Reader<'t> {
    file: &'t str,
    problems: Problems,
}

impl Reader<'_> {
    fn push(&mut self, mark: Mark, problem: Problem) {
        self.problems.push(problem.at(Place { file: self.file.to_owned(), line: mark.line, column: mark.column }));
    }

    fn document(&mut self, mut node: Node) -> Option<Document> {
        let Content::Map(_) = &node.content else {
            let problem = Problem::error("", "a list or a single value stands here");
            self.push(node.mark, problem.expected("a Cluster or an InstanceGroup: apiVersion, kind, metadata, spec"));
            return None;
        };
        let api_version = self.envelope(&node, "apiVersion", &[API_VERSION, KOPS_API_VERSION]);
        let kind = self.envelope(&node, "kind", &Kind::ALL.map(Kind::as_str));
        let (api_version, kind) = (api_version?, kind?);
        let kind = Kind::ALL.into_iter().find(|k| k.as_str() == kind)?;
        alias::roles(&mut node);
        alias::cluster_label(&mut node);
        if api_version == KOPS_API_VERSION {
            for notice in alias::from_kops(&mut node, kind) {
                self.push(notice.mark, Problem::warning(notice.path, notice.message));
            }
        }
        node.remove("apiVersion");
        node.remove("kind");
        self.object(&node, kind)
    }

    /// A field of the envelope that must be one of these words.
    fn envelope(&mut self, node: &Node, field: &str, words: &[&'static str]) -> Option<&'static str> {
        let expected = words.join(" or ");
        let Some(value) = node.get(field) else {
            self.push(node.mark, Problem::error(field, format!("{field} is missing")).expected(expected));
            return None;
        };
        let text = value.text().unwrap_or_default();
        let known = words.iter().find(|word| **word == text).copied();
        if known.is_none() {
            let near = did_you_mean(text, words.iter().copied());
            let near = near.map(|near| format!(", did you mean {near}")).unwrap_or_default();
            let problem = Problem::error(field, format!("{text:?} is not known{near}"));
            self.push(value.mark, problem.expected(expected));
        }
        known
    }

    fn object(&mut self, node: &Node, kind: Kind) -> Option<Document> {
        let mut checker = Checker::new(kind);
        let value = checker.value(node, Shape::of(kind), "");
        let wrong = !checker.findings.is_empty();
        let name = node.get("metadata").and_then(|m| m.get("name")).and_then(Node::text);
        let object = name.map(|name| ObjectId { kind, name: name.to_owned() });
        for Finding { mark, path, message, expected } in checker.findings {
            let problem = Problem { object: object.clone(), expected, ..Problem::error(path, message) };
            self.push(mark, problem);
        }
        let value = value.filter(|_| !wrong)?;
        match typed(kind, value) {
            Ok(object) => {
                let source = Source { file: self.file.to_owned(), positions: checker.positions };
                Some(Document { object, source })
            }
            Err(e) => {
                self.push(node.mark, Problem::error("", e.to_string()));
                None
            }
        }
    }
}

/// The object that a checked JSON value stands for.
pub(crate) fn typed(kind: Kind, value: Value) -> Result<Object, serde_json::Error> {
    fn of<T: DeserializeOwned + Into<Object>>(value: Value) -> Result<Object, serde_json::Error> {
        serde_json::from_value::<T>(value).map(Into::into)
    }
    match kind {
        Kind::Cluster => of::<Cluster>(value),
        Kind::InstanceGroup => of::<InstanceGroup>(value),
    }
}
