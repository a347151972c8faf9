//! `kspot node controller`, the whole process, asked by workers over TLS. Tier: corrected moto for EC2, IAM and STS; the
//! state store is a directory. moto checks no signature: that is a test of its own (`signatures`).

mod bootstrap;
mod stage;
