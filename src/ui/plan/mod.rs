//! How a plan looks to people: first what is shown is computed ([`change`]), then it is drawn ([`render`]).

mod change;
mod render;
#[cfg(test)]
mod tests;
mod value;

use std::fmt;

use super::{Role, Ui, money, size};
use crate::plan::saved::Place;
use crate::plan::{Action, Cost, Plan};
use change::Block;

/// A plan with what is shown beside it.
#[derive(Clone, Copy, Debug)]
pub struct PlanView<'a> {
    plan: &'a Plan,
    place: Option<&'a Place>,
    cost: Option<&'a Cost>,
    full: bool,
    width: usize,
}

impl<'a> PlanView<'a> {
    /// The plan alone.
    pub fn new(plan: &'a Plan) -> Self {
        PlanView { plan, place: None, cost: None, full: false, width: render::WIDTH }
    }

    /// With the cluster, account, region and revision it is for.
    #[must_use]
    pub fn place(self, place: &'a Place) -> Self {
        PlanView { place: Some(place), ..self }
    }

    /// With what it costs.
    #[must_use]
    pub fn cost(self, cost: &'a Cost) -> Self {
        PlanView { cost: Some(cost), ..self }
    }

    /// With every field and whole texts of what is created.
    #[must_use]
    pub fn full(self, full: bool) -> Self {
        PlanView { full, ..self }
    }

    fn blocks(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kind = None;
        for change in &self.plan.changes {
            // A blank line between kinds: things of one kind are read as one list.
            if kind.replace(change.addr.kind).is_some_and(|k| k != change.addr.kind) {
                writeln!(f)?;
            }
            f.write_str(&render::block(&Block::of(change, self.full), self.width))?;
        }
        Ok(())
    }

    fn lost(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let loses = |a: &Action, kind: crate::resource::Kind| a.destroys() && kind.rules().loses_data.is_some();
        let lost: Vec<String> = self
            .plan
            .changes
            .iter()
            .filter(|c| loses(&c.action, c.addr.kind))
            .map(|c| Role::Name.paint(&c.addr).to_string())
            .collect();
        if lost.is_empty() {
            return Ok(());
        }
        writeln!(f, "{} {}", Role::Delete.paint("Data is lost for good with"), lost.join(", "))
    }
}

impl fmt::Display for PlanView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.plan.is_empty() {
            return self.nothing(f);
        }
        if let Some(place) = self.place {
            writeln!(f, "{}\n", heading(place))?;
        }
        self.blocks(f)?;
        writeln!(f)?;
        self.lost(f)?;
        writeln!(f, "{}", summary(self.plan))?;
        match self.cost {
            Some(cost) => f.write_str(&cost_lines(cost)),
            None => Ok(()),
        }
    }
}

impl PlanView<'_> {
    fn nothing(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = self.place.map_or_else(|| "the cluster".to_owned(), |p| Role::Name.paint(&p.cluster).to_string());
        let checked = size::count(self.plan.unchanged, "resource");
        writeln!(f, "{} AWS has {of} as its specs ask: {checked} compared.", Role::Strong.paint("No changes."))
    }
}

fn heading(place: &Place) -> String {
    let groups =
        if place.groups.is_empty() { String::new() } else { format!(", only groups {}", place.groups.join(", ")) };
    format!(
        "{} {}",
        Role::Strong.paint(&place.cluster),
        Role::Dim
            .paint(format!("in {} of account {}, revision {}{groups}", place.region, place.account, place.revision))
    )
}

/// `Plan: 3 to create, 1 to change, 0 to replace, 0 to delete; 40 unchanged.`
fn summary(plan: &Plan) -> String {
    let s = plan.summary();
    let part = |n: usize, role: Role, what: &str| {
        let text = format!("{n} {what}");
        if n == 0 { text } else { role.paint(text).to_string() }
    };
    format!(
        "{} {}, {}, {}, {}; {} unchanged.",
        Role::Strong.paint("Plan:"),
        part(s.create, Role::Add, "to create"),
        part(s.update, Role::Change, "to change"),
        part(s.replace, Role::Delete, "to replace"),
        part(s.delete, Role::Delete, "to delete"),
        s.unchanged
    )
}

fn cost_lines(cost: &Cost) -> String {
    let amount = |total, delta: Option<f64>| match delta {
        Some(_) => format!("{} ({})", money::monthly(total), money::delta(delta)),
        None => money::monthly(total),
    };
    let unknown = match cost.unknown {
        0 => String::new(),
        n => format!(", without {} of unknown price", size::count(n as usize, "machine")),
    };
    format!(
        "{} {} with spot as asked\n      {} if all were on demand{unknown}\n      {}\n",
        Role::Strong.paint("Cost:"),
        amount(cost.spot_monthly, cost.spot_delta),
        amount(cost.on_demand_monthly, cost.on_demand_delta),
        Role::Dim
            .paint(format!("machines only, at their groups' smallest sizes; prices: {}, {}", cost.source, cost.date)),
    )
}

impl Ui {
    /// Prints a plan to stdout; with `-v` every field of what is created.
    pub fn plan(&self, view: PlanView<'_>) {
        let width = self.terminal().out_width.map_or(render::WIDTH, |w| w.min(render::WIDTH));
        self.data(PlanView { width, full: view.full || self.verbosity() > 0, ..view });
    }
}
