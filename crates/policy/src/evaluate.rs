//! The decision: IAM's logic over identity policies and the policy of a queue.

use std::fmt;

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
    /// No identity policy allows it.
    NoIdentityAllow,
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
            Reason::NoIdentityAllow => "no identity policy allows it",
            Reason::NoResourceAllow => "the queue's policy does not allow it, and the caller is of another account",
        })
    }
}

/// Where a statement stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cited {
    /// Name of an identity policy; `None` for the queue's.
    pub policy: Option<String>,
    /// Label of the statement.
    pub statement: String,
}

impl fmt::Display for Cited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.policy {
            Some(policy) => write!(f, "{} of policy {policy}", self.statement),
            None => write!(f, "{} of the queue's policy", self.statement),
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
            Reason::NoResourceAllow => format!("because no resource-based policy allows the {action} action"),
            _ => format!("because no identity-based policy allows the {action} action"),
        };
        let (who, what) = (&question.principal.arn, question.resource);
        format!("User: {who} is not authorized to perform: {action} on resource: {what} {why}")
    }
}

/// Decides. `queue` is the policy of the queue that is asked about.
pub fn decide(question: &Question<'_>, queue: Option<&Policy>) -> Decision {
    let principal = question.principal;
    let identity = || {
        let policies = principal.policies.iter();
        policies.flat_map(|(name, policy)| policy.matching(question).map(move |(statement, _)| (name, statement)))
    };
    let cite_identity =
        |(name, label): (&str, &str)| Cited { policy: Some(name.to_owned()), statement: label.to_owned() };
    let cite_queue = |label: &str| Cited { policy: None, statement: label.to_owned() };

    if let Some((name, statement)) = identity().find(|(_, statement)| !statement.allows) {
        return Decision::because(Reason::IdentityDenies, Some(cite_identity((name, &statement.label))));
    }
    let mut granted: Option<(&str, Named)> = None;
    if let Some(queue) = queue {
        for (statement, named) in queue.matching(question) {
            if !statement.allows {
                return Decision::because(Reason::ResourceDenies, Some(cite_queue(&statement.label)));
            }
            if granted.is_none_or(|(_, best)| best < named) {
                granted = Some((&statement.label, named));
            }
        }
    }
    let is_root = principal.kind == Kind::Root;
    let own = principal.kind != Kind::Anonymous && principal.account == question.owner;
    if own && is_root {
        return Decision::because(Reason::Owner, None);
    }
    let allowed = identity().find(|(_, statement)| statement.allows);
    let allowed = allowed.map(|(name, statement)| (&**name, statement.label.as_str()));
    if own {
        return match (granted, allowed) {
            (Some((label, Named::Directly)), _) => Decision::because(Reason::ResourceAllows, Some(cite_queue(label))),
            (_, Some(statement)) => Decision::because(Reason::IdentityAllows, Some(cite_identity(statement))),
            _ => Decision::because(Reason::NoIdentityAllow, None),
        };
    }
    // A stranger: what is the owner's alone is out of reach, whatever a policy says.
    let Some((label, _)) = granted.filter(|_| question.permission.shared) else {
        return Decision::because(Reason::NoResourceAllow, None);
    };
    match principal.kind {
        Kind::Anonymous => Decision::because(Reason::ResourceAllows, Some(cite_queue(label))),
        Kind::Root => Decision::because(Reason::BothAllow, Some(cite_queue(label))),
        Kind::User(_) if allowed.is_some() => Decision::because(Reason::BothAllow, Some(cite_queue(label))),
        Kind::User(_) => Decision::because(Reason::NoIdentityAllow, None),
    }
}

#[cfg(test)]
mod tests;
