//! What can be asked for on the command line.

pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod inspect;
pub(crate) mod serve;
