//! Who is calling.

use std::sync::Arc;

use stanchion_policy::{Circumstances, Principal};
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
    /// What decides what the caller may do.
    pub authority: Authority,
}

/// What decides what a caller may do.
#[derive(Clone, Debug)]
pub enum Authority {
    /// Nothing: whoever started the server, or anybody where no credentials are asked for.
    Owner,
    /// Policies.
    Policies(Arc<Principal>, Box<Circumstances>),
}

impl Caller {
    /// Returns the caller that an unsigned request stands for where no credentials are asked for: the owner of the
    /// server's account.
    pub fn anonymous(account: AccountId, region: Region) -> Self {
        Caller { account, region, sender_id: account.as_str().into(), authority: Authority::Owner }
    }

    /// Returns the caller that a signature belongs to, or nobody's where it is missing.
    pub fn identified(principal: Arc<Principal>, region: Region, circumstances: Circumstances) -> Self {
        let (account, sender_id) = (principal.account, principal.id.clone());
        Caller { account, region, sender_id, authority: Authority::Policies(principal, Box::new(circumstances)) }
    }
}
