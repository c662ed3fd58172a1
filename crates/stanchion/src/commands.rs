//! What can be asked for on the command line.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod export;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod keyring;
pub(crate) mod keys;
pub(crate) mod policy;
pub(crate) mod restore;
pub(crate) mod serve;
