//! The instance selector: which types fit, and which of them make a good spot group.
//!
//! Everything here is pure: a [`Catalogue`](crate::catalogue::Catalogue) and a [`Query`] in, names and reasons out, the
//! same for the same input.
//!
//! 1. [`Scope`] says which zones count. 2. [`filter()`] puts every type before every filter of the query.

pub mod advisor;
pub mod aggregate;
pub mod filter;
pub mod query;
pub mod scope;
#[cfg(test)]
mod testing;
pub mod value;
pub mod words;

pub use advisor::Advisor;
pub use filter::{Filtered, Reason, filter};
pub use query::Query;
pub use scope::{Offered, Scope};
pub use value::{Mib, Pattern, Range, Ratio};
