//! The plan as data: the stable JSON of `-o json` and of saved plans.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Action, FieldChange, Plan, Reason, Summary};
use crate::resource::Addr;

/// The version of the plan's JSON form: the minor part grows with additions, the major part when readers must change.
pub const FORMAT_VERSION: &str = "1.0";

/// A plan in its stable form. Two plans are the same if and only if these are equal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedPlan {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: String,
    /// The cluster's name.
    pub cluster: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The revision of the specs that it leads to.
    pub revision: u64,
    /// Which groups it is limited to; empty for all.
    #[serde(default)]
    pub groups: Vec<String>,
    /// The counts.
    pub summary: Summary,
    /// The changes, by address.
    pub changes: Vec<SavedChange>,
}

/// One change in its stable form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SavedChange {
    /// Which resource.
    pub address: Addr,
    /// Its AWS id, unless it is created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// What is done.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The fields that differ.
    pub fields: Vec<FieldChange>,
    /// The whole value that is to be, unless it is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Value>,
}

/// Where a plan belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The cluster's name.
    pub cluster: String,
    /// The AWS account.
    pub account: String,
    /// The AWS region.
    pub region: String,
    /// The revision of the specs.
    pub revision: u64,
    /// Which groups the plan is limited to; empty for all.
    pub groups: Vec<String>,
}

impl SavedPlan {
    /// The stable form of a plan.
    pub fn of(plan: &Plan, place: &Place) -> Self {
        let changes = plan.changes.iter().map(|c| SavedChange {
            address: c.addr.clone(),
            id: c.live.as_ref().map(|l| l.id.clone()),
            action: c.action,
            reason: c.reason.clone(),
            fields: c.fields.clone(),
            after: c.desired.as_ref().map(|d| d.to_value()),
        });
        SavedPlan {
            format_version: FORMAT_VERSION.to_owned(),
            cluster: place.cluster.clone(),
            account: place.account.clone(),
            region: place.region.clone(),
            revision: place.revision,
            groups: place.groups.clone(),
            summary: plan.summary(),
            changes: changes.collect(),
        }
    }

    /// Whether this kspot can read it: the same major version.
    pub fn is_readable(&self) -> bool {
        self.format_version.split('.').next() == FORMAT_VERSION.split('.').next()
    }

    /// The addresses whose change differs from that in `other`, or that only one of the two has.
    pub fn moved(&self, other: &SavedPlan) -> Vec<Addr> {
        let find = |p: &SavedPlan, a: &Addr| p.changes.iter().find(|c| c.address == *a).cloned();
        let all: std::collections::BTreeSet<&Addr> =
            self.changes.iter().chain(&other.changes).map(|c| &c.address).collect();
        all.into_iter().filter(|a| find(self, a) != find(other, a)).cloned().collect()
    }
}
