//! `kspot toolbox instance-selector`: writes groups whose types the selector picks.

use std::path::PathBuf;

use clap::Args as ClapArgs;

use super::filters::Filters;
use super::{Source, show};
use crate::catalogue::fetch::Aws;
use crate::cli::session::Session;
use crate::cli::specs::{self, Change};
use crate::error::{Context as _, Error, Result, did_you_mean};
use crate::ops::specs::{Specs, path_of};
use crate::select::advisor::Advisor;
use crate::select::choose::{DEFAULT_POOLS, Options, Selection};
use crate::select::group::{Planned, Settings, Split, plan};
use crate::select::scope::{Offered, Scope};
use crate::spec::{Object, SubnetType, print};

/// Write instance groups whose types the selector picks
///
/// Picks a set of pools of equal vCPUs and memory, as diverse as prices allow, and writes a group that follows AWS's
/// advice for spot. What no ordinary node needs (GPUs, metal, burstable types, ...) is left out unless asked for.
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot toolbox instance-selector spot --usage-class spot --vcpus 4 --memory 16GiB
  kspot toolbox instance-selector spot-4vcpus --usage-class spot --base-instance-type m5.xlarge --gpus 0
  kspot toolbox instance-selector spot --usage-class spot --vcpus 2 --memory 8GB --per-zone
  kspot toolbox instance-selector spot --usage-class spot --vcpus 4 --dry-run --explain
")]
pub(in crate::cli) struct Args {
    /// The group's name; several groups get a number or a zone after it
    group: String,

    #[command(flatten)]
    filters: Filters,

    #[command(flatten)]
    source: Source,

    /// How many types to pick, 10 to 40
    #[arg(long, value_name = "N", default_value_t = DEFAULT_POOLS, alias = "max-results", help_heading = "Choice")]
    pools: usize,

    /// AWS's spot advisor file (spot-advisor-data.json): interruption rates as a weight
    #[arg(long, value_name = "FILE", help_heading = "Choice")]
    advisor: Option<PathBuf>,

    /// Say why each type is or is not in the set; with a type, about that one
    #[arg(long, value_name = "TYPE", num_args = 0..=1, default_missing_value = "", help_heading = "Choice")]
    explain: Option<String>,

    /// Ask AWS how likely spot capacity for so many machines of the set is
    #[arg(long, value_name = "CAPACITY", help_heading = "Choice")]
    placement_score: Option<i32>,

    /// A group for each zone
    #[arg(long, help_heading = "Groups")]
    per_zone: bool,

    /// So many groups, each with twice the memory per vCPU of the one before
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Groups")]
    ig_count: u32,

    /// Attributes instead of a list of types: AWS picks, new types join by themselves
    #[arg(long, help_heading = "Groups")]
    attribute_based: bool,

    /// Another strategy than price-capacity-optimized
    #[arg(long, value_name = "STRATEGY", help_heading = "Groups")]
    allocation_strategy: Option<String>,

    /// Subnets of the groups; default: every subnet for workers
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',', help_heading = "Groups")]
    subnets: Vec<String>,

    /// Fewest machines
    #[arg(long, value_name = "N", default_value_t = 1, help_heading = "Groups")]
    node_count_min: u32,

    /// Most machines
    #[arg(long, value_name = "N", default_value_t = 10, help_heading = "Groups")]
    node_count_max: u32,

    /// Root volume in GiB
    #[arg(long, value_name = "GIB", help_heading = "Groups")]
    node_volume_size: Option<u32>,

    /// Existing security groups the machines are also in
    #[arg(long, value_name = "SG,...", value_delimiter = ',', help_heading = "Groups")]
    node_security_groups: Vec<String>,

    /// Let the cluster autoscaler find the group
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_value = "true", default_missing_value = "true", help_heading = "Groups")]
    cluster_autoscaler: bool,

    /// Print the specs, write nothing
    #[arg(long, help_heading = "Running")]
    dry_run: bool,

    /// Form of the specs
    #[arg(short, long, value_enum, default_value_t, help_heading = "Running")]
    output: specs::Form,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT", help_heading = "Running")]
    message: Option<String>,
}

impl Args {
    pub(in crate::cli) async fn run(self, session: &Session) -> Result<u8> {
        let (store, specs) = session.specs(None).await?;
        let cluster = specs.cluster.name().to_owned();
        let region = specs.cluster.spec.region().map(str::to_owned);
        let mut catalogue = self.source.load(session, region.as_deref(), true).await?;
        catalogue.note = None;
        let advisor = self.advisor()?;
        let zones = self.zones(&specs)?;
        let scope = Scope::zones(&catalogue, &zones, Offered::Somewhere)?.with_advisor(advisor.as_ref());
        let mut query = self.filters.query()?;
        query.cpu_architecture.get_or_insert_with(|| "x86_64".to_owned());
        let options = Options { pools: self.pools };
        let split = Split { sizes: self.ig_count, per_zone: self.per_zone };
        let planned = plan(&scope, &query, &options, &self.settings(&cluster), split)?;
        self.remark(session, &scope, &planned).await?;
        let subnets = if self.per_zone { &[][..] } else { &self.subnets[..] };
        let groups = planned.iter().map(|p| crate::ops::spot::group(&specs.cluster, &p.group, subnets));
        let mut groups = groups.collect::<Result<Vec<_>>>()?;
        session.site_for(&specs).await?.facts.pin_images(groups.iter_mut()).await?;
        let objects: Vec<Object> = groups.into_iter().map(|g| Object::InstanceGroup(Box::new(g))).collect();
        if !self.dry_run {
            let command = format!("toolbox instance-selector {}", self.group);
            let change = Change::new(&store, &cluster, &command, self.message.as_deref());
            let ((), revision) = change
                .edit(session, |texts| {
                    for object in &objects {
                        if texts.insert(path_of(object)?, print::to_yaml(object)).is_some() {
                            return Err(Error::failed(format!(
                                "cluster {cluster} has an instance group {} already",
                                object.name()
                            ))
                            .hint(format!(
                                "kspot toolbox lint-group {} --refresh-group renews its types",
                                object.name()
                            )));
                        }
                    }
                    Ok(())
                })
                .await?;
            specs::recorded(session, &cluster, revision.as_ref());
        }
        specs::print(session, &objects, self.output)
    }

    fn settings(&self, cluster: &str) -> Settings {
        Settings {
            name: self.group.clone(),
            cluster: cluster.to_owned(),
            min_size: self.node_count_min,
            max_size: self.node_count_max,
            node_volume_size: self.node_volume_size,
            security_groups: self.node_security_groups.clone(),
            node_labels: std::collections::BTreeMap::new(),
            taints: Vec::new(),
            cluster_autoscaler: self.cluster_autoscaler,
            allocation_strategy: self.allocation_strategy.clone(),
            attribute_based: self.attribute_based,
        }
    }

    fn advisor(&self) -> Result<Option<Advisor>> {
        let Some(file) = &self.advisor else { return Ok(None) };
        let text = std::fs::read_to_string(file).context(|| format!("can't read {}", file.display()))?;
        Advisor::parse(&text, &file.display().to_string()).map(Some)
    }

    /// The zones of the subnets in question.
    fn zones(&self, specs: &Specs) -> Result<Vec<String>> {
        let all = &specs.cluster.spec.subnets;
        for name in &self.subnets {
            if !all.iter().any(|s| s.name == *name) {
                let error = Error::failed(format!("cluster {} has no subnet {name}", specs.cluster.name()));
                let near = did_you_mean(name, all.iter().map(|s| s.name.as_str()));
                return Err(near.into_iter().fold(error, |e, near| e.hint(format!("did you mean {near}?"))));
            }
        }
        let wanted = |name: &String| self.subnets.is_empty() || self.subnets.contains(name);
        let mut zones: Vec<String> = all
            .iter()
            .filter(|s| s.subnet_type != SubnetType::Utility && wanted(&s.name))
            .map(|s| s.zone.clone())
            .collect();
        zones.sort_unstable();
        zones.dedup();
        Ok(zones)
    }

    async fn remark(&self, session: &Session, scope: &Scope<'_>, planned: &[Planned]) -> Result<()> {
        for p in planned {
            show::selection(session, &p.group.name, &p.selection, self.explain.as_deref() == Some(""));
            if let Some(name) = self.explain.as_deref().filter(|n| !n.is_empty()) {
                session.ui.say(format!("{name}: {}", p.selection.explain(scope, name)?));
            }
            if let Some(capacity) = self.placement_score {
                self.score(session, &p.selection, capacity).await?;
            }
        }
        Ok(())
    }

    /// AWS's own guess; a region or an emulator without it costs a warning, not the command.
    async fn score(&self, session: &Session, selection: &Selection, capacity: i32) -> Result<()> {
        let market = Aws::new(&session.sdk(Some(&selection.region)).await, &session.context)?;
        match market.placement_scores(&selection.types, capacity, true).await {
            Ok(scores) => {
                for s in scores {
                    let zone = s.zone_id.unwrap_or_else(|| "region".to_owned());
                    session.ui.say(format!("placement score for {capacity} machines in {zone}: {} of 10", s.score));
                }
            }
            Err(e) => session.ui.warn(format!("no placement score: {e}")),
        }
        Ok(())
    }
}
