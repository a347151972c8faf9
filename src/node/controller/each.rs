//! Something is done to several nodes, and one that fails keeps no other from it.

use crate::error::{Error, Result};

/// Does it to each; those that fail are told at the end, as those that can't be `done`.
pub(super) async fn each<T, F>(nodes: Vec<T>, done: &str, mut act: impl FnMut(T) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let (all, mut failed) = (nodes.len(), Vec::new());
    for node in nodes {
        if let Err(e) = act(node).await {
            failed.push(e.line());
        }
    }
    if failed.is_empty() {
        return Ok(());
    }
    let error = Error::failed(format!("{} of {all} nodes can't be {done}", failed.len()));
    Err(failed.into_iter().fold(error, |error, why| error.detail(why)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The others are done, and the one that fails is named.
    #[tokio::test]
    async fn one_node_keeps_no_other_from_it() {
        let mut done = Vec::new();
        let act = |node: &'static str| {
            done.push(node);
            async move { if node == "a" { Err(Error::failed("can't label node a")) } else { Ok(()) } }
        };
        let error = each(vec!["a", "b", "c"], "changed", act).await.unwrap_err();
        assert_eq!(done, ["a", "b", "c"]);
        assert_eq!(error.line(), "1 of 3 nodes can't be changed; can't label node a");
        assert!(each(vec!["a"], "changed", async |_| Ok(())).await.is_ok());
    }
}
