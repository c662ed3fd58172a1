//! Policy documents of queues, users, roles and sessions: what is one, in which quotas it has to keep, when two say the same, how
//! `AddPermission` and `RemovePermission` change one, and what it permits.
//!
//! The crate does not know how a document reaches it, where it is kept, or who callers are: whoever asks brings the caller
//! and the circumstances along.
//!
//! Where to begin: [`parse`] for the shape and the quotas, [`grant`] for an edit, [`decide`] for a decision, and
//! [`decide_trust`] for one about a role.

mod condition;
mod document;
mod evaluate;
mod fault;
mod json;
mod key;
mod network;
mod pattern;
mod permission;
mod permission_name;
mod policy;
mod principals;
mod request;
mod time;

pub use document::parse;
pub use evaluate::{Cited, Decision, Place, Reason, decide, decide_trust};
pub use fault::Fault;
pub use network::Network;
pub use permission::{grant, revoke};
pub use permission_name::{Permission, permission};
pub use policy::Policy;
pub use request::{Assuming, Circumstances, Kind, Principal, Question, Session};
