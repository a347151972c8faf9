//! How a worker proves who it is, without a secret that somebody would have to bring to it.
//!
//! Its machine has credentials of its instance profile from AWS. With them it signs a request for STS,
//! `GetCallerIdentity`, and sends that request, not the credentials, to the control plane. The signature covers the hash of
//! what the worker asks for, so that it counts for nothing else. The control plane sends the request on; what STS answers is
//! the role and, as the session's name, the instance. EC2 says the rest: that the machine runs, is the cluster's, in which
//! group, at which addresses.
//!
//! * [`token`]: the signed request, as it travels. Signing is in [`crate::cloud::aws::identity`].
//! * [`check`]: what can be told of it without asking anybody. Pure.
//! * [`caller`]: what STS answers. Pure.
//! * [`machine`]: what EC2 says. Pure.
//! * [`replay`]: that nobody uses what somebody else has used.
//! * [`denied`]: every reason to refuse.

pub mod caller;
pub mod check;
pub mod denied;
pub mod machine;
pub mod replay;
pub mod token;

pub use denied::Denied;
pub use machine::Machine;
pub use token::Token;
