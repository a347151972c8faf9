//! What commands do, without their command lines and without printing: each file is one operation over the pure middle
//! and its edges.

pub mod access;
pub mod addons;
pub mod agent;
pub mod assets;
pub mod create;
pub mod delete;
pub mod drift;
pub mod etcd;
pub mod facts;
pub mod health;
pub mod instance;
pub mod keys;
pub mod logs;
pub mod machines;
pub mod manifests;
pub mod new_cluster;
pub mod permissions;
pub mod pools;
pub mod preflight;
pub mod prepare;
pub mod specs;
pub mod spot;
pub mod update;
