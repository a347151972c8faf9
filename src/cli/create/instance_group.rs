//! `kspot create instancegroup`.

use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::session::Session;
use crate::cli::specs::{self, Change};
use crate::error::{Error, Result};
use crate::ops::specs::path_of;
use crate::spec::{InstanceGroup, MixedInstancesPolicy, Object, Role, print};

/// Write the spec of a new instance group
#[derive(ClapArgs, Debug)]
#[command(before_help = "Examples:
  kspot create ig nodes-b --subnet us-east-1b
  kspot create ig batch --size c6i.2xlarge,c6a.2xlarge --min 0 --max 20
  kspot create ig nodes-b --subnet us-east-1b --dry-run -o yaml
")]
pub(super) struct Args {
    /// The group's name
    group: String,

    /// What its machines are for
    #[arg(long, value_enum, default_value_t = GroupRole::Node)]
    role: GroupRole,

    /// Subnets; default: all that fit the role
    #[arg(long, value_name = "SUBNET,...", value_delimiter = ',', alias = "subnets")]
    subnet: Vec<String>,

    /// Zones, instead of subnets
    #[arg(long, value_name = "ZONE,...", value_delimiter = ',', alias = "zones")]
    zone: Vec<String>,

    /// Instance types; several make a mixed group
    #[arg(long, value_name = "TYPE,...", value_delimiter = ',', alias = "machine-type")]
    size: Vec<String>,

    /// Fewest machines
    #[arg(long, value_name = "N")]
    min: Option<u32>,

    /// Most machines
    #[arg(long, value_name = "N")]
    max: Option<u32>,

    /// Image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,

    /// Print the spec, write nothing
    #[arg(long)]
    dry_run: bool,

    /// Form of --dry-run's output
    #[arg(short, long, value_enum, default_value_t, requires = "dry_run")]
    output: specs::Form,

    /// Why, for the history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum GroupRole {
    /// Runs the workload
    Node,
    /// Runs etcd, the API server and the controllers
    #[value(alias = "master")]
    ControlPlane,
    /// A way in over SSH
    Bastion,
}

impl Args {
    pub(super) async fn run(self, session: &Session) -> Result<u8> {
        let (store, specs) = session.specs(None).await?;
        let cluster = specs.cluster.name().to_owned();
        let mut group = self.group(&cluster);
        let site = session.site_for(&specs).await?;
        site.facts.pin_images(std::iter::once(&mut group)).await?;
        let object = Object::InstanceGroup(Box::new(group));
        if self.dry_run {
            return specs::print(session, &[object], self.output);
        }
        let command = format!("create ig {}", self.group);
        let change = Change::new(&store, &cluster, &command, self.message.as_deref());
        let ((), revision) = change
            .edit(session, |texts| {
                if texts.insert(path_of(&object)?, print::to_yaml(&object)).is_some() {
                    return Err(Error::failed(format!(
                        "cluster {cluster} has an instance group {} already",
                        self.group
                    ))
                    .hint(format!("change it with kspot edit ig {}", self.group)));
                }
                Ok(())
            })
            .await?;
        specs::recorded(session, &cluster, revision.as_ref());
        Ok(0)
    }

    fn group(&self, cluster: &str) -> InstanceGroup {
        let role = match self.role {
            GroupRole::Node => Role::Node,
            GroupRole::ControlPlane => Role::ControlPlane,
            GroupRole::Bastion => Role::Bastion,
        };
        let mut group = InstanceGroup::new(cluster, &self.group, role);
        let spec = &mut group.spec;
        spec.subnets = self.subnet.clone();
        spec.zones = self.zone.clone();
        spec.machine_type = self.size.first().cloned();
        if self.size.len() > 1 {
            spec.mixed_instances_policy =
                Some(MixedInstancesPolicy { instances: self.size.clone(), ..MixedInstancesPolicy::default() });
        }
        spec.min_size = self.min;
        spec.max_size = self.max;
        spec.image = self.image.clone();
        group
    }
}
