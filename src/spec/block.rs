//! The one shape most spec blocks share: every field optional, kOps' camelCase names, nothing unknown, unset fields unwritten.

use std::collections::{BTreeMap, BTreeSet};

/// Whether a field holds nothing and so is left out when the spec is written.
pub(crate) trait Unset {
    /// True when there is nothing to write.
    fn is_unset(&self) -> bool;
}

impl<T> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T> Unset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<T> Unset for BTreeSet<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Unset for BTreeMap<K, V> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

/// Declares a block of the spec: a struct whose fields may all be left out. The doc comments become the help text.
macro_rules! block {
    ($(#[$outer:meta])* pub struct $name:ident { $($(#[$inner:meta])* pub $field:ident: $type:ty,)* }) => {
        $(#[$outer])*
        #[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
        #[serde(rename_all = "camelCase", deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$inner])* #[serde(skip_serializing_if = "crate::spec::block::Unset::is_unset")] pub $field: $type,)*
        }
    };
}

pub(crate) use block;
