//! The order of the changes: which step waits for which.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Action, Plan};
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::resource::Addr;

/// What one step does. A replacement is two steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Op {
    /// Make the resource.
    Create,
    /// Change it in place.
    Update,
    /// Delete the one that is live.
    Delete,
}

/// One step of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The index of the change in the plan.
    pub change: usize,
    /// What is done.
    pub op: Op,
}

/// All steps, and the graph over their indices.
#[derive(Clone, Debug)]
pub struct Steps {
    /// The steps.
    pub steps: Vec<Step>,
    /// Which waits for which.
    pub graph: Graph,
}

/// The steps of a plan. An error names the cycle, if the plan has one.
pub fn steps(plan: &Plan) -> Result<Steps> {
    let mut steps = Vec::new();
    // For each address: the step that makes or changes it, and the step that deletes the live one.
    let mut makes: BTreeMap<&Addr, usize> = BTreeMap::new();
    let mut deletes: BTreeMap<&Addr, usize> = BTreeMap::new();
    for (index, change) in plan.changes.iter().enumerate() {
        if change.action.destroys() {
            deletes.insert(&change.addr, steps.len());
            steps.push(Step { change: index, op: Op::Delete });
        }
        if change.action != Action::Delete {
            makes.insert(&change.addr, steps.len());
            let op = if change.action == Action::Update { Op::Update } else { Op::Create };
            steps.push(Step { change: index, op });
        }
    }

    let mut graph = Graph::new(steps.len());
    for change in &plan.changes {
        let wanted: BTreeSet<Addr> = change.desired.as_ref().map(|r| r.references()).unwrap_or_default();
        let live: BTreeSet<Addr> = change.live.as_ref().map(|o| o.resource.references()).unwrap_or_default();
        let make = makes.get(&change.addr).copied();
        let delete = deletes.get(&change.addr).copied();
        // A thing is made or changed after what it shall refer to.
        for target in &wanted {
            if let (Some(mine), Some(theirs)) = (make, makes.get(target)) {
                graph.after(mine, *theirs);
            }
        }
        // What it referred to goes after it has gone, or has let go.
        for target in &live {
            if let (Some(theirs), Some(released)) = (deletes.get(target), delete.or(make)) {
                graph.after(*theirs, released);
            }
        }
        match (change.action, make, delete) {
            (Action::DeleteThenCreate, Some(make), Some(delete)) => graph.after(make, delete),
            (Action::CreateThenDelete, Some(make), Some(delete)) => graph.after(delete, make),
            _ => {}
        }
    }
    match graph.cycle() {
        None => Ok(Steps { steps, graph }),
        Some(cycle) => {
            let names: Vec<String> = cycle
                .iter()
                .map(|n| format!("{:?} {}", steps[*n].op, plan.changes[steps[*n].change].addr).to_lowercase())
                .collect();
            Err(Error::failed(format!("these changes wait for each other: {}", names.join(" -> ")))
                .hint("make the change in two updates: first add the new, then remove the old"))
        }
    }
}
