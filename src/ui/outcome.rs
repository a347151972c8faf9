//! How an apply ended: what was done, what failed and why, and how to go on.

use std::time::Duration;

use super::{Role, Ui, size, time, words};
use crate::apply::Outcome;
use crate::error::{Error, Kind, Result};
use crate::plan::Op;

impl Ui {
    /// Says on stderr what an apply did, and gives the failure that a stopped one ends the process with. `again` is the
    /// command that continues it.
    pub fn outcome(&self, outcome: &Outcome, took: Duration, again: &str) -> Result<()> {
        self.say(summary(outcome, took));
        verdict(outcome, again)
    }
}

/// `Done in 1m 12s: 30 created, 1 updated.`
fn summary(outcome: &Outcome, took: Duration) -> String {
    let count = |op: Op| outcome.done.iter().filter(|(_, o)| *o == op).count();
    let parts: Vec<String> = [Op::Create, Op::Update, Op::Delete]
        .into_iter()
        .filter(|op| count(*op) > 0)
        .map(|op| words::of(op).role.paint(format!("{} {}", count(op), words::of(op).past)).to_string())
        .collect();
    let what = if parts.is_empty() { "nothing was changed".to_owned() } else { parts.join(", ") };
    let lead = if outcome.is_complete() { Role::Add.paint("Done") } else { Role::Delete.paint("Stopped") };
    let rest = [(outcome.failed.len(), "failed"), (outcome.skipped.len() + outcome.stopped.len(), "not tried")];
    let rest: String = rest.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!(", {n} {what}")).collect();
    format!("{lead} after {}: {what}{rest}.", time::duration(took))
}

/// Success, or one error with every root cause below it.
fn verdict(outcome: &Outcome, again: &str) -> Result<()> {
    if outcome.is_complete() {
        return Ok(());
    }
    let left = outcome.failed.len() + outcome.skipped.len() + outcome.stopped.len();
    let all = left + outcome.done.len();
    let mut error = match outcome.failed.len() {
        0 => Error::new(Kind::Interrupted, format!("interrupted with {left} of {} to go", size::count(all, "change"))),
        n => Error::new(Kind::Partial, format!("{n} of {} failed", size::count(all, "change"))),
    };
    let mut hints: Vec<&str> = Vec::new();
    for (addr, op, cause) in &outcome.failed {
        let (doing, why) = (format!("{} {addr}", words::of(*op).verb), cause.chain());
        error = error.detail(if why.starts_with(&doing) { why } else { format!("{doing}: {why}") });
        for hint in cause.hints() {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    if !outcome.skipped.is_empty() {
        error = error.detail(format!("{} not tried: what they need failed", outcome.skipped.len()));
    }
    if !outcome.failed.is_empty() && !outcome.stopped.is_empty() {
        error = error.detail(format!("{} not tried: the apply was interrupted", outcome.stopped.len()));
    }
    for hint in hints {
        error = error.hint(hint);
    }
    Err(error.hint(format!("nothing is lost: the same command continues: {again}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::{Addr, Kind as Resources};

    fn addr(name: &str) -> Addr {
        Addr::new(Resources::NatGateway, name)
    }

    fn said(outcome: &Outcome) -> String {
        let (ui, out, err) = Ui::captured();
        let verdict = ui.outcome(outcome, Duration::from_secs(72), "kspot update cluster c.example.com --yes");
        if let Err(e) = &verdict {
            ui.error(e);
        }
        assert_eq!(out.take(), "");
        err.take()
    }

    /// An apply that made everything says how much of what, and is no error.
    #[test]
    fn a_complete_apply_is_summed_up() {
        let done = vec![(addr("a"), Op::Create), (addr("b"), Op::Create), (addr("c"), Op::Delete)];
        assert_eq!(said(&Outcome { done, ..Outcome::default() }), "Done after 1m 12s: 2 created, 1 deleted.\n");
    }

    /// Each root cause once with its own chain and hint; what was skipped for it is only counted.
    #[test]
    fn a_partial_apply_names_root_causes_and_how_to_go_on() {
        let quota = |zone: &str| {
            Error::failed(format!("create nat-gateway/{zone}: the limit of 5 addresses is reached"))
                .because(std::io::Error::other("AddressLimitExceeded"))
                .hint("ask AWS for a higher quota of EC2-VPC Elastic IPs")
        };
        let outcome = Outcome {
            done: vec![(addr("x"), Op::Create)],
            failed: vec![(addr("a"), Op::Create, quota("a")), (addr("b"), Op::Create, quota("b"))],
            skipped: vec![(addr("c"), Op::Create)],
            stopped: Vec::new(),
        };
        insta::assert_snapshot!(said(&outcome), @r"
        Stopped after 1m 12s: 1 created, 2 failed, 1 not tried.
        error: 2 of 4 changes failed
          create nat-gateway/a: the limit of 5 addresses is reached: AddressLimitExceeded
          create nat-gateway/b: the limit of 5 addresses is reached: AddressLimitExceeded
          1 not tried: what they need failed
        hint: ask AWS for a higher quota of EC2-VPC Elastic IPs
        hint: nothing is lost: the same command continues: kspot update cluster c.example.com --yes
        ");
        assert_eq!(verdict(&outcome, "again").unwrap_err().kind(), Kind::Partial);
    }

    /// An interrupted apply is told apart from a failed one.
    #[test]
    fn an_interrupted_apply_says_what_is_left() {
        let outcome = Outcome {
            done: vec![(addr("x"), Op::Update)],
            stopped: vec![(addr("a"), Op::Create)],
            ..Outcome::default()
        };
        insta::assert_snapshot!(said(&outcome), @r"
        Stopped after 1m 12s: 1 updated, 1 not tried.
        error: interrupted with 1 of 2 changes to go
        hint: nothing is lost: the same command continues: kspot update cluster c.example.com --yes
        ");
        assert_eq!(verdict(&outcome, "again").unwrap_err().kind(), Kind::Interrupted);
    }
}
