//! The rules themselves, in a file that the tests against S3 include too.

use std::sync::Arc;

use super::{Entry, Etag, Fetched, Precondition, PutError, Store};

fn keys(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(|e| e.key.as_str()).collect()
}

/// A write or delete happens exactly when its precondition holds, and the etag names the content.
pub(crate) async fn preconditions_decide(s: Arc<dyn Store>) {
    let stale = Etag::new("stale");
    assert!(matches!(s.put("c/a", b"0", Precondition::Match(stale.clone())).await, Err(PutError::Conflict)));
    let first = s.put("c/a", b"1", Precondition::Absent).await.unwrap();
    assert!(matches!(s.put("c/a", b"2", Precondition::Absent).await, Err(PutError::Conflict)));
    assert!(matches!(s.put("c/a", b"2", Precondition::Match(stale.clone())).await, Err(PutError::Conflict)));
    assert_eq!(s.get("c/a").await.unwrap().unwrap().bytes, b"1");
    let second = s.put("c/a", b"2", Precondition::Match(first.clone())).await.unwrap();
    assert_eq!(s.get_if_changed("c/a", &second).await.unwrap(), Fetched::Unchanged);
    assert!(matches!(s.get_if_changed("c/a", &first).await.unwrap(), Fetched::Changed(b) if b.bytes == b"2"));
    assert_eq!(s.get_if_changed("c/b", &first).await.unwrap(), Fetched::Missing);
    assert!(matches!(s.delete("c/a", Precondition::Match(first)).await, Err(PutError::Conflict)));
    s.delete("c/a", Precondition::Match(second)).await.unwrap();
    s.delete("c/a", Precondition::None).await.unwrap();
    assert_eq!(s.get("c/a").await.unwrap(), None);
}

/// Listings are sorted by key, start after a key, and show one level or the whole tree below a prefix.
pub(crate) async fn listings_are_sorted_and_cut(s: Arc<dyn Store>) {
    for key in ["c/config", "c/history/0001", "c/history/0002", "c/history/objects/x", "d/config", "c-2/config"] {
        s.put(key, key.as_bytes(), Precondition::None).await.unwrap();
    }
    let all = s.list("c/", None).await.unwrap();
    assert_eq!(keys(&all), ["c/config", "c/history/0001", "c/history/0002", "c/history/objects/x"]);
    assert_eq!((all[0].size, &all[0].etag), (8, &s.get("c/config").await.unwrap().unwrap().etag));
    assert_eq!(keys(&s.list("c/hist", None).await.unwrap()).len(), 3);
    let level = s.list_level("c/history/", Some("c/history/0001")).await.unwrap();
    assert_eq!(keys(&level.entries), ["c/history/0002"]);
    assert_eq!(level.prefixes, ["c/history/objects/"]);
    let top = s.list_level("", None).await.unwrap();
    assert_eq!((top.entries.len(), top.prefixes), (0, vec!["c-2/".to_owned(), "c/".into(), "d/".into()]));
    assert!(s.list("nothing/", None).await.unwrap().is_empty());
}

/// Removing a tree takes all of it and not its neighbours.
pub(crate) async fn removing_a_tree_spares_the_neighbours(s: Arc<dyn Store>) {
    for key in ["c/config", "c/pki/ca", "c-2/config"] {
        s.put(key, b"x", Precondition::None).await.unwrap();
    }
    assert_eq!(s.remove_tree("c/").await.unwrap(), 2);
    assert_eq!(keys(&s.list("", None).await.unwrap()), ["c-2/config"]);
    assert_eq!(s.list_level("", None).await.unwrap().prefixes, ["c-2/"]);
}

/// Of 32 writers that increment a number by compare-and-swap at once, none loses an increment.
pub(crate) async fn no_increment_is_lost_among_32_writers(s: Arc<dyn Store>) {
    s.put("n", b"0", Precondition::Absent).await.unwrap();
    let writers = (0..32).map(|_| tokio::spawn(increment(s.clone())));
    futures::future::try_join_all(writers).await.unwrap();
    assert_eq!(s.get("n").await.unwrap().unwrap().bytes, b"32", "{}", s.describe());
}

async fn increment(store: Arc<dyn Store>) {
    loop {
        let blob = store.get("n").await.unwrap().unwrap();
        let n: u32 = String::from_utf8(blob.bytes).unwrap().parse().unwrap();
        match store.put("n", (n + 1).to_string().as_bytes(), Precondition::Match(blob.etag)).await {
            Ok(_) => return,
            Err(PutError::Conflict) => {}
            Err(PutError::Failed(e)) => panic!("{e}"),
        }
    }
}
