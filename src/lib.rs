//! kspot creates, changes, checks and deletes self-managed Kubernetes clusters on AWS, spot first.
//!
//! The program is read along the way of one command, `kspot update cluster`:
//!
//! 1. [`cli`] reads the command line and calls one operation of [`ops`]; what is said to people goes through [`ui`], the
//!    only place that prints. Time, ids, user and environment come from [`context`], so that tests can fix them.
//! 2. [`state`] reads the specs out of the store, and [`spec`] turns their text into types: strictly, with every problem
//!    at once and its place in the text; then it fills in what they leave open.
//! 3. [`catalogue`] knows instance types, images and prices. ([`select`] picks spot pools from it, when a group is made.)
//! 4. [`model`] makes specs and facts into the desired state: a map from address to resource. [`addons`] renders what
//!    runs in the cluster, [`pki`] holds the keys that nodes and administrators are known by.
//! 5. [`cloud`] looks at AWS in a few paged sweeps. Each kind of [`resource`] normalises what it finds into the very type
//!    that the model builds.
//! 6. [`plan`] is the difference of the two, [`graph`] its order, [`apply`] the walk that makes it true.
//! 7. [`kube`] speaks to the cluster that came of it: it applies the addons and watches nodes and pods; [`validate`] judges
//!    from all that whether the cluster is well.
//! 8. [`node`] is what runs on the machines that came of it: workers prove to the control plane who they are, and it lets
//!    them in, labels them and applies the addons.
//!
//! Steps 2 to 4 and the plan are pure: same input, same output. What is read and written on the way:
//!
//! | what | where | by |
//! | --- | --- | --- |
//! | specs, revisions, lock, keys, addons, node configurations | the state store, below the cluster's name; every key is in [`state::Keys`] | [`state`], and the resource kinds `node-config` and `addon` |
//! | the cluster's resources, marked by the tag `kspot.io/cluster` | AWS | [`resource`], [`cloud::aws`] |
//! | the documents of the service accounts' issuer, marked by metadata | a bucket that the spec names | the resource kind `discovery-document` |
//! | types, prices, offerings | `$XDG_CACHE_HOME/kspot`, dated | [`catalogue::cache`] |
//! | the cluster's entry in the kubeconfig | `--kubeconfig`, the first of `KUBECONFIG`'s, `~/.kube/config` | [`pki::kubeconfig`] |
//! | boot statuses, `status/<instance>.json` in the store | the state store | [`node`], for [`validate`] |
//! | that etcd was seeded, its snapshots, orders to it and what came of them | the state store | [`node`], and `kspot etcd` |
//! | `/etc/kspot/boot.yaml`, the authority in `/etc/kubernetes/pki`, binaries in `/var/lib/kspot/bin` | the cluster's machines | the user data, [`node`] |
//! | saved plans, drafts of a failed edit | where the command line says; the temporary directory | [`cli`] |
//!
//! [`error`] is the one error type, with the table of exit codes.

pub mod addons;
pub mod apply;
pub mod catalogue;
pub mod cli;
pub mod cloud;
pub mod context;
pub mod digest;
pub mod download;
pub mod error;
pub mod graph;
pub mod kube;
pub mod model;
pub mod node;
pub mod ops;
pub mod pki;
pub mod plan;
pub mod resource;
pub mod select;
pub mod spec;
pub mod state;
pub mod ui;
pub mod validate;

pub use error::{Error, Result};
