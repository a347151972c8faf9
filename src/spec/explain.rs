//! `kspot explain`: what a field means, its type, its choices and the fields below it, from the types' own comments.

use std::fmt;

use crate::error::{Error, Result};

use super::format::format;
use super::locate::{Target, kind_prefix, locate};
use super::object::Kind;
use super::shape::Shape;

/// What there is to say about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The kind of object it belongs to.
    pub kind: Kind,
    /// Its path, `spec.mixedInstancesPolicy`; empty for the object itself.
    pub path: String,
    /// Its type in a few words.
    pub type_name: String,
    /// What it means; units and default included.
    pub doc: String,
    /// What a value looks like, for fields with a syntax of their own.
    pub syntax: Option<String>,
    /// The words it may hold, each with its meaning.
    pub choices: Vec<(String, String)>,
    /// The fields below it.
    pub fields: Vec<FieldSummary>,
    /// Where else a field of this path exists.
    pub see_also: Option<String>,
}

/// One line about a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldSummary {
    /// Its name.
    pub name: String,
    /// Its type in a few words.
    pub type_name: String,
    /// Whether it must be given.
    pub required: bool,
    /// What it means.
    pub doc: String,
}

/// Explains a field: `spec.taints`, `instancegroup.spec.taints`, `cluster.spec.api`, `cluster`, `ig`.
///
/// # Errors
/// No object has such a field ("did you mean").
pub fn explain(path: &str) -> Result<Explanation> {
    let (kind, rest) = kind_prefix(path);
    if let Some(kind) = kind {
        return locate(kind, rest).map(|target| explanation(kind, target, None));
    }
    match (locate(Kind::Cluster, rest), locate(Kind::InstanceGroup, rest)) {
        (Ok(target), Ok(_)) => {
            let other = format!("instancegroup.{}", target.path);
            Ok(explanation(Kind::Cluster, target, Some(other)))
        }
        (Ok(target), Err(_)) => Ok(explanation(Kind::Cluster, target, None)),
        (Err(_), Ok(target)) => Ok(explanation(Kind::InstanceGroup, target, None)),
        (Err(of_cluster), Err(of_group)) => {
            let rank = |error: &Error| match error.hints().first() {
                Some(hint) if hint.starts_with("did you mean") => 0,
                None => 1,
                Some(_) => 2,
            };
            match rank(&of_cluster).min(rank(&of_group)) {
                2 => Err(Error::usage(format!("no object has a field {rest}")).hint("see kspot explain spec")),
                best if rank(&of_cluster) == best => Err(of_cluster),
                _ => Err(of_group),
            }
        }
    }
}

fn explanation(kind: Kind, target: Target, see_also: Option<String>) -> Explanation {
    let inner = innermost(target.shape);
    let doc = match (target.field, kind) {
        (Some(field), _) => field.doc.clone(),
        (None, Kind::Cluster) if target.path.is_empty() => "A Kubernetes cluster on AWS.".to_owned(),
        (None, Kind::InstanceGroup) if target.path.is_empty() => "A group of like machines.".to_owned(),
        (None, _) => String::new(),
    };
    let fields = match inner {
        Shape::Block(fields) => fields.as_slice(),
        _ => &[],
    };
    let summary = |field: &super::shape::Field| FieldSummary {
        name: field.name.clone(),
        type_name: field.shape.describe(),
        required: field.required,
        doc: field.doc.clone(),
    };
    Explanation {
        kind,
        type_name: target.shape.describe(),
        doc,
        syntax: match inner {
            Shape::Text { format: Some(name), .. } => format(name).map(|f| f.expected.to_owned()),
            _ => None,
        },
        choices: match inner {
            Shape::Choice(words) => words.clone(),
            _ => Vec::new(),
        },
        fields: fields.iter().map(summary).collect(),
        see_also,
        path: target.path,
    }
}

/// What the items of lists and the values of maps are in the end.
fn innermost(shape: &Shape) -> &Shape {
    match shape {
        Shape::List(of) | Shape::Map(of) => innermost(of),
        other => other,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = if self.path.is_empty() { "" } else { "." };
        writeln!(f, "{}{dot}{} <{}>", self.kind.as_str(), self.path, self.type_name)?;
        if !self.doc.is_empty() {
            writeln!(f, "\n{}", self.doc)?;
        }
        if let Some(syntax) = &self.syntax {
            writeln!(f, "\nWritten as {syntax}.")?;
        }
        if !self.choices.is_empty() {
            writeln!(f, "\nChoices:")?;
        }
        for (word, doc) in &self.choices {
            writeln!(f, "  {word}: {doc}")?;
        }
        if !self.fields.is_empty() {
            writeln!(f, "\nFields:")?;
        }
        for field in &self.fields {
            let required = if field.required { ", required" } else { "" };
            writeln!(f, "  {} <{}{required}>\n    {}", field.name, field.type_name, field.doc)?;
        }
        match &self.see_also {
            Some(other) => writeln!(f, "\nAlso: {other}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The help of a block lists its fields with types, defaults and meaning.
    #[test]
    fn a_block_is_explained() {
        insta::assert_snapshot!(explain("spec.rollingUpdate").unwrap(), @r#"
        Cluster.spec.rollingUpdate <block>

        How machines are replaced when their configuration changes.

        Fields:
          drainAndTerminate <boolean>
            Whether a machine is drained and terminated, or only detached. Default true.
          maxUnavailable <int-or-percent>
            How many machines of the group may be missing at once: a count or a percentage. Default 0, or 1 when maxSurge is 0.
          maxSurge <int-or-percent>
            How many machines may be added first: a count or a percentage. Default 1 for nodes; always 0 for the control plane.

        Also: instancegroup.spec.rollingUpdate
        "#);
    }

    /// Lists, syntaxes and choices are explained by what they hold.
    #[test]
    fn values_are_explained() {
        insta::assert_snapshot!(explain("instancegroup.spec.taints").unwrap(), @r#"
        InstanceGroup.spec.taints <list of taint>

        Taints of the nodes, `key=value:effect`; also told to the autoscaler.

        Written as a taint key=value:effect, the effect NoSchedule, PreferNoSchedule or NoExecute.
        "#);
        insta::assert_snapshot!(explain("spec.mixedInstancesPolicy.spotAllocationStrategy").unwrap(), @r#"
        InstanceGroup.spec.mixedInstancesPolicy.spotAllocationStrategy <choice>

        How spot pools are chosen. Default `price-capacity-optimized`.

        Choices:
          price-capacity-optimized: The pools least likely to be interrupted among the cheap ones.
          capacity-optimized: The pools with the most spare capacity, whatever they cost.
          capacity-optimized-prioritized: As `capacity-optimized`, the order of the list breaking ties.
          lowest-price: The cheapest pools; interrupted most.
        "#);
        assert!(explain("ig").unwrap().fields.iter().any(|f| f.name == "spec" && f.required));
        assert!(explain("spec.subnets[0].cidr").unwrap().doc.starts_with("IPv4 range"));
    }

    /// A slip is answered with the right name.
    #[test]
    fn unknown_fields_are_answered() {
        let answer = |path: &str| {
            let error = explain(path).unwrap_err();
            let hints = error.hints().into_iter().map(|h| format!(" | {h}")).collect::<String>();
            format!("{error}{hints}")
        };
        insta::assert_snapshot!(
            [answer("spec.mixedInstancePolicy"), answer("spec.zebra"), answer("spec.karpenter"), answer("cluster.spec.api.loadbalancer")].join("\n"),
            @r#"
        InstanceGroup has no field spec.mixedInstancePolicy | did you mean spec.mixedInstancesPolicy
        no object has a field spec.zebra | see kspot explain spec
        spec.karpenter has no meaning here: use clusterAutoscaler with mixedInstancesPolicy
        Cluster has no field spec.api.loadbalancer | did you mean spec.api.loadBalancer
        "#
        );
    }

    fn undocumented(shape: &Shape, at: &str, found: &mut Vec<String>) {
        match shape {
            Shape::Block(fields) => {
                for field in fields {
                    let here = super::super::path::child(at, &field.name);
                    if !field.doc.ends_with(['.', ')']) {
                        found.push(here.clone());
                    }
                    undocumented(&field.shape, &here, found);
                }
            }
            Shape::List(of) | Shape::Map(of) => undocumented(of, at, found),
            Shape::Choice(words) => {
                found.extend(words.iter().filter(|(_, doc)| doc.is_empty()).map(|(w, _)| format!("{at}: {w}")))
            }
            _ => {}
        }
    }

    /// Every field and every choice of every block has help.
    #[test]
    fn everything_is_documented() {
        for kind in Kind::ALL {
            let mut found = Vec::new();
            undocumented(Shape::of(kind), "", &mut found);
            assert_eq!(found, Vec::<String>::new(), "{kind:?}");
        }
    }
}
