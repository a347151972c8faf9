//! `kspot node controller`, the whole process, asked by workers over TLS. Tier: corrected moto for EC2, IAM and STS; the
//! state store is a directory. moto checks no signature: `signatures` has an STS that does.

mod bootstrap;
mod cluster;
mod requests;
mod signatures;
mod stage;
