//! Keys of queues that are kept elsewhere: a client of servers that speak the API of AWS KMS, JSON 1.1 with signatures of
//! version 4. It is a [`KeyService`](stanchion_keyring::service::KeyService), as the keyring is one; [`Services`] puts both
//! behind one.
//!
//! The crate does not know what a data key encrypts, how long it is used, or what a queue answers when there is none.
//!
//! Where to begin: [`Services`], then [`Endpoint`].

mod credentials;
mod endpoint;
mod services;
mod sign;
mod transport;

pub use credentials::{Credentials, CredentialsError, CredentialsSource};
pub use endpoint::{Endpoint, EndpointError, EndpointOptions, check_url};
pub use services::Services;
