//! What is known of the pods that have to go.

use std::collections::BTreeMap;
use std::time::Instant;

use super::News;
use super::pods::Victim;
use super::refusal::Obstacle;
use crate::kube::error;

/// How a pod stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    /// Nobody asked it to go yet.
    Fresh,
    /// It was asked to, and may not now.
    Blocked(Obstacle),
    /// It is ending, since when.
    Ending(Instant),
}

/// The pods that are still there, by their unique ids, and how many went.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    there: BTreeMap<String, (Victim, Standing)>,
    /// Pods that were seen and went.
    pub(super) gone: Vec<String>,
}

impl Ledger {
    /// Takes in which pods are there; tells which went.
    pub(super) fn see(&mut self, seen: Vec<Victim>, now: Instant) -> Vec<News> {
        let mut before = std::mem::take(&mut self.there);
        for victim in seen {
            let standing = match before.remove(&victim.uid) {
                Some((_, ending @ Standing::Ending(_))) if victim.ending => ending,
                _ if victim.ending => Standing::Ending(now),
                Some((_, blocked @ Standing::Blocked(_))) => blocked,
                _ => Standing::Fresh,
            };
            self.there.insert(victim.uid.clone(), (victim, standing));
        }
        let went: Vec<String> = before.into_values().map(|(victim, _)| victim.to_string()).collect();
        self.gone.extend(went.iter().cloned());
        went.into_iter().map(News::Gone).collect()
    }

    /// The node vanished, and every pod with it.
    pub(super) fn all_gone(&mut self) {
        self.gone.extend(std::mem::take(&mut self.there).into_values().map(|(victim, _)| victim.to_string()));
    }

    /// The pods that have to be asked to go: all that are not ending.
    pub(super) fn to_evict(&self) -> Vec<Victim> {
        let idle = self.there.values().filter(|(_, standing)| !matches!(standing, Standing::Ending(_)));
        idle.map(|(victim, _)| victim.clone()).collect()
    }

    /// Notes that the API took an eviction.
    pub(super) fn evicted(&mut self, victim: &Victim, now: Instant) -> Option<News> {
        let (_, standing) = self.there.get_mut(&victim.uid)?;
        *standing = Standing::Ending(now);
        Some(News::Evicted(victim.to_string()))
    }

    /// Notes why an eviction has to wait; that is news when the reason is another than before.
    pub(super) fn blocked(&mut self, victim: &Victim, by: Obstacle) -> Option<News> {
        let (_, standing) = self.there.get_mut(&victim.uid)?;
        let same = matches!((&*standing, &by), (Standing::Blocked(before), by) if before.is_like(by));
        let news = News::Blocked { pod: victim.to_string(), by: by.says(&victim.namespace) };
        *standing = Standing::Blocked(by);
        (!same).then_some(news)
    }

    /// How many pods are still there.
    pub(super) fn len(&self) -> usize {
        self.there.len()
    }

    /// Whether a budget blocks one of them.
    pub(super) fn has_budget(&self) -> bool {
        self.there.values().any(|(_, s)| matches!(s, Standing::Blocked(Obstacle::Budget { .. })))
    }

    /// Whether a webhook that does not answer blocks one of them.
    pub(super) fn has_webhook(&self) -> bool {
        self.there
            .values()
            .any(|(_, s)| matches!(s, Standing::Blocked(Obstacle::Api(said)) if error::is_of_webhook(said)))
    }

    /// Whether one of them does not end.
    pub(super) fn has_ending(&self) -> bool {
        self.there.values().any(|(_, s)| matches!(s, Standing::Ending(_)))
    }

    /// One line for each pod that is still there, and why it is; by name.
    pub(super) fn lines(&self, now: Instant) -> Vec<String> {
        let mut lines: Vec<String> =
            self.there.values().map(|(victim, standing)| line(victim, standing, now)).collect();
        lines.sort();
        lines
    }
}

fn line(victim: &Victim, standing: &Standing, now: Instant) -> String {
    match standing {
        Standing::Fresh => format!("pod {victim}: not evicted yet"),
        Standing::Blocked(by) => format!("pod {victim}: {}", by.says(&victim.namespace)),
        Standing::Ending(since) => {
            let seconds = now.saturating_duration_since(*since).as_secs();
            format!("pod {victim}: still ending after {seconds}s, its grace period is {}s", victim.grace)
        }
    }
}

impl Obstacle {
    /// Whether somebody who heard of one need not hear of the other: a budget's words hold numbers that change.
    fn is_like(&self, other: &Obstacle) -> bool {
        match (self, other) {
            (Obstacle::Budget { name: a, .. }, Obstacle::Budget { name: b, .. }) => a == b,
            _ => self == other,
        }
    }

    /// The obstacle in words, for a pod of this namespace.
    fn says(&self, namespace: &str) -> String {
        match self {
            Obstacle::Budget { name, said } if name.is_empty() => format!("blocked by a budget: {said}"),
            Obstacle::Budget { name, said } => format!("blocked by the budget {namespace}/{name}: {said}"),
            Obstacle::Api(said) => format!("the API does not take its eviction: {said}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn victim(name: &str, ending: bool) -> Victim {
        Victim { namespace: "a".into(), name: name.into(), uid: format!("uid-{name}"), grace: 30, ending }
    }

    fn budget(said: &str) -> Obstacle {
        Obstacle::Budget { name: "b".into(), said: said.into() }
    }

    /// What ends is not asked to go again; a new pod of the same name is another pod, whose predecessor went.
    #[test]
    fn pods_are_known_by_their_unique_ids() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.see(vec![victim("x", false), victim("y", true)], now);
        assert_eq!(ledger.to_evict(), [victim("x", false)]);
        assert_eq!(ledger.evicted(&victim("x", false), now), Some(News::Evicted("a/x".into())));
        assert!(ledger.to_evict().is_empty());
        let again = Victim { uid: "other".into(), ..victim("x", false) };
        assert_eq!(ledger.see(vec![again.clone()], now), [News::Gone("a/x".into()), News::Gone("a/y".into())]);
        assert_eq!((ledger.to_evict(), ledger.gone.len()), (vec![again], 2));
        assert_eq!(ledger.evicted(&victim("y", true), now), None, "an answer that comes late");
    }

    /// An eviction that the API took and did not carry out is asked for again.
    #[test]
    fn an_eviction_that_was_lost_is_repeated() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.see(vec![victim("x", false)], now);
        ledger.evicted(&victim("x", false), now);
        ledger.see(vec![victim("x", false)], now);
        assert_eq!(ledger.to_evict().len(), 1);
    }

    /// A budget is told once, however its numbers change, and stays known with its last words.
    #[test]
    fn a_budget_is_told_once() {
        let now = Instant::now();
        let mut ledger = Ledger::default();
        ledger.see(vec![victim("x", false)], now);
        assert!(ledger.blocked(&victim("x", false), budget("has 1")).is_some());
        ledger.see(vec![victim("x", false)], now);
        assert!(ledger.blocked(&victim("x", false), budget("has 2")).is_none());
        assert!(ledger.blocked(&victim("x", false), Obstacle::Api("busy".into())).is_some());
        ledger.blocked(&victim("x", false), budget("has 2"));
        assert!(ledger.has_budget() && !ledger.has_ending());
        assert_eq!(ledger.lines(now), ["pod a/x: blocked by the budget a/b: has 2"]);
    }

    /// A pod that takes long says since when, and how long it may.
    #[test]
    fn a_slow_pod_is_named_with_its_grace_period() {
        let start = Instant::now();
        let later = start + Duration::from_secs(40);
        let mut ledger = Ledger::default();
        ledger.see(vec![victim("x", true), victim("new", false)], start);
        ledger.see(vec![victim("x", true), victim("new", false)], later);
        let lines = ["pod a/new: not evicted yet", "pod a/x: still ending after 40s, its grace period is 30s"];
        assert_eq!(ledger.lines(later), lines);
    }
}
