//! A small directed graph: edges say "after", a walk runs nodes in parallel as soon as what they wait for is done.
//! It knows nothing of clusters.

use std::collections::BTreeSet;
use std::future::Future;

use futures::stream::{FuturesUnordered, StreamExt};
use tokio_util::sync::CancellationToken;

/// Nodes `0..len`, each with the set of nodes it waits for.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    after: Vec<BTreeSet<usize>>,
}

/// How a walk ended, node by node.
#[derive(Debug)]
pub struct Walk<E> {
    /// Nodes that ran well, in the order in which they ended.
    pub done: Vec<usize>,
    /// Nodes that ran and failed.
    pub failed: Vec<(usize, E)>,
    /// Nodes that did not run because one that they wait for failed or did not run.
    pub skipped: Vec<usize>,
    /// Nodes that did not run because the walk was stopped.
    pub stopped: Vec<usize>,
}

impl Graph {
    /// `len` nodes without edges.
    pub fn new(len: usize) -> Self {
        Graph { after: vec![BTreeSet::new(); len] }
    }

    /// Makes `node` wait for `earlier`. An edge from a node to itself is ignored.
    pub fn after(&mut self, node: usize, earlier: usize) {
        if node != earlier {
            self.after[node].insert(earlier);
        }
    }

    /// What `node` waits for.
    pub fn waits_for(&self, node: usize) -> impl Iterator<Item = usize> + '_ {
        self.after[node].iter().copied()
    }

    /// Whether `node` waits for `earlier`, directly or through others.
    pub fn reaches(&self, node: usize, earlier: usize) -> bool {
        let mut seen = BTreeSet::new();
        let mut open = vec![node];
        while let Some(n) = open.pop() {
            if n == earlier {
                return true;
            }
            if seen.insert(n) {
                open.extend(self.after[n].iter().copied());
            }
        }
        false
    }

    /// A cycle, as the nodes along it, if there is one.
    pub fn cycle(&self) -> Option<Vec<usize>> {
        let mut state = vec![Mark::New; self.after.len()];
        let mut path = Vec::new();
        (0..self.after.len()).find_map(|n| self.visit(n, &mut state, &mut path))
    }

    fn visit(&self, node: usize, state: &mut [Mark], path: &mut Vec<usize>) -> Option<Vec<usize>> {
        match state[node] {
            Mark::Done => return None,
            Mark::Open => {
                let start = path.iter().position(|n| *n == node).unwrap_or(0);
                return Some(path[start..].to_vec());
            }
            Mark::New => {}
        }
        state[node] = Mark::Open;
        path.push(node);
        for next in &self.after[node] {
            if let Some(cycle) = self.visit(*next, state, path) {
                return Some(cycle);
            }
        }
        path.pop();
        state[node] = Mark::Done;
        None
    }

    /// An order in which every node comes after what it waits for; ties by number. Nodes on a cycle are left out.
    pub fn order(&self) -> Vec<usize> {
        let mut done = BTreeSet::new();
        let mut order = Vec::new();
        loop {
            let next = (0..self.after.len()).find(|n| !done.contains(n) && self.after[*n].is_subset(&done));
            match next {
                Some(n) => {
                    done.insert(n);
                    order.push(n);
                }
                None => return order,
            }
        }
    }

    /// Runs every node, at most `limit` at a time. What waits for a failed node is skipped; when `stop` is cancelled,
    /// running nodes end and no new one starts.
    pub async fn walk<F, Fut, E>(&self, limit: usize, stop: &CancellationToken, run: F) -> Walk<E>
    where
        F: Fn(usize) -> Fut,
        Fut: Future<Output = Result<(), E>>,
    {
        let mut walk = Walk { done: Vec::new(), failed: Vec::new(), skipped: Vec::new(), stopped: Vec::new() };
        let mut waiting: BTreeSet<usize> = (0..self.after.len()).collect();
        let mut done = BTreeSet::new();
        let mut broken: BTreeSet<usize> = BTreeSet::new();
        let mut running = FuturesUnordered::new();
        loop {
            while let Some(n) = waiting.iter().copied().find(|n| !self.after[*n].is_disjoint(&broken)) {
                waiting.remove(&n);
                broken.insert(n);
                walk.skipped.push(n);
            }
            while running.len() < limit.max(1) && !stop.is_cancelled() {
                let Some(n) = waiting.iter().copied().find(|n| self.after[*n].is_subset(&done)) else { break };
                waiting.remove(&n);
                let work = run(n);
                running.push(async move { (n, work.await) });
            }
            match running.next().await {
                Some((n, Ok(()))) => {
                    done.insert(n);
                    walk.done.push(n);
                }
                Some((n, Err(e))) => {
                    broken.insert(n);
                    walk.failed.push((n, e));
                }
                None => break,
            }
        }
        walk.stopped.extend(waiting);
        walk
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Mark {
    New,
    Open,
    Done,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diamond() -> Graph {
        let mut g = Graph::new(4);
        g.after(1, 0);
        g.after(2, 0);
        g.after(3, 1);
        g.after(3, 2);
        g
    }

    /// What waits for a failed node is skipped, the rest runs.
    #[tokio::test]
    async fn downstream_of_a_failure_is_skipped() {
        let walk = diamond()
            .walk(2, &CancellationToken::new(), |n| async move { if n == 1 { Err(()) } else { Ok(()) } })
            .await;
        assert_eq!(walk.done, [0, 2]);
        assert_eq!(walk.failed.len(), 1);
        assert_eq!(walk.skipped, [3]);
    }

    /// After a stop nothing new starts, what runs ends.
    #[tokio::test]
    async fn a_stop_lets_running_nodes_end() {
        let stop = CancellationToken::new();
        let walk = diamond()
            .walk(1, &stop, |n| {
                let stop = stop.clone();
                async move {
                    if n == 0 {
                        stop.cancel();
                    }
                    Ok::<(), ()>(())
                }
            })
            .await;
        assert_eq!(walk.done, [0]);
        assert_eq!(walk.stopped, [1, 2, 3]);
    }

    /// A cycle is found and named.
    #[test]
    fn cycles_are_found() {
        let mut g = diamond();
        assert_eq!(g.cycle(), None);
        g.after(0, 3);
        assert!(g.cycle().is_some_and(|c| c.contains(&0) && c.contains(&3)));
    }
}
