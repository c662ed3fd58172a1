//! Whom a statement of a queue's policy is about.

use serde_json::Value;
use stanchion_types::AccountId;

use crate::fault::Fault;
use crate::request::{Kind, Principal};

/// The principals that a statement names, or those that it does not mean.
#[derive(Clone, Debug)]
pub(crate) struct Principals {
    /// Whether it is `NotPrincipal`.
    negated: bool,
    anyone: bool,
    accounts: Vec<AccountId>,
    /// Users, roles and sessions, by ARN.
    arns: Vec<String>,
}

/// How a caller is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    /// Not at all.
    No,
    /// By its account, which leaves the rest to the account's own policies.
    ByAccount,
    /// By itself, or as one of everybody; a session of a role by the role.
    Directly,
    /// A session of a role by its own ARN: what that gives, no session policy limits.
    BySession,
}

impl Principals {
    /// Reads `Principal` or `NotPrincipal`. Services and federations are understood; no caller of this server is one.
    pub(crate) fn parse(value: &Value, negated: bool) -> Result<Self, Fault> {
        let mut principals = Principals { negated, anyone: false, accounts: Vec::new(), arns: Vec::new() };
        let wrong = || Fault::new("a principal must be \"*\" or map a kind, such as AWS, to texts");
        match value {
            Value::String(text) if text == "*" => principals.anyone = true,
            Value::Object(kinds) if !kinds.is_empty() => {
                for (kind, values) in kinds {
                    // Misspelled it would be about nobody, and what it denies would be allowed.
                    if !matches!(kind.as_str(), "AWS" | "Service" | "Federated" | "CanonicalUser") {
                        return Err(Fault::new(format!("there is no kind of principal {kind}")));
                    }
                    let values = match values {
                        Value::Array(values) if !values.is_empty() => values.as_slice(),
                        value => std::slice::from_ref(value),
                    };
                    for value in values {
                        let text = value.as_str().ok_or_else(wrong)?;
                        if kind == "AWS" {
                            principals.add(text);
                        }
                    }
                }
            }
            _ => return Err(wrong()),
        }
        Ok(principals)
    }

    fn add(&mut self, text: &str) {
        if text == "*" {
            self.anyone = true;
            return;
        }
        let mut parts = text.splitn(6, ':');
        let is_arn = parts.next() == Some("arn") && parts.next().is_some() && parts.next() == Some("iam");
        let root = is_arn && parts.nth(2) == Some("root");
        let account = if root { text.split(':').nth(4).and_then(AccountId::new) } else { AccountId::new(text) };
        match account {
            Some(account) => self.accounts.push(account),
            None => self.arns.push(text.to_owned()),
        }
    }

    /// Tells whether a statement is about a caller, and how it names it.
    ///
    /// `NotPrincipal` is read so that a mistake shuts somebody out: what allows is about nobody who is named in any way,
    /// what denies is about everybody who is not named himself, and a session of a role by its own ARN.
    pub(crate) fn name(&self, principal: &Principal, allows: bool) -> Named {
        let named = self.names(principal);
        let himself = match principal.kind {
            Kind::AssumedRole(_) if !self.anyone => Named::BySession,
            _ => Named::Directly,
        };
        match (self.negated, allows) {
            (false, _) => named,
            (true, true) if named == Named::No => Named::Directly,
            (true, false) if named < himself => Named::Directly,
            (true, _) => Named::No,
        }
    }

    fn names(&self, principal: &Principal) -> Named {
        let of_account = self.accounts.contains(&principal.account);
        let listed = |wanted: &str| self.arns.iter().any(|arn| arn == wanted);
        match &principal.kind {
            Kind::AssumedRole(_) if listed(&principal.arn) => Named::BySession,
            _ if self.anyone => Named::Directly,
            Kind::Anonymous => Named::No,
            Kind::Root if of_account => Named::Directly,
            Kind::User(_) if listed(&principal.arn) => Named::Directly,
            Kind::AssumedRole(role) if listed(role) => Named::Directly,
            Kind::User(_) | Kind::AssumedRole(_) if of_account => Named::ByAccount,
            Kind::Root | Kind::User(_) | Kind::AssumedRole(_) => Named::No,
        }
    }
}
