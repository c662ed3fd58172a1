//! What of a request leaves a line in the audit trail, and what is counted.
//!
//! Every call does but those that clients repeat all the time: sends, receives, deletes, changes of visibility, and the
//! two questions that go before them, for the URL and for the attributes of a queue. Calls for temporary credentials do.
//! And every call does, whichever it is, that is refused for who sent it.

use std::time::Instant;

use hyper::http::request::Parts;
use serde_json::{Map, Value, json};
use stanchion_audit::{Moment, Record};
use stanchion_auth::named_key;
use stanchion_broker::{Authority, Caller};
use stanchion_policy::Decision;
use stanchion_types::attributes::AttributeChange;
use stanchion_types::request::{Action, Envelope, Request};
use stanchion_types::{Error, QueueArn, RequestId};
use stanchion_wire::Protocol;

use crate::access::message;
use crate::api::{Edge, Scheme, Way};
use crate::refused::Refused;

/// A request that may leave a line.
pub(crate) struct Entry<'a> {
    pub(crate) id: &'a RequestId,
    pub(crate) way: Way,
    pub(crate) protocol: Protocol,
    pub(crate) parts: &'a Parts,
}

/// What was asked for.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Name of the action.
    pub(crate) action: &'static str,
    /// Whether it leaves a line when it is allowed.
    pub(crate) is_kept: bool,
    /// ARN of the queue.
    pub(crate) queue: Option<QueueArn>,
    /// What else was said.
    pub(crate) parameters: Option<Value>,
}

/// What became of it.
#[derive(Default)]
pub(crate) struct Outcome<'a> {
    /// Who asked, once that is known.
    pub(crate) caller: Option<&'a Caller>,
    /// What policies said.
    pub(crate) decision: Option<Decision>,
    /// The refusal.
    pub(crate) error: Option<&'a Error>,
    /// The code of a refusal in the words of another service than the queues'.
    pub(crate) code: Option<&'a str>,
    /// Why it was refused, if that has to do with who asked.
    pub(crate) refused: Option<Refused>,
}

impl Edge {
    /// Counts what was refused for who sent it, and leaves a line of what has to leave one: the only place that does.
    /// Without a trail nobody need know what was asked.
    pub(crate) fn conclude(&self, entry: &Entry<'_>, asked: Option<Asked>, outcome: Outcome<'_>) {
        let of_code = || outcome.error.and_then(|error| Refused::of_code(error.code));
        let refused = outcome.refused.or_else(of_code).or_else(|| Refused::of_name(outcome.code?));
        if let Some(kind) = refused {
            self.refusals.count(kind);
        }
        let Some(audit) = &self.audit else { return };
        if refused.is_none() && !asked.as_ref().is_some_and(|asked| asked.is_kept) {
            return;
        }
        let proven = outcome.caller.map(|caller| &caller.authority);
        let is_stranger = match proven {
            Some(Authority::Policies(principal, _)) => principal.kind == stanchion_policy::Kind::Anonymous,
            Some(Authority::Owner) => false,
            None => true,
        };
        // Whoever nobody knows cannot push what he did before out of the files with more of the same.
        if is_stranger {
            let now = Instant::now();
            if !self.strangers.may_try(entry.way.source, now) {
                return audit.skip();
            }
            self.strangers.failed(entry.way.source, now);
        }
        let asked = asked.unwrap_or_default();
        let decision = outcome.decision.as_ref();
        audit.note(&Record {
            time: Moment::now(),
            request: Some(entry.id.to_string()),
            source: Some(entry.way.source.to_canonical()),
            caller: proven.map(|authority| match authority {
                Authority::Policies(principal, _) => principal.arn.to_string(),
                Authority::Owner => "anonymous".to_owned(),
            }),
            key: named_key(&message(entry.parts, &[])),
            action: Some(asked.action.to_owned()).filter(|action| !action.is_empty()),
            queue: asked.queue.map(|queue| queue.to_string()),
            outcome: match (outcome.error, outcome.code) {
                (Some(error), _) => format!("{:?}", error.code),
                (None, Some(code)) => code.to_owned(),
                (None, None) => "Success".to_owned(),
            },
            reason: match (decision, refused) {
                (Some(decision), _) => Some(decision.reason.to_string()),
                (None, Some(kind)) => Some(kind.name().to_owned()),
                (None, None) => None,
            },
            statement: decision.and_then(|decision| decision.statement.as_ref()).map(ToString::to_string),
            parameters: asked.parameters,
            protocol: match entry.protocol {
                Protocol::Json => "json",
                Protocol::Query => "query",
            },
            tls: entry.way.scheme == Scheme::Https,
        });
    }
}

impl Asked {
    /// Reads what a request asks for.
    pub(crate) fn of(caller: &Caller, envelope: &Envelope) -> Self {
        let here = |name: &stanchion_types::QueueName, account| QueueArn {
            region: caller.region.clone(),
            account,
            name: name.clone(),
        };
        let queue = match (&envelope.queue, &envelope.request) {
            (Some(locator), _) => Some(here(&locator.name, locator.account.unwrap_or(caller.account))),
            (None, Ok(Request::CreateQueue(create))) => Some(here(&create.name, caller.account)),
            (None, Ok(Request::StartMessageMoveTask(start))) => Some(start.source.clone()),
            (None, Ok(Request::ListMessageMoveTasks(list))) => Some(list.source.clone()),
            (None, _) => None,
        };
        let is_kept = leaves_a_line(envelope.action);
        let parameters = envelope.request.as_ref().ok().filter(|_| is_kept).and_then(parameters);
        Asked { action: envelope.action.name(), is_kept, queue, parameters }
    }
}

/// Tells whether an action leaves a line when it is allowed.
fn leaves_a_line(action: Action) -> bool {
    !matches!(
        action,
        Action::SendMessage
            | Action::SendMessageBatch
            | Action::ReceiveMessage
            | Action::DeleteMessage
            | Action::DeleteMessageBatch
            | Action::ChangeMessageVisibility
            | Action::ChangeMessageVisibilityBatch
            | Action::GetQueueUrl
            | Action::GetQueueAttributes
    )
}

/// Writes what a request says beside its queue, in the words of the service.
fn parameters(request: &Request) -> Option<Value> {
    Some(match request {
        Request::AddPermission(add) => {
            let accounts: Vec<_> = add.accounts.iter().map(ToString::to_string).collect();
            json!({ "Label": add.label, "AWSAccountIds": accounts, "Actions": add.actions })
        }
        Request::CancelMessageMoveTask(cancel) => json!({ "TaskHandle": cancel.task_handle }),
        Request::CreateQueue(create) => {
            json!({ "Attributes": attributes(&create.attributes), "tags": pairs(&create.tags) })
        }
        Request::ListQueues(list) => json!({ "QueueNamePrefix": list.prefix }),
        Request::RemovePermission(remove) => json!({ "Label": remove.label }),
        Request::SetQueueAttributes(set) => json!({ "Attributes": attributes(&set.attributes) }),
        Request::StartMessageMoveTask(start) => {
            let destination = start.destination.as_ref().map(ToString::to_string);
            json!({ "DestinationArn": destination, "MaxNumberOfMessagesPerSecond": start.rate })
        }
        Request::TagQueue(tag) => json!({ "Tags": pairs(&tag.tags) }),
        Request::UntagQueue(untag) => json!({ "TagKeys": untag.keys }),
        _ => return None,
    })
}

fn attributes(changes: &[AttributeChange]) -> Map<String, Value> {
    let pair = |change: &AttributeChange| {
        (change.name().name().to_owned(), stanchion_wire::attributes::render_change(change).into())
    };
    changes.iter().map(pair).collect()
}

fn pairs(tags: &[(String, String)]) -> Map<String, Value> {
    tags.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_moves_messages_leaves_no_line_and_what_changes_queues_does() {
        let silent: Vec<_> = Action::ALL.iter().filter(|action| !leaves_a_line(**action)).map(|a| a.name()).collect();
        assert_eq!(
            silent,
            [
                "ChangeMessageVisibility",
                "ChangeMessageVisibilityBatch",
                "DeleteMessage",
                "DeleteMessageBatch",
                "GetQueueAttributes",
                "GetQueueUrl",
                "ReceiveMessage",
                "SendMessage",
                "SendMessageBatch",
            ]
        );
    }
}
