//! Who is calling.

use std::sync::Arc;

use stanchion_types::{AccountId, Region};

/// A caller, as the edge has established it.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The account whose queues a bare name means.
    pub account: AccountId,
    /// The region of the endpoint that was called.
    pub region: Region,
    /// What receivers see as `SenderId` of this caller's messages.
    pub sender_id: Arc<str>,
}

impl Caller {
    /// Returns the caller that an unsigned request stands for: the owner of the server's account.
    pub fn anonymous(account: AccountId, region: Region) -> Self {
        Caller { account, region, sender_id: account.as_str().into() }
    }
}
