//! `kspot addons`: what runs in the cluster so that it works.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Subcommand};
use kube::Client;

use super::reach::Reach;
use super::session::Session;
use super::update::Form;
use crate::error::{Error, Result};
use crate::kube::connect::{connect_context, connect_file};
use crate::kube::{Options, apply, diff};
use crate::ops::addons::{self, Ready};
use crate::ops::manifests::accept;
use crate::ops::specs::open;
use crate::pki::kubeconfig;
use crate::spec::duration::GoDuration;
use crate::ui::{Cell, Column, Listing, Output, Role, unified};

/// List, render and apply the addons of a cluster
///
/// Addons follow from the spec (metricsServer, clusterAutoscaler, nodeTerminationHandler, networking, ...). An update writes
/// their manifests to the state store, as lines of its plan; from there the cluster's controller applies them. `apply`
/// brings to the cluster's API at once what the spec asks for now.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons list
  kspot addons render metrics-server
  kspot addons diff
  kspot addons apply
")]
pub(super) struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    List(ListArgs),
    Render(RenderArgs),
    Diff(DiffArgs),
    Apply(ApplyArgs),
    Accept(AcceptArgs),
}

/// List every addon: what an update would do with it, and whether it works
///
/// Whether it works is asked of the API by the context of the cluster's name in the kubeconfig (`KUBECONFIG`, or
/// ~/.kube/config), for five seconds at most: `unknown` where there is none, or no answer.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons list
  kspot addons list -o wide
  kspot addons list --kubeconfig ./demo.kubeconfig -o json
")]
struct ListArgs {
    /// Use the current context of this kubeconfig; default: the cluster's context in the usual one
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,

    /// Form of the list
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

/// Print the manifests of addons, as the spec makes them now
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons render
  kspot addons render cluster-autoscaler metrics-server
")]
struct RenderArgs {
    /// Only these; default: all that the spec asks for
    addons: Vec<String>,
}

/// Show what applying the addons would change in the cluster
///
/// The API server itself works out the change (a server-side dry run), with its defaults and whatever else manages fields.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons diff
  kspot addons diff metrics-server --detailed-exitcode
")]
struct DiffArgs {
    /// Only these; default: all that the spec asks for
    addons: Vec<String>,

    #[command(flatten)]
    reach: Reach,

    /// Exit with 2 when there are differences
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Apply the addons, and remove what they no longer have
///
/// Applies on the server's side, as field manager kspot: fields that somebody else manages are left, unless they
/// contradict; then it stops and names them. What carries kspot's labels and is wanted no more is removed. It warns of
/// addons that the state store has otherwise than the spec: the cluster's controller goes by the store, until an update.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons apply
  kspot addons apply --wait 10m              # a cluster that is coming up
  kspot addons apply metrics-server --kubeconfig ./demo.kubeconfig
")]
struct ApplyArgs {
    /// Only these; default: all, and what is wanted no more is removed
    addons: Vec<String>,

    #[command(flatten)]
    reach: Reach,

    /// Take over fields that somebody else manages
    #[arg(long)]
    force_conflicts: bool,

    /// How long an API that is coming up is waited for
    #[arg(long, value_name = "DURATION", default_value = "0s")]
    wait: GoDuration,

    /// Form of the result
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Take what a URL of spec.addons holds now as what it has to hold
///
/// What a manifest's URL held when it was fetched first is on record, and must stay the same. After this it is what the
/// URL holds now: have a look at it first.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot addons accept https://example.com/v1/ingress.yaml
")]
struct AcceptArgs {
    /// The URL
    url: String,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (site, specs) = session.site(None).await?;
        let cluster = specs.cluster.name();
        match self.what {
            What::List(args) => {
                let mut listing = Listing::new("addons", columns());
                let (all, unknown) = addons::list(&site, &specs, args.client(session, cluster).await).await?;
                if let Some(why) = unknown {
                    session.ui.warn(format!("whether the addons are ready is not known: {}", why.chain()));
                    why.hints().iter().for_each(|hint| session.ui.hint("hint", hint));
                }
                for addon in all {
                    let item = serde_json::to_value(&addon).unwrap_or_default();
                    listing.push(addon.name.clone(), item, cells(&addon));
                }
                session.ui.listing(&listing, args.output)?;
            }
            What::Diff(args) => {
                let addons = addons::named(&site, &specs, &args.addons).await?;
                let client = args.reach.connect(&site, &specs, Duration::ZERO).await?;
                let reading = session.ui.waiting("asking the Kubernetes API");
                let differences = diff(&client, &addons, &args.addons).await?;
                drop(reading);
                for difference in &differences {
                    let name = difference.id.to_string();
                    session.ui.data(unified((&name, &difference.before), (&name, &difference.after)));
                }
                if differences.is_empty() {
                    session.ui.say(format!("cluster {cluster} has its addons as the spec asks"));
                }
                return Ok(if args.detailed_exitcode && !differences.is_empty() { 2 } else { 0 });
            }
            What::Apply(args) => {
                let addons = addons::named(&site, &specs, &args.addons).await?;
                let unlike = addons::unlike(&site, &specs, &addons, &args.addons).await?;
                if !unlike.is_empty() {
                    let unlike: Vec<String> =
                        unlike.iter().map(|(name, state)| format!("{name} ({})", state.as_str())).collect();
                    session.ui.warn(format!(
                        "the state store has other addons than the spec: {}; the cluster's controller will bring back what the \
                         store has",
                        unlike.join(", ")
                    ));
                    session.ui.hint("hint", format!("kspot update cluster {cluster} --yes"));
                }
                let client = args.reach.connect(&site, &specs, args.wait.to_std()).await?;
                let applying = session.ui.waiting("applying addons");
                let options = Options { only: &args.addons, force: args.force_conflicts, wait: args.wait.to_std() };
                let applied = apply(&client, &addons, options).await?;
                drop(applying);
                if args.output == Form::Json {
                    session.ui.json(&applied)?;
                }
                for id in &applied.changed {
                    session.ui.say(format!("applied {id}"));
                }
                for id in &applied.pruned {
                    session.ui.say(format!("removed {id}"));
                }
                session.ui.say(format!(
                    "{} addons: {} objects applied, {} unchanged, {} removed",
                    addons.len(),
                    applied.changed.len(),
                    applied.unchanged,
                    applied.pruned.len()
                ));
            }
            What::Accept(args) => {
                let sum = accept(&open(&site.store, cluster)?, &args.url).await?;
                session.ui.say(format!("{} has to hold the sha256 {sum} from now on", args.url));
            }
            What::Render(args) => {
                for addon in addons::named(&site, &specs, &args.addons).await? {
                    session.ui.data(addon.yaml().trim_end());
                }
            }
        }
        Ok(0)
    }
}

impl ListArgs {
    /// A client, if a kubeconfig has one for the cluster.
    async fn client(&self, session: &Session, cluster: &str) -> Result<Client> {
        if let Some(file) = &self.kubeconfig {
            return connect_file(file).await;
        }
        let file = kubeconfig::place(None, |name| session.context.env(name).map(str::to_owned))?;
        connect_context(&file, cluster).await?.ok_or_else(|| {
            Error::failed(format!("{} has no context {cluster}", file.display()))
                .hint(format!("kspot export kubeconfig {cluster} --admin makes one"))
        })
    }
}

fn columns() -> [Column; 7] {
    [
        Column::new("name"),
        Column::new("version"),
        Column::new("state"),
        Column::new("ready").flexible(),
        Column::new("wanted").wide(),
        Column::new("stored").wide(),
        Column::new("about").wide().flexible(),
    ]
}

fn cells(addon: &addons::Listed) -> [Cell; 7] {
    [
        addon.name.as_str().into(),
        addon.version.as_str().into(),
        addon.state.as_str().into(),
        ready(addon),
        addon.wanted_digest.as_deref().unwrap_or_default().into(),
        addon.digest.as_deref().unwrap_or_default().into(),
        addon.about.as_str().into(),
    ]
}

/// `yes`, `no: Deployment kube-system/coredns is not there`.
fn ready(addon: &addons::Listed) -> Cell {
    match addon.ready {
        Ready::Yes => Cell::new("yes").role(Role::Add),
        Ready::No => Cell::new(format!("no: {}", addon.why.join("; "))).role(Role::Delete),
        Ready::Unknown => Cell::new("unknown").role(Role::Warning),
        Ready::Nothing => Cell::new(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::Catalogue;
    use crate::ui::Table;

    /// However much is wrong, the list fits a terminal of 80 columns, and READY says what is.
    #[test]
    fn the_list_fits_a_terminal() {
        let mut table = Table::new(columns());
        for addon in Catalogue::load().unwrap().iter() {
            table.row(cells(&addons::Listed {
                name: addon.about.name.clone(),
                version: addon.about.version.clone(),
                digest: None,
                about: addon.about.about.clone(),
                state: addons::State::Superfluous,
                wanted_digest: None,
                ready: Ready::No,
                why: vec!["Deployment kube-system/metrics-server lacks 2 of 2 pods".to_owned(); 3],
            }));
        }
        let shown = anstream::adapter::strip_str(&table.render(false, Some(80))).to_string();
        assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
        assert!(shown.contains("no: Deployment"), "{shown}");
    }
}
