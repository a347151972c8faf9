//! A new cluster before it is written: its specs, with images pinned and address ranges assigned.

use std::collections::BTreeSet;

use super::facts::Facts;
use super::new_cluster::NewCluster;
use crate::catalogue::Catalogue;
use crate::error::{Error, Result};
use crate::select::choose::Selection;
use crate::spec::{Cluster, InstanceGroup, Object, Role, cidr, edit};

/// The specs of a cluster that is about to be created.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The cluster.
    pub cluster: Cluster,
    /// Its groups.
    pub groups: Vec<InstanceGroup>,
}

/// What is asked of spot workers at birth.
#[derive(Clone, Debug, Default)]
pub struct SpotWorkers {
    /// Virtual CPUs of each.
    pub vcpus: Option<u32>,
    /// Memory of each, as the selector reads it: `16GiB`.
    pub memory: Option<String>,
}

/// The specs that the options ask for, with `sets` and `unsets` made last.
pub fn draft(new: &NewCluster, sets: &[String], unsets: &[String]) -> Result<Draft> {
    let (mut cluster, groups) = new.specs()?;
    cidr::assign(&mut cluster)?;
    let mut object = Object::Cluster(Box::new(cluster));
    for set in sets {
        let set = set.strip_prefix("cluster.").unwrap_or(set);
        let (path, value) = set
            .split_once('=')
            .ok_or_else(|| Error::usage(format!("--set {set} says no value")).hint("--set spec.field=value"))?;
        edit::set(&mut object, path, value)?;
    }
    for unset in unsets {
        edit::unset(&mut object, unset.strip_prefix("cluster.").unwrap_or(unset))?;
    }
    let cluster = object.into_cluster();
    let cluster = cluster.ok_or_else(|| Error::failed("the cluster's spec became an instance group's"))?;
    Ok(Draft { cluster, groups })
}

impl Draft {
    /// The region that the zones are in.
    pub fn region(&self) -> Result<String> {
        self.cluster.spec.region().map(str::to_owned).ok_or_else(|| Error::usage("the zones name no region"))
    }

    /// Everything, the cluster first.
    pub fn objects(&self) -> Vec<Object> {
        let groups = self.groups.iter().cloned().map(|g| Object::InstanceGroup(Box::new(g)));
        std::iter::once(Object::Cluster(Box::new(self.cluster.clone()))).chain(groups).collect()
    }

    /// Gives every group without an image today's default one, by its full name: tomorrow's plan is not changed by a
    /// new release.
    pub async fn pin_images(&mut self, facts: &Facts) -> Result<()> {
        facts.pin_images(self.groups.iter_mut()).await
    }

    /// Makes the workers spot groups, one a zone, of pools that the selector picks in all the zones; and turns on what
    /// makes spot safe. Gives what was picked.
    pub fn use_spot(&mut self, catalogue: &Catalogue, ask: &SpotWorkers) -> Result<Selection> {
        let workers = self.groups.iter().filter(|g| g.spec.role == Role::Node);
        let zones: BTreeSet<String> = workers.flat_map(|g| g.spec.subnets.iter().cloned()).collect();
        let chosen = super::spot::choose_workers(catalogue, &Vec::from_iter(zones), ask)?;
        for group in self.groups.iter_mut().filter(|g| g.spec.role == Role::Node) {
            super::spot::make_spot(group, &chosen);
            // Room for what a pool that dries up elsewhere leaves to this zone.
            group.spec.max_size = group.spec.min_size.map(|n| (n * 3).max(3));
        }
        let handler = self.cluster.spec.node_termination_handler.get_or_insert_default();
        handler.enabled.get_or_insert(true);
        Ok(chosen)
    }
}
