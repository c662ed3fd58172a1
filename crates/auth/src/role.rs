//! Roles.

use std::sync::Arc;

use stanchion_policy::{Kind, Policy, Principal, Session};
use stanchion_types::AccountId;

/// Somebody whom others can be for a while.
#[derive(Debug)]
pub struct Role {
    /// Account that it belongs to.
    pub account: AccountId,
    /// Its name.
    pub name: Arc<str>,
    /// `arn:aws:iam::<account>:role/<name>`.
    pub arn: Arc<str>,
    /// Its unique id, which starts with `AROA`.
    pub id: Arc<str>,
    /// Who may assume it.
    pub trust: Policy,
    /// Identity policies, each with its name.
    pub policies: Vec<(Arc<str>, Arc<Policy>)>,
    /// Its tags.
    pub tags: Vec<(String, String)>,
    /// How long a session may last, in seconds.
    pub session_seconds_max: u64,
}

impl Role {
    /// Returns the caller that a session of the role is. Of a tag that the session has as well, the session's counts.
    pub fn session(&self, name: &str, tags: &[(String, String)], session: Session) -> Principal {
        let given = |key: &str| tags.iter().any(|(own, _)| own.eq_ignore_ascii_case(key));
        let inherited = self.tags.iter().filter(|(key, _)| !given(key));
        Principal {
            account: self.account,
            kind: Kind::AssumedRole(self.arn.clone()),
            arn: format!("arn:aws:sts::{}:assumed-role/{}/{name}", self.account, self.name).into(),
            id: format!("{}:{name}", self.id).into(),
            tags: inherited.chain(tags).cloned().collect(),
            policies: self.policies.clone(),
            session: Some(session),
        }
    }
}
