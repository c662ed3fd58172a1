//! A policy document, ready to be asked.

use serde_json::Value;

use crate::condition::{self, Condition};
use crate::fault::Fault;
use crate::json;
use crate::pattern::{Pattern, Syntax};
use crate::principals::{Named, Principals};
use crate::request::Question;

/// A policy that was read and checked once, so that asking it costs little.
#[derive(Clone, Debug)]
pub struct Policy {
    statements: Vec<Statement>,
}

/// One statement.
#[derive(Clone, Debug)]
pub(crate) struct Statement {
    /// Its `Sid`, or which one it is.
    pub(crate) label: String,
    pub(crate) allows: bool,
    /// Whom it is about; in an identity policy, whose policy it is.
    principals: Option<Principals>,
    actions: Listed,
    /// Which resources; without, the one that the policy belongs to.
    resources: Option<Listed>,
    conditions: Vec<Condition>,
}

/// Patterns, or everything but these.
#[derive(Clone, Debug)]
struct Listed {
    negated: bool,
    patterns: Vec<Pattern>,
}

/// Whose policy a document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    /// A queue's: it says who may.
    Resource,
    /// A user's: it says what.
    Identity,
    /// A role's: it says who may assume it.
    Role,
}

impl Policy {
    /// Reads the policy of a queue.
    ///
    /// # Errors
    /// What is wrong with the document. Quotas are not looked at here: [`parse`](crate::parse) does that.
    pub fn of_queue(text: &str) -> Result<Self, Fault> {
        let document = json::read(text)?;
        Policy::compile(&document, Owner::Resource)
    }

    /// Reads an identity policy.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn of_identity(text: &str) -> Result<Self, Fault> {
        let document = json::read(text)?;
        Policy::compile(&document, Owner::Identity)
    }

    /// Reads the trust policy of a role, which says who may assume it.
    ///
    /// # Errors
    /// What is wrong with the document.
    pub fn of_trust(text: &str) -> Result<Self, Fault> {
        let document = json::read(text)?;
        Policy::compile(&document, Owner::Role)
    }

    /// Reads a document of a queue that is JSON already.
    pub(crate) fn of_queue_document(document: &Value) -> Result<Self, Fault> {
        Policy::compile(document, Owner::Resource)
    }

    fn compile(document: &Value, owner: Owner) -> Result<Self, Fault> {
        let members = document.as_object().ok_or_else(|| Fault::new("a policy is a JSON object"))?;
        if let Some(stray) = members.keys().find(|key| !matches!(key.as_str(), "Version" | "Id" | "Statement")) {
            return Err(Fault::new(format!("a policy has no member {stray}")));
        }
        let variables = match members.get("Version").map(|version| version.as_str().unwrap_or_default()) {
            None | Some("2008-10-17") => false,
            Some("2012-10-17") => true,
            Some(_) => return Err(Fault::new("Version must be 2012-10-17 or 2008-10-17")),
        };
        let statements = match members.get("Statement") {
            Some(Value::Array(statements)) if !statements.is_empty() => statements.as_slice(),
            Some(statement @ Value::Object(_)) => std::slice::from_ref(statement),
            _ => return Err(Fault::new("Statement must be an object or a list of objects")),
        };
        let statements = statements.iter().zip(1..);
        let compiled = statements.map(|(statement, number)| Statement::compile(statement, number, owner, variables));
        Ok(Policy { statements: compiled.collect::<Result<_, _>>()? })
    }

    /// Returns the statements that speak about a question, with how they name the caller.
    pub(crate) fn matching<'s>(&'s self, question: &'s Question<'_>) -> impl Iterator<Item = (&'s Statement, Named)> {
        self.statements.iter().filter_map(|statement| match statement.applies(question) {
            Named::No => None,
            named => Some((statement, named)),
        })
    }
}

impl Statement {
    fn compile(value: &Value, number: usize, owner: Owner, variables: bool) -> Result<Self, Fault> {
        let label = match value.get("Sid") {
            None => format!("statement {number}"),
            Some(Value::String(sid)) if sid.is_empty() => format!("statement {number}"),
            Some(Value::String(sid)) => format!("statement {sid:?}"),
            Some(_) => return Err(Fault::new("Sid must be a text").within(&format!("statement {number}"))),
        };
        Statement::read(value, &label, owner, variables).map_err(|fault| fault.within(&label))
    }

    fn read(value: &Value, label: &str, owner: Owner, variables: bool) -> Result<Self, Fault> {
        let members = value.as_object().ok_or_else(|| Fault::new("a statement is a JSON object"))?;
        let known = [
            "Sid",
            "Effect",
            "Principal",
            "NotPrincipal",
            "Action",
            "NotAction",
            "Resource",
            "NotResource",
            "Condition",
        ];
        if let Some(stray) = members.keys().find(|key| !known.contains(&key.as_str())) {
            return Err(Fault::new(format!("a statement has no member {stray}")));
        }
        let allows = match value.get("Effect").and_then(Value::as_str) {
            Some("Allow") => true,
            Some("Deny") => false,
            _ => return Err(Fault::new("Effect must be Allow or Deny")),
        };
        let principals = match (one_of(value, "Principal", "NotPrincipal")?, owner) {
            (Some((principals, negated)), Owner::Resource | Owner::Role) => {
                Some(Principals::parse(principals, negated)?)
            }
            (None, Owner::Resource | Owner::Role) => return Err(Fault::new("Principal is missing")),
            (Some(_), Owner::Identity) => return Err(Fault::new("an identity policy has no Principal")),
            (None, Owner::Identity) => None,
        };
        let (actions, negated) =
            one_of(value, "Action", "NotAction")?.ok_or_else(|| Fault::new("Action is missing"))?;
        // Actions are the same in upper and lower case. No variable stands in them.
        let lower = |text: &str| text.to_ascii_lowercase();
        let actions = Listed::read(actions, negated, Syntax { wildcards: true, variables: false }, lower)?;
        let resources = match one_of(value, "Resource", "NotResource")? {
            Some(_) if owner == Owner::Role => return Err(Fault::new("a trust policy has no Resource")),
            Some((resources, negated)) => {
                Some(Listed::read(resources, negated, Syntax { wildcards: true, variables }, str::to_owned)?)
            }
            None if owner != Owner::Identity => None,
            None => return Err(Fault::new("Resource is missing")),
        };
        let conditions = match value.get("Condition") {
            Some(conditions) => condition::parse(conditions, variables)?,
            None => Vec::new(),
        };
        Ok(Statement { label: label.to_owned(), allows, principals, actions, resources, conditions })
    }

    fn applies(&self, question: &Question<'_>) -> Named {
        if !self.actions.covers(question.permission.name, question) {
            return Named::No;
        }
        let named = match &self.principals {
            Some(principals) => principals.name(question.principal, self.allows),
            None => Named::Directly,
        };
        let applies = named != Named::No
            && self.resources.as_ref().is_none_or(|resources| resources.covers(question.resource, question))
            && self.conditions.iter().all(|condition| condition.holds(question));
        if applies { named } else { Named::No }
    }
}

impl Listed {
    fn read(value: &Value, negated: bool, syntax: Syntax, change: fn(&str) -> String) -> Result<Self, Fault> {
        let values = match value {
            Value::Array(values) if !values.is_empty() => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        let read = |value: &Value| {
            let text = value.as_str().ok_or_else(|| Fault::new("actions and resources must be texts"))?;
            Pattern::parse(&change(text), syntax).ok_or_else(|| Fault::new(format!("{text:?} has a broken variable")))
        };
        Ok(Listed { negated, patterns: values.iter().map(read).collect::<Result<_, _>>()? })
    }

    /// A pattern with a variable that has no value makes the whole list match nothing, also when it is negated.
    fn covers(&self, text: &str, question: &Question<'_>) -> bool {
        let lookup = |key: &_| question.value(key);
        let listed = self.patterns.iter().any(|pattern| pattern.matches(text, &lookup));
        if !self.negated {
            return listed;
        }
        !listed && self.patterns.iter().all(|pattern| pattern.can_be_resolved(&lookup))
    }
}

/// Returns the one of two members that a statement has, and whether it is the second.
fn one_of<'v>(statement: &'v Value, plain: &str, negated: &str) -> Result<Option<(&'v Value, bool)>, Fault> {
    match (statement.get(plain), statement.get(negated)) {
        (Some(_), Some(_)) => Err(Fault::new(format!("{plain} and {negated} exclude each other"))),
        (Some(value), None) => Ok(Some((value, false))),
        (None, Some(value)) => Ok(Some((value, true))),
        (None, None) => Ok(None),
    }
}
