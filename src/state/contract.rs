//! What every store must do, run against the ones that need no network.

use std::sync::Arc;

use super::directory::Directory;
use super::memory::Memory;
use super::{Entry, Etag, Fetched, Precondition, PutError, Store};

mod rules;

/// Runs a rule against every store, each of them empty.
macro_rules! every_store {
    ($($rule:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
        async fn $rule() {
            let dir = tempfile::tempdir().unwrap();
            rules::$rule(Arc::new(Memory::new())).await;
            rules::$rule(Arc::new(Directory::open(dir.path()).unwrap())).await;
        }
    )*};
}

every_store! {
    preconditions_decide
    listings_are_sorted_and_cut
    removing_a_tree_spares_the_neighbours
    no_increment_is_lost_among_32_writers
}
