//! What permissions are made of: labels, and the actions that a queue's owner can grant.

use stanchion_types::Error;
use stanchion_types::request::Action;

use crate::choices;
use crate::fields::Name;
use crate::text::is_plain_id;

pub(super) const LABEL: Name = Name::same("Label");

/// Checks a label.
pub(super) fn check_label(label: &str) -> Result<String, Error> {
    if is_plain_id(label) { Ok(label.to_owned()) } else { Err(choices::label(label)) }
}

/// Checks that an action can be granted. A batch action cannot: its single form covers it.
pub(super) fn check_action(name: &str) -> Result<(), Error> {
    let refuse = |reason| Err(Error::invalid_value(format_args!("SQS:{name}"), "ActionName", reason));
    if name == "*" {
        return Ok(());
    }
    match Action::from_name(name) {
        Some(
            Action::ChangeMessageVisibility
            | Action::DeleteMessage
            | Action::GetQueueAttributes
            | Action::GetQueueUrl
            | Action::ListDeadLetterSourceQueues
            | Action::PurgeQueue
            | Action::ReceiveMessage
            | Action::SendMessage,
        ) => Ok(()),
        None | Some(Action::ChangeMessageVisibilityBatch | Action::DeleteMessageBatch | Action::SendMessageBatch) => {
            refuse("Please refer to the appropriate WSDL for a list of valid actions. ")
        }
        Some(_) => refuse("Only the queue owner is allowed to invoke this action."),
    }
}
