//! From bytes to requests.

use stanchion_types::request::{Action, Envelope};
use stanchion_types::{Code, Error, QueueLocator};

use crate::choices;
use crate::detect::{Head, Protocol, detect};
use crate::fields::json::Document;
use crate::fields::query::Form;
use crate::fields::{Fields, Name, json};
use crate::locator;
use crate::op::{self, Address};

/// What an `X-Amz-Target` starts with.
const TARGET_PREFIX: &str = "AmazonSQS.";

const ACTION: Name = Name::same("Action");
const VERSION: Name = Name::same("Version");

/// Decodes a request.
///
/// Faults in the shape of a batch and in values are told only once the queue was found and the caller may use it, so
/// they travel in the envelope.
///
/// # Errors
/// For what cannot wait: a body that does not parse, an action that is missing or unknown, a required member that is
/// missing, a queue that cannot exist.
pub fn decode(head: &Head, body: &[u8]) -> Result<Envelope, Error> {
    match detect(head) {
        Ok(Protocol::Json) => decode_json(head, body),
        Ok(Protocol::Query) => decode_query(head, body),
        Err(_) => Err(Error::new(Code::UnknownOperation, "The requested operation is not recognized by the service.")),
    }
}

fn decode_json(head: &Head, body: &[u8]) -> Result<Envelope, Error> {
    let target = head.target.ok_or_else(|| missing_action("X-Amz-Target"))?;
    let name = target.strip_prefix(TARGET_PREFIX).unwrap_or(target);
    let known = target.strip_prefix(TARGET_PREFIX).and_then(Action::from_name);
    let action = known.ok_or_else(|| not_valid(Code::UnknownOperation, name))?;
    let repaired;
    let document = match Document::parse(body) {
        Ok(document) => document,
        Err(error) => {
            repaired = json::without_unpaired_surrogates(body).ok_or(error)?;
            Document::parse(&repaired)?
        }
    };
    let fields = document.members();
    // The path says nothing: some clients post to the URL of the queue, others to the endpoint.
    let queue = match op::address(action) {
        Address::Url => {
            let url = op::queue_url(fields)?.ok_or_else(|| Error::missing_parameter("QueueUrl"))?;
            Some(locator::from_url(url))
        }
        Address::Name => Some(op::queue_by_name(fields)?),
        Address::None => None,
    };
    finish(action, fields, queue, head)
}

fn decode_query(head: &Head, body: &[u8]) -> Result<Envelope, Error> {
    let url_parameters = head.query.unwrap_or_default().as_bytes();
    let form = Form::parse([url_parameters, if head.method == "GET" { &[] } else { body }])?;
    let fields = form.members();
    let name = fields.text(ACTION)?.filter(|name| !name.is_empty());
    let name = name.ok_or_else(|| missing_action("Action"))?;
    if let Some(version) = fields.text(VERSION)?.filter(|version| ![choices::VERSION, ""].contains(version)) {
        return Err(choices::unknown_version(version));
    }
    let action = Action::from_name(name).ok_or_else(|| not_valid(Code::InvalidAction, name))?;
    let path = locator::from_path(head.path);
    let queue = match op::address(action) {
        Address::Url => {
            let url = op::queue_url(fields)?.map(locator::from_url);
            Some(url.or(path).ok_or_else(|| not_valid(Code::InvalidAction, name))?)
        }
        Address::Name => Some(op::queue_by_name(fields)?),
        Address::None if path.is_some() && choices::refuses_queue_path(action) => {
            return Err(not_valid(Code::InvalidAction, name));
        }
        Address::None => None,
    };
    finish(action, fields, queue, head)
}

/// Reads the rest of the request. A missing member is told before a queue that cannot exist.
fn finish<'t>(
    action: Action,
    fields: impl Fields<'t>,
    queue: Option<Result<QueueLocator, Error>>,
    head: &Head,
) -> Result<Envelope, Error> {
    let request = op::decode(action, fields, head.trace_header)?;
    Ok(Envelope { action, queue: queue.transpose()?, request })
}

fn missing_action(parameter: &str) -> Error {
    Error::new(Code::MissingAction, format!("The request must contain the parameter {parameter}."))
}

fn not_valid(code: Code, action: &str) -> Error {
    Error::new(code, format!("The action {action} is not valid for this endpoint."))
}

#[cfg(test)]
mod tests;
