//! Keys that encrypt what is at rest. A [`DataKey`] encrypts content. It is stored only [wrapped](Wrapped), encrypted
//! itself under a key of the [`Keyring`], so that changing that key means wrapping a few data keys anew and not touching
//! the content. A [`Source`] says where the keyring comes from. A [`KeyService`](service::KeyService) keeps keys that queues
//! name; the keyring can be one. A [`private_file`] holds a keyring, or another secret, for nobody but its owner.
//!
//! The crate does not know what is encrypted, in which files it is, or which nonces are used up: whoever has a data key
//! sees to it that no nonce is used twice. No key shows in `Debug`, and the memory of each is wiped when it goes.
//!
//! Where to begin: [`DataKey::seal`], then [`Keyring::wrap`].

mod data_key;
mod keyring;
pub mod private_file;
pub mod service;
pub mod source;
mod wrapped;

pub use data_key::{DataKey, NONCE_BYTES, TAG_BYTES};
pub use keyring::{Keyring, KeyringError, UnwrapError};
pub use source::{Source, SourceError};
pub use wrapped::Wrapped;

/// Bytes of a key of AES-256.
pub const KEY_BYTES: usize = 32;
