//! The decision: IAM's logic over identity policies, session policies, and the policy of a queue or role.

use std::fmt;
use std::sync::Arc;

use crate::policy::Policy;
use crate::principals::Named;
use crate::request::{Kind, Question};

/// What policies say to a question, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the caller may.
    pub allowed: bool,
    /// The rule that decided.
    pub reason: Reason,
    /// The statement that decided, if one did.
    pub statement: Option<Cited>,
}

/// The rule that decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The caller is the account that owns the queue.
    Owner,
    /// An identity policy of the caller allows it.
    IdentityAllows,
    /// The queue's policy allows it.
    ResourceAllows,
    /// Both allow it, as a caller of another account needs.
    BothAllow,
    /// An identity policy denies it.
    IdentityDenies,
    /// The queue's policy denies it.
    ResourceDenies,
    /// A session policy denies it.
    SessionDenies,
    /// No identity policy allows it.
    NoIdentityAllow,
    /// The policies of the session do not allow it.
    NoSessionAllow,
    /// The trust policy of the role does not allow it.
    NoTrust,
    /// The queue's policy does not allow it, and the caller is a stranger.
    NoResourceAllow,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Owner => "the caller owns the queue",
            Reason::IdentityAllows => "an identity policy allows it",
            Reason::ResourceAllows => "the queue's policy allows it",
            Reason::BothAllow => "the queue's policy and the caller's account allow it",
            Reason::IdentityDenies => "an identity policy denies it",
            Reason::ResourceDenies => "the queue's policy denies it",
            Reason::SessionDenies => "a session policy denies it",
            Reason::NoIdentityAllow => "no identity policy allows it",
            Reason::NoSessionAllow => "no session policy allows it",
            Reason::NoTrust => "the role's trust policy does not allow it",
            Reason::NoResourceAllow => "the queue's policy does not allow it, and the caller is of another account",
        })
    }
}

/// Where a statement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited {
    /// Whose policy it stands in.
    pub place: Place,
    /// Label of the statement.
    pub statement: String,
}

/// Whose policy a statement stands in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An identity policy, by name.
    Identity(String),
    /// A session policy, by name.
    Session(String),
    /// The policy of the queue or role that was asked about.
    Resource,
}

impl fmt::Display for Cited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let statement = &self.statement;
        match &self.place {
            Place::Identity(policy) => write!(f, "{statement} of policy {policy}"),
            Place::Session(policy) => write!(f, "{statement} of session policy {policy}"),
            Place::Resource => write!(f, "{statement} of the queue's policy"),
        }
    }
}

impl Decision {
    fn because(reason: Reason, statement: Option<Cited>) -> Self {
        use Reason::{BothAllow, IdentityAllows, Owner, ResourceAllows};
        Decision { allowed: matches!(reason, Owner | IdentityAllows | ResourceAllows | BothAllow), reason, statement }
    }

    /// Returns the denial by a policy of a queue that cannot be read.
    pub fn unreadable() -> Self {
        Decision::because(Reason::ResourceDenies, None)
    }

    /// Says no to a question in the service's words.
    pub fn denial(&self, question: &Question<'_>) -> String {
        let action = question.permission.name;
        let why = match self.reason {
            Reason::IdentityDenies => "with an explicit deny in an identity-based policy".to_owned(),
            Reason::ResourceDenies => "with an explicit deny in a resource-based policy".to_owned(),
            Reason::SessionDenies => "with an explicit deny in a session policy".to_owned(),
            Reason::NoResourceAllow => format!("because no resource-based policy allows the {action} action"),
            Reason::NoSessionAllow => format!("because no session policy allows the {action} action"),
            _ => format!("because no identity-based policy allows the {action} action"),
        };
        let (who, what) = (&question.principal.arn, question.resource);
        format!("User: {who} is not authorized to perform: {action} on resource: {what} {why}")
    }
}

/// Decides. `queue` is the policy of the queue that is asked about.
pub fn decide(question: &Question<'_>, queue: Option<&Policy>) -> Decision {
    judge(question, queue).unwrap_or_else(|denied| denied)
}

fn judge(question: &Question<'_>, queue: Option<&Policy>) -> Result<Decision, Decision> {
    check_callers_denials(question)?;
    let granted = queue.map_or(Ok(None), |queue| grant(question, queue))?;
    let principal = question.principal;
    if !is_own(question) {
        // A stranger: what is the owner's alone is out of reach, whatever a policy says.
        let granted = granted.filter(|_| question.permission.shared);
        let granted = granted.ok_or_else(|| Decision::because(Reason::NoResourceAllow, None))?;
        return match principal.kind {
            Kind::Anonymous => Ok(Decision::because(Reason::ResourceAllows, Some(granted.cited))),
            Kind::Root => Ok(Decision::because(Reason::BothAllow, Some(granted.cited))),
            Kind::User(_) | Kind::AssumedRole(_) => {
                callers_allowance(question).map(|_| Decision::because(Reason::BothAllow, Some(granted.cited)))
            }
        };
    }
    if principal.kind == Kind::Root {
        return Ok(Decision::because(Reason::Owner, None));
    }
    within_account(question, granted)
}

/// Decides whether a caller may have a session of a role, whose trust policy is `trust`. The role must name the caller or
/// its account also within one account; then the caller's own policies are asked unless it is named itself.
pub fn decide_trust(question: &Question<'_>, trust: &Policy) -> Decision {
    let judge = || {
        check_callers_denials(question)?;
        let granted = grant(question, trust)?.ok_or_else(|| Decision::because(Reason::NoTrust, None))?;
        if is_own(question) {
            return within_account(question, Some(granted));
        }
        callers_allowance(question).map(|_| Decision::because(Reason::BothAllow, Some(granted.cited)))
    };
    judge().unwrap_or_else(|denied| denied)
}

/// What the policy of a resource gives a caller.
struct Granted {
    named: Named,
    cited: Cited,
}

fn is_own(question: &Question<'_>) -> bool {
    question.principal.kind != Kind::Anonymous && question.principal.account == question.owner
}

/// Decides for a caller of the owning account: what a policy gives to the session itself stands, what it gives to its
/// user or role is limited by the session's policies, and what it gives to the account is for the account to give on.
fn within_account(question: &Question<'_>, granted: Option<Granted>) -> Result<Decision, Decision> {
    match granted {
        Some(Granted { named: Named::BySession, cited }) => Ok(Decision::because(Reason::ResourceAllows, Some(cited))),
        Some(Granted { named: Named::Directly, cited }) => {
            check_session(question)?;
            Ok(Decision::because(Reason::ResourceAllows, Some(cited)))
        }
        _ => callers_allowance(question).map(|cited| Decision::because(Reason::IdentityAllows, Some(cited))),
    }
}

/// Looks for a denial in the policies that the caller brings along.
fn check_callers_denials(question: &Question<'_>) -> Result<(), Decision> {
    if let Some((name, label)) = find(&question.principal.policies, question, false) {
        let cited = Cited { place: Place::Identity(name), statement: label };
        return Err(Decision::because(Reason::IdentityDenies, Some(cited)));
    }
    let session = question.principal.session.as_ref().map_or(&[][..], |session| &session.policies);
    match find(session, question, false) {
        Some((name, label)) => {
            let cited = Cited { place: Place::Session(name), statement: label };
            Err(Decision::because(Reason::SessionDenies, Some(cited)))
        }
        None => Ok(()),
    }
}

/// Returns what the policy of a queue or role gives the caller, or its denial.
fn grant(question: &Question<'_>, policy: &Policy) -> Result<Option<Granted>, Decision> {
    let mut granted: Option<(&str, Named)> = None;
    for (statement, named) in policy.matching(question) {
        if !statement.allows {
            let cited = Cited { place: Place::Resource, statement: statement.label.clone() };
            return Err(Decision::because(Reason::ResourceDenies, Some(cited)));
        }
        if granted.is_none_or(|(_, best)| best < named) {
            granted = Some((&statement.label, named));
        }
    }
    Ok(granted
        .map(|(label, named)| Granted { named, cited: Cited { place: Place::Resource, statement: label.to_owned() } }))
}

/// Returns the identity policy that allows it, if the session's policies do as well.
fn callers_allowance(question: &Question<'_>) -> Result<Cited, Decision> {
    let found = find(&question.principal.policies, question, true);
    let (name, label) = found.ok_or_else(|| Decision::because(Reason::NoIdentityAllow, None))?;
    check_session(question)?;
    Ok(Cited { place: Place::Identity(name), statement: label })
}

/// Refuses what the policies of a session do not allow.
fn check_session(question: &Question<'_>) -> Result<(), Decision> {
    match &question.principal.session {
        Some(session) if !session.policies.is_empty() && find(&session.policies, question, true).is_none() => {
            Err(Decision::because(Reason::NoSessionAllow, None))
        }
        _ => Ok(()),
    }
}

/// Finds a statement that allows, or one that denies: name of the policy and label of the statement.
fn find(policies: &[(Arc<str>, Arc<Policy>)], question: &Question<'_>, allows: bool) -> Option<(String, String)> {
    policies.iter().find_map(|(name, policy)| {
        let (statement, _) = policy.matching(question).find(|(statement, _)| statement.allows == allows)?;
        Some((name.to_string(), statement.label.clone()))
    })
}

#[cfg(test)]
mod tests;
