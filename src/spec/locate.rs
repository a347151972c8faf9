//! Finds the field that a path names, guided by the shape of the object.

use crate::error::{Error, Result, did_you_mean};

use super::meaningless;
use super::object::Kind;
use super::path;
use super::shape::{Field, Shape};

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field of a block, or a key of a map.
    Key(String),
    /// An item of a list.
    Index(usize),
}

/// What a path names.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// The steps from the object.
    pub(crate) steps: Vec<Step>,
    /// What it may hold.
    pub(crate) shape: &'static Shape,
    /// Its field, unless it is the whole object, an item or a map's value.
    pub(crate) field: Option<&'static Field>,
    /// The path as it is written here.
    pub(crate) path: String,
}

/// kOps' paths that lead elsewhere here, and their `cloudProvider.aws` blocks.
const MOVED: &[(&str, &str)] = &[
    ("spec.cloudProvider.aws.nodeTerminationHandler", "spec.nodeTerminationHandler"),
    ("spec.cloudProvider.aws.podIdentityWebhook", "spec.podIdentityWebhook"),
    ("spec.cloudProvider.aws.ebsCSIDriver", "spec.cloudConfig.awsEBSCSIDriver"),
    ("spec.masterKubelet", "spec.controlPlaneKubelet"),
    ("spec.masterPublicName", "spec.api.publicName"),
    ("spec.DisableSubnetTags", "spec.disableSubnetTags"),
];

/// The kind that a path starts with, if it does, and the rest: `ig.spec.taints`, `cluster.spec.api`.
pub(crate) fn kind_prefix(path: &str) -> (Option<Kind>, &str) {
    let (head, rest) = path.split_once('.').unwrap_or((path, ""));
    match head.to_ascii_lowercase().as_str() {
        "cluster" | "clusters" => (Some(Kind::Cluster), rest),
        "ig" | "instancegroup" | "instancegroups" => (Some(Kind::InstanceGroup), rest),
        _ => (None, path),
    }
}

/// Finds what `path` names in an object of this kind. After a map the rest of the path is the key, dots and all.
pub(crate) fn locate(kind: Kind, path: &str) -> Result<Target> {
    let moved = MOVED.iter().find_map(|(from, to)| {
        let rest = path.strip_prefix(from)?;
        (kind == Kind::Cluster && (rest.is_empty() || rest.starts_with('.'))).then(|| format!("{to}{rest}"))
    });
    let path = moved.as_deref().unwrap_or(path);
    let mut target = Target { steps: Vec::new(), shape: Shape::of(kind), field: None, path: String::new() };
    let mut rest = path;
    while !rest.is_empty() {
        rest = step(kind, &mut target, rest)?;
    }
    Ok(target)
}

/// Takes one step; what is left of the path.
fn step<'p>(kind: Kind, target: &mut Target, rest: &'p str) -> Result<&'p str> {
    match target.shape {
        Shape::Map(of) => {
            target.steps.push(Step::Key(rest.to_owned()));
            target.path = path::child(&target.path, rest);
            (target.shape, target.field) = (of, None);
            Ok("")
        }
        Shape::Block(fields) => {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            let (name, tail) = rest.split_at(end);
            let here = path::child(&target.path, name);
            let field = fields.iter().find(|f| f.name == name).ok_or_else(|| unknown(kind, fields, name, &here))?;
            target.steps.push(Step::Key(name.to_owned()));
            target.path = here;
            (target.shape, target.field) = (&field.shape, Some(field));
            Ok(tail.strip_prefix('.').unwrap_or(tail))
        }
        Shape::List(of) => {
            let index = rest.strip_prefix('[').and_then(|r| r.split_once(']'));
            let parsed = index.and_then(|(index, tail)| Some((index.parse::<usize>().ok()?, tail)));
            let (index, tail) = parsed.ok_or_else(|| {
                Error::usage(format!("{} is a list: name one of its items", target.path))
                    .hint(format!("for example {}[0]", target.path))
            })?;
            target.steps.push(Step::Index(index));
            target.path = path::item(&target.path, index);
            (target.shape, target.field) = (of, None);
            Ok(tail.strip_prefix('.').unwrap_or(tail))
        }
        other => Err(Error::usage(format!("{} holds one {}, it has no field {rest}", target.path, other.describe()))),
    }
}

fn unknown(kind: Kind, fields: &[Field], name: &str, here: &str) -> Error {
    if let Some(advice) = meaningless::advice(kind, &path::pattern(here)) {
        return Error::usage(format!("{here} has no meaning here: {advice}"));
    }
    let error = Error::usage(format!("{} has no field {here}", kind.as_str()));
    let parent = path::parent(here).map(|p| format!("{p}.")).unwrap_or_default();
    match did_you_mean(name, fields.iter().map(|f| f.name.as_str())) {
        Some(near) => error.hint(format!("did you mean {parent}{near}")),
        None if parent.is_empty() => error.hint("fields start with spec., for example spec.kubernetesVersion"),
        None => error.hint(format!("see kspot explain {}", parent.trim_end_matches('.'))),
    }
}
