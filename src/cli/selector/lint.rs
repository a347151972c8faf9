//! `kspot toolbox lint-group`: compares a group with today's best choice.

use clap::Args as ClapArgs;
use serde_json::json;

use super::Source;
use crate::cli::session::Session;
use crate::cli::specs::{self, Change};
use crate::error::Result;
use crate::ops::specs::path_of;
use crate::select::choose::Options;
use crate::select::lint::{ExistingGroup, Report, Severity, lint};
use crate::select::scope::{Offered, Scope};
use crate::spec::{InstanceGroup, Object, print};

/// Compare a group with today's best set of types
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot toolbox lint-group spot
  kspot toolbox lint-group spot --refresh-group    # and write the better list
  kspot toolbox lint-group spot -o json
")]
pub(in crate::cli) struct Args {
    /// The group
    group: String,

    #[command(flatten)]
    source: Source,

    /// Write the better list to the group's spec
    #[arg(long)]
    refresh_group: bool,

    /// Form of the report
    #[arg(short, long, value_enum, default_value_t)]
    output: crate::cli::update::Form,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

impl Args {
    pub(in crate::cli) async fn run(self, session: &Session) -> Result<u8> {
        let (store, specs) = session.specs(None).await?;
        let cluster = specs.cluster.name().to_owned();
        let group = specs.group(&self.group)?;
        let catalogue = self.source.load(session, specs.cluster.spec.region(), true).await?;
        let zones: Vec<String> = specs.cluster.spec.subnets_of(&group.spec).iter().map(|s| s.zone.clone()).collect();
        let scope = Scope::zones(&catalogue, &zones, Offered::Somewhere)?;
        let report = lint(&scope, &existing(group), &Options::default())?;
        if self.output == crate::cli::update::Form::Json {
            session.ui.json(&json!(report))?;
        } else {
            show(session, &report);
        }
        if self.refresh_group {
            let better = refreshed(group, &report);
            let command = format!("toolbox lint-group {} --refresh-group", self.group);
            let change = Change::new(&store, &cluster, &command, self.message.as_deref());
            let object = Object::InstanceGroup(Box::new(better));
            let ((), revision) = change
                .edit(session, |texts| {
                    texts.insert(path_of(&object)?, print::to_yaml(&object));
                    Ok(())
                })
                .await?;
            specs::recorded(session, &cluster, revision.as_ref());
        }
        Ok(0)
    }
}

fn existing(group: &InstanceGroup) -> ExistingGroup {
    let policy = group.spec.mixed_instances_policy.as_ref();
    ExistingGroup {
        name: group.name().to_owned(),
        machine_type: group.spec.machine_type().to_owned(),
        instances: policy.map(|p| p.instances.clone()).unwrap_or_default(),
        on_demand_base: policy.and_then(|p| p.on_demand_base),
        on_demand_above_base: policy.and_then(|p| p.on_demand_above_base),
        spot_allocation_strategy: policy.and_then(|p| p.spot_allocation_strategy).map(|s| s.as_str().to_owned()),
        capacity_rebalance: group.spec.capacity_rebalance,
        cloud_labels: group.spec.cloud_labels.clone(),
    }
}

fn show(session: &Session, report: &Report) {
    for problem in &report.problems {
        let severity = match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "advice",
        };
        session.ui.data(format!("{severity}: {}: {}", problem.field, problem.message));
    }
    if report.problems.is_empty() {
        session.ui.say(format!("{} is as good as today's best choice", report.name));
    }
    for (sign, types) in [("+", &report.added), ("-", &report.removed)] {
        for name in types {
            session.ui.data(format!("{sign} {name}"));
        }
    }
    let (now, best) = (report.score.independent, report.best.independent);
    session.ui.say(format!("independent pools: {now:.1} now, {best:.1} with the best choice"));
}

fn refreshed(group: &InstanceGroup, report: &Report) -> InstanceGroup {
    let mut better = group.clone();
    let patch = &report.patch;
    let spec = &mut better.spec;
    if let Some(machine) = &patch.machine_type {
        spec.machine_type = Some(machine.clone());
    }
    if let Some(rebalance) = patch.capacity_rebalance {
        spec.capacity_rebalance = Some(rebalance);
    }
    let policy = spec.mixed_instances_policy.get_or_insert_default();
    if let Some(types) = &patch.instances {
        policy.instances = types.clone();
    }
    if let Some(base) = patch.on_demand_base {
        policy.on_demand_base = Some(base);
    }
    if let Some(strategy) = &patch.spot_allocation_strategy {
        policy.spot_allocation_strategy = serde_json::from_value(json!(strategy)).ok();
    }
    better
}
