//! The instance selector: which types fit, and which of them make a good spot group.
//!
//! Everything here is pure: a [`Catalogue`](crate::catalogue::Catalogue) and a [`Query`] in, names and reasons out, the
//! same for the same input.
//!
//! 1. [`Scope`] says which zones count.
//! 2. [`filter()`] puts every type before every filter of the [`Query`] and keeps a reason for each rejection. That is
//!    the whole plain selector.
//! 3. [`choose()`] adds what is sane for nodes ([`sane`]), takes the best size, and picks a diverse set of it
//!    ([`diversify`]) with its [`score`], [`savings`] and [`zones`].
//! 4. [`explain`] answers "why not m5.4xlarge?", [`group`] turns selections into groups, [`lint`] compares an existing
//!    group with today's best set.

pub mod advisor;
pub mod aggregate;
pub mod choose;
pub mod diversify;
pub mod explain;
pub mod filter;
pub mod group;
pub mod lint;
pub mod query;
pub mod sane;
pub mod savings;
pub mod scope;
pub mod score;
pub mod sort;
#[cfg(test)]
mod tests;
pub mod value;
pub mod words;
pub mod zones;

pub use advisor::Advisor;
pub use choose::{DEFAULT_POOLS, Options, POOLS, Selection, Size, choose, sane_filtered};
pub use filter::{Filtered, Reason, filter};
pub use query::Query;
pub use scope::{Offered, Scope};
pub use sort::{SortKey, sort};
pub use value::{Mib, Pattern, Range, Ratio};
