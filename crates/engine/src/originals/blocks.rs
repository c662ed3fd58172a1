//! Blocks of chunks that were read for one decision.

use bytes::Bytes;

use crate::ids::ContentAddress;

/// The blocks that a command has asked for so far; they go with the command.
///
/// What is at an address never changes, so a block needs no check against the state of the moment.
#[derive(Clone, Debug, Default)]
pub struct Blocks(Vec<(ContentAddress, Bytes)>);

impl Blocks {
    /// Adds what is at an address.
    pub fn add(&mut self, at: ContentAddress, bytes: Bytes) {
        self.0.push((at, bytes));
    }

    /// Returns what is at an address, if it was read.
    pub(crate) fn get(&self, at: ContentAddress) -> Option<&Bytes> {
        self.0.iter().find(|(address, _)| *address == at).map(|(_, bytes)| bytes)
    }
}
