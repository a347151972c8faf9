//! The one loop over AWS's pages.

use std::collections::BTreeSet;
use std::future::Future;

use crate::error::{Error, Result};

/// One page: its items, and the token of the next page if there is one.
pub(crate) struct Page<T> {
    pub(crate) items: Vec<T>,
    pub(crate) next: Option<String>,
}

/// All items of all pages, in order. `page` gets the token of the page to fetch, `None` for the first. An empty token
/// ends the loop, as some services send one; a token that comes back a second time is an error, not an endless loop.
pub(crate) async fn collect<T, F, Fut>(doing: &str, mut page: F) -> Result<Vec<T>>
where
    F: FnMut(Option<String>) -> Fut,
    Fut: Future<Output = Result<Page<T>>>,
{
    let mut seen = BTreeSet::new();
    let mut token = None;
    let mut all = Vec::new();
    loop {
        let Page { items, next } = page(token).await?;
        all.extend(items);
        match next.filter(|next| !next.is_empty()) {
            None => return Ok(all),
            Some(next) if !seen.insert(next.clone()) => {
                return Err(Error::failed(format!("{doing}: AWS sent the same page twice")).hint("run it again"));
            }
            Some(next) => token = Some(next),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A service of `count` numbers, `size` to a page.
    async fn numbers(count: usize, size: usize, last: Option<&str>) -> (Vec<usize>, usize) {
        let calls = Cell::new(0);
        let all = collect("count", |token| {
            calls.set(calls.get() + 1);
            let start: usize = token.map_or(0, |t| t.parse().unwrap());
            let end = (start + size).min(count);
            let next = if end < count { Some(end.to_string()) } else { last.map(str::to_owned) };
            async move { Ok(Page { items: (start..end).collect(), next }) }
        });
        (all.await.unwrap(), calls.get())
    }

    /// Every page is fetched once and in order, for none, exactly one, and several pages, whatever form the end has.
    #[tokio::test]
    async fn every_page_is_fetched_once() {
        assert_eq!(numbers(0, 10, None).await, (vec![], 1));
        assert_eq!(numbers(10, 10, None).await, ((0..10).collect(), 1));
        assert_eq!(numbers(25, 10, Some("")).await, ((0..25).collect(), 3));
    }

    /// A token that repeats is an error, and so is a page that fails.
    #[tokio::test]
    async fn bad_paging_ends() {
        let stuck = collect("list", |_| async { Ok(Page { items: vec![1], next: Some("same".into()) }) }).await;
        assert!(stuck.unwrap_err().message().contains("same page twice"));
        let failing = |token: Option<String>| async move {
            if token.is_some() {
                Err(Error::failed("cut"))
            } else {
                Ok(Page { items: vec![1], next: Some("2".into()) })
            }
        };
        assert_eq!(collect("list", failing).await.unwrap_err().message(), "cut");
    }
}
