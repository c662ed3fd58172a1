//! The policy documents of queues: what is one, in which quotas it has to keep, when two say the same, and how
//! `AddPermission` and `RemovePermission` change one.
//!
//! The crate does not know what a policy permits, and evaluates none. Nor does it know how a document reaches it, or
//! where it is kept.
//!
//! Where to begin: [`parse`] for the shape and the quotas, [`grant`] for an edit.

mod document;
mod permission;

pub use document::parse;
pub use permission::{grant, revoke};
