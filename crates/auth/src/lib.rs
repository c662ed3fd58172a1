//! Who is calling: AWS Signature Version 4 in a header or in a URL, checked against the access keys of a
//! file or against a session token, and how such tokens are made.
//!
//! The crate is pure: requests, the text of the file and the time are arguments, and whoever calls reads what the file
//! refers to. It deliberately does not know what a caller may do (that is `stanchion-policy`'s), nor what the request asks
//! for: a signature covers bytes.
//!
//! Where to begin: [`Authenticator::identify`] for a request, [`Directory::read`] for the file, [`Terms`] for a session.

mod authenticator;
mod canonical;
mod claim;
mod date;
mod directory;
mod generate;
mod key;
mod message;
mod refusal;
mod role;
mod secret;
mod service;
mod session;

pub use authenticator::{Authenticator, Identified};
pub use claim::named_key;
pub use directory::{Directory, FileError, Reference};
pub use generate::{NewKey, RANDOM_BYTES};
pub use message::Message;
pub use refusal::Refusal;
pub use role::Role;
pub use secret::Secret;
pub use service::Service;
pub use session::{Bearer, Issued, SESSION_RANDOM_BYTES, SessionKey, Terms};
