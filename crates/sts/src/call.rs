//! Who calls, and what there is to answer with.

use stanchion_auth::{Authenticator, Issued, SESSION_RANDOM_BYTES, Terms};
use stanchion_policy::{Circumstances, Kind, Principal};
use stanchion_types::Region;

use crate::refusal::Refusal;

/// A call.
pub struct Call<'a> {
    /// Who calls.
    pub principal: &'a Principal,
    /// The region that the request means.
    pub region: &'a Region,
    /// What else is known of the request.
    pub circumstances: &'a Circumstances,
    /// Who knows the roles and makes credentials; `None` where nobody is asked who he is.
    pub authenticator: Option<&'a Authenticator>,
    /// What new credentials are made of.
    pub random: &'a [u8; SESSION_RANDOM_BYTES],
}

impl Call<'_> {
    pub(crate) fn is_anonymous(&self) -> bool {
        self.principal.kind == Kind::Anonymous
    }

    /// Makes credentials.
    pub(crate) fn issue(&self, terms: Terms) -> Result<Issued, Refusal> {
        let issued = self.authenticator.and_then(|authenticator| authenticator.issue(terms, self.random));
        issued.ok_or_else(|| Refusal::access_denied("This server asks nobody who he is, so it has no sessions."))
    }
}
