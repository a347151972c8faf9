//! The table that `get instances` and `get nodes` share; they differ in what leads it.

use jiff::Timestamp;

use crate::cli::session::Session;
use crate::error::Result;
use crate::ops::machines::Machine;
use crate::ui::health::phase;
use crate::ui::money;
use crate::ui::time::ago;
use crate::ui::{Cell, Column, Listing, Output, Role};

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lead {
    /// A machine, which may have a node.
    Instance,
    /// A node, which may have a machine.
    Node,
}

/// Prints those machines that have what leads.
pub(super) fn show(session: &Session, lead: Lead, machines: &[Machine], output: Output) -> Result<u8> {
    let plural = match lead {
        Lead::Instance => "instances",
        Lead::Node => "nodes",
    };
    let mut listing = Listing::new(plural, columns(lead));
    let has_lead = |m: &&Machine| match lead {
        Lead::Instance => m.instance.is_some(),
        Lead::Node => m.node.is_some(),
    };
    for machine in machines.iter().filter(has_lead) {
        push(&mut listing, lead, machine, session.context.now());
    }
    session.ui.listing(&listing, output)?;
    Ok(0)
}

fn columns(lead: Lead) -> Vec<Column> {
    let (first, second) = match lead {
        Lead::Instance => ("id", "node"),
        Lead::Node => ("node", "id"),
    };
    vec![
        Column::new(first),
        // A machine is a node by the name of its id: the other column says nothing more.
        Column::new(second).wide(),
        Column::new("status").flexible(),
        Column::new("group"),
        Column::new("role"),
        Column::new("type"),
        Column::new("lifecycle"),
        Column::new("zone"),
        Column::new("price").right(),
        Column::new("internal ip"),
        Column::new("external ip").wide(),
        Column::new("template").wide(),
        Column::new("kubelet").wide(),
        Column::new("age"),
    ]
}

fn push(listing: &mut Listing, lead: Lead, machine: &Machine, now: Timestamp) {
    let instance = machine.instance.as_ref();
    let id = instance.map(|i| i.id.clone()).unwrap_or_default();
    let node = machine.node.clone().unwrap_or_default();
    let (first, second) = match lead {
        Lead::Instance => (id, node),
        Lead::Node => (node, id),
    };
    let of = |field: fn(&crate::cloud::aws::lookup::Instance) -> String| instance.map(field).unwrap_or_default();
    let cells: [Cell; 14] = [
        first.clone().into(),
        second.into(),
        status(machine, now),
        of(|i| i.group.clone()).into(),
        of(|i| i.role.clone()).into(),
        of(|i| i.instance_type.clone()).into(),
        of(|i| i.lifecycle.clone()).into(),
        of(|i| i.zone.clone()).into(),
        money::hourly(machine.usd_per_hour).into(),
        of(|i| i.internal_ip.clone().unwrap_or_default()).into(),
        of(|i| i.external_ip.clone().unwrap_or_default()).into(),
        of(|i| i.template_version.clone().unwrap_or_default()).into(),
        machine.kubelet.clone().unwrap_or_default().into(),
        machine.since.map(|since| ago(now, since)).unwrap_or_default().into(),
    ];
    listing.push(first, serde_json::to_value(machine).unwrap_or_default(), cells);
}

/// `not joined: downloading https://example.com/kubelet for 1m 20s: the server answers 404`, `ready, cordoned`.
fn status(machine: &Machine, now: Timestamp) -> Cell {
    let mut text = machine.status.clone();
    if machine.cordoned {
        text.push_str(", cordoned");
    }
    let boot = machine.boot.as_ref().filter(|boot| machine.node.is_none() && !boot.is_over());
    let launches = machine.instance.as_ref().is_some_and(|i| i.state == "pending") && machine.status != "pending";
    let at = boot.map(|boot| phase(boot, now)).or_else(|| launches.then(|| "launching".to_owned()));
    let error = boot.and_then(|b| b.error.clone());
    for why in [at, error, machine.reason.clone()].into_iter().flatten() {
        text.push_str(&format!(": {why}"));
    }
    match machine.status.as_str() {
        "not joined" | "not ready" => Cell::new(text).role(Role::Delete),
        "coming" | "leaving" => Cell::new(text).role(Role::Warning),
        _ => Cell::new(text),
    }
}
