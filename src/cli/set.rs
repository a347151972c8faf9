//! `kspot set` and `kspot unset`: one field of a spec, or of several groups' specs at once.

use clap::Args as ClapArgs;

use super::session::Session;
use super::specs::{self, Change};
use crate::error::{Error, Result};
use crate::spec::{Object, edit, print};
use crate::state::SpecPath;
use crate::state::history::Texts;

/// Set fields of a spec
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot set cluster spec.nodeTerminationHandler.enabled=true
  kspot set ig nodes-us-east-1a spec.maxSize=10
  kspot set ig 'nodes-*' spec.nodeLabels.kops.k8s.io/lifecycle=OnDemand
")]
pub(super) struct SetArgs {
    #[command(flatten)]
    target: Target,

    /// Fields and values: PATH=VALUE
    #[arg(required = true, value_name = "PATH=VALUE")]
    fields: Vec<String>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// Unset fields of a spec: their defaults hold again
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot unset cluster spec.deletionProtection
  kspot unset ig 'nodes-*' spec.nodeLabels.team
")]
pub(super) struct UnsetArgs {
    #[command(flatten)]
    target: Target,

    /// Fields
    #[arg(required = true, value_name = "PATH")]
    fields: Vec<String>,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

/// Whose spec is changed.
#[derive(ClapArgs, Debug)]
struct Target {
    /// cluster, or ig
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    /// The cluster's spec
    Cluster,
    /// Instance groups' specs: the first argument names them, `*` stands for anything
    #[value(alias = "instancegroup", alias = "instancegroups")]
    Ig,
}

/// What is done to the specs.
struct Edit<'a> {
    command: String,
    kind: Kind,
    /// Which groups, for [`Kind::Ig`].
    pattern: Option<String>,
    fields: Vec<String>,
    message: Option<&'a str>,
    set: bool,
}

impl SetArgs {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let edit = Edit::new(self.target.kind, self.fields, self.message.as_deref(), true)?;
        edit.run(session).await
    }
}

impl UnsetArgs {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let edit = Edit::new(self.target.kind, self.fields, self.message.as_deref(), false)?;
        edit.run(session).await
    }
}

impl<'a> Edit<'a> {
    fn new(kind: Kind, mut fields: Vec<String>, message: Option<&'a str>, set: bool) -> Result<Self> {
        let verb = if set { "set" } else { "unset" };
        let noun = if kind == Kind::Cluster { "cluster" } else { "ig" };
        let command = format!("{verb} {noun} {}", fields.join(" "));
        let names_group = |f: &String| !f.starts_with("spec.") && !f.contains('=');
        let pattern = match kind {
            Kind::Cluster => {
                // kOps takes the cluster's name here; ours comes from --name or the environment, but may stand here too.
                None
            }
            Kind::Ig if fields.first().is_some_and(names_group) => Some(fields.remove(0)),
            Kind::Ig => {
                return Err(Error::usage("no instance group is named")
                    .hint(format!("kspot {verb} ig 'nodes-*' spec.maxSize{}", if set { "=10" } else { "" })));
            }
        };
        if fields.is_empty() {
            return Err(Error::usage("no field is named"));
        }
        Ok(Edit { command, kind, pattern, fields, message, set })
    }

    async fn run(mut self, session: &Session) -> Result<u8> {
        let positional = match self.kind {
            Kind::Cluster
                if self.fields.len() > 1 && !self.fields[0].contains('=') && !self.fields[0].starts_with("spec.") =>
            {
                Some(self.fields.remove(0))
            }
            _ => None,
        };
        let cluster = session.cluster(positional.as_deref())?;
        let store = session.store().await?;
        let change = Change::new(&store, &cluster, &self.command, self.message);
        let ((), revision) = change.edit(session, |texts| self.apply(texts)).await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }

    fn apply(&self, texts: &mut Texts) -> Result<()> {
        let paths = match &self.pattern {
            None => vec![SpecPath::Cluster],
            Some(pattern) => specs::groups_like(texts, pattern)?,
        };
        for path in paths {
            let Some(text) = texts.get_mut(&path) else { continue };
            let mut object = one(&path, text)?;
            for field in &self.fields {
                match (self.set, field.split_once('=')) {
                    (true, Some((name, value))) => edit::set(&mut object, name, value)?,
                    (true, None) => {
                        return Err(Error::usage(format!("{field} says no value")).hint(format!("{field}=VALUE")));
                    }
                    (false, _) => {
                        edit::unset(&mut object, field)?;
                    }
                }
            }
            *text = print::to_yaml(&object);
        }
        Ok(())
    }
}

/// The one object of a stored text.
fn one(path: &SpecPath, text: &str) -> Result<Object> {
    let mut objects = crate::spec::parse::parse(text, &path.to_string())?;
    match (objects.pop(), objects.is_empty()) {
        (Some(object), true) => Ok(object),
        _ => Err(Error::invalid(format!("{path} does not hold exactly one spec"))),
    }
}
