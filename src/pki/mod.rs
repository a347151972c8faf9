//! The cluster's keys: its authorities, the key that signs service accounts, what they issue, and kubeconfigs.
//!
//! * [`keyset`]: the keys that stand for one authority over time, and their rotation in two phases. Pure.
//! * [`issue`]: new authorities and the certificates that they sign.
//! * [`certificate`]: what a certificate says.
//! * [`kubelet`]: the certificates of a node.
//! * [`seal`]: private halves under a key of KMS.
//! * [`keep`]: where all of it lies in the state store.
//! * [`jwks`]: the public keys of service accounts, as AWS reads them. Pure.
//! * [`kubeconfig`]: files that `kubectl` reads, merged without losing anything.

pub mod certificate;
pub mod issue;
pub mod jwks;
pub mod keep;
pub mod keyset;
pub mod kubeconfig;
pub mod kubelet;
pub mod seal;

pub use keyset::{Keyset, Keysets, Name};
