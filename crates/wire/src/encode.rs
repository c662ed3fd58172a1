//! From answers and refusals to bytes.

use std::fmt::Write as _;

use stanchion_types::request::Action;
use stanchion_types::response::{ReceivedMessage, Response};
use stanchion_types::{Error, QueueArn, RequestId};

use crate::choices::VERSION;
use crate::detect::Protocol;
use crate::fields::Name;
use crate::writer::Writer;
use crate::writer::json::JsonWriter;
use crate::writer::xml::XmlWriter;
use crate::{errors, op};

/// Content type of the JSON protocol.
pub(crate) const JSON: &str = "application/x-amz-json-1.0";
/// Content type of the Query protocol's answers.
pub(crate) const XML: &str = "text/xml";

/// An HTTP answer, but for the headers that every answer has (`x-amzn-RequestId`, `Content-Length`, `Date`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Header `Content-Type`.
    pub content_type: &'static str,
    /// Header `x-amzn-query-error`, on every error of the JSON protocol.
    pub query_error: Option<String>,
    /// Body; empty for an action without output in JSON.
    pub body: Vec<u8>,
}

/// The public base of queue URLs, such as `http://localhost:9324`, without a slash at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(String);

impl Origin {
    /// Makes an origin from scheme, host and port; slashes at the end do not count.
    pub fn new(base: &str) -> Self {
        Origin(base.trim_end_matches('/').to_owned())
    }

    /// Returns the base without a slash at the end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the URL of a queue: the base, its account and its name.
    pub fn queue_url(&self, queue: &QueueArn) -> String {
        format!("{}/{}/{}", self.0, queue.account, queue.name)
    }
}

/// Writes the answer to a request that was granted. The origin is asked for only if there are queue URLs in it.
///
/// # Panics
/// If the answer is one that the action cannot have: a mistake of the caller, not of a client.
pub fn encode(
    protocol: Protocol,
    action: Action,
    response: &Response,
    origin: impl Fn() -> Origin,
    request_id: &RequestId,
) -> Reply {
    let origin: &dyn Fn() -> Origin = &origin;
    let body = match protocol {
        Protocol::Json => encode_json(action, response, origin),
        Protocol::Query => encode_xml(action, response, origin, request_id),
    };
    Reply { status: 200, content_type: content_type(protocol), query_error: None, body }
}

/// Writes a refusal; one whose protocol could not be told is answered as in the Query protocol.
pub fn encode_error(protocol: Option<Protocol>, error: &Error, request_id: &RequestId) -> Reply {
    let protocol = protocol.unwrap_or(Protocol::Query);
    let entry = errors::entry(error.code);
    let (query_error, body) = match protocol {
        Protocol::Json => {
            let header = format!("{};{}", entry.query, entry.fault().name());
            (Some(header), encode_json_error(&entry, error))
        }
        Protocol::Query => (None, encode_xml_error(&entry, error, request_id)),
    };
    Reply { status: entry.status, content_type: content_type(protocol), query_error, body }
}

const fn content_type(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Json => JSON,
        Protocol::Query => XML,
    }
}

/// Returns about how many bytes an answer takes, so that its buffer need not grow.
fn bytes_of(response: &Response) -> usize {
    /// Root, request id and the like.
    const AROUND: usize = 256;
    /// An entry of a batch, or a message without its texts.
    const ENTRY: usize = 384;
    match response {
        Response::Messages(messages) => {
            let texts = |message: &ReceivedMessage| message.body.len() + message.receipt_handle.len() + ENTRY;
            AROUND + messages.iter().map(texts).sum::<usize>()
        }
        Response::SentBatch(results) => AROUND + results.len() * ENTRY,
        _ => AROUND,
    }
}

fn encode_json(action: Action, response: &Response, origin: &dyn Fn() -> Origin) -> Vec<u8> {
    if op::is_void(action) {
        return Vec::new();
    }
    let mut writer = JsonWriter::new(bytes_of(response));
    op::encode(action, response, origin, &mut writer);
    writer.finish()
}

fn encode_xml(action: Action, response: &Response, origin: &dyn Fn() -> Origin, request_id: &RequestId) -> Vec<u8> {
    let mut writer = XmlWriter::new(bytes_of(response));
    let root = format!("{}Response", action.name());
    writer.open(&format!("{root} xmlns=\"http://queue.amazonaws.com/doc/{VERSION}/\""));
    if op::is_void(action) {
        op::encode(action, response, origin, &mut writer);
    } else {
        let result = format!("{}Result", action.name());
        let opened_at = writer.len();
        writer.open(&result);
        let content_at = writer.len();
        op::encode(action, response, origin, &mut writer);
        writer.close_or_empty(&result, opened_at, content_at);
    }
    writer.open("ResponseMetadata");
    writer.element("RequestId", &request_id.to_string());
    writer.close("ResponseMetadata");
    writer.close(&root);
    writer.finish()
}

fn encode_json_error(entry: &errors::Entry, error: &Error) -> Vec<u8> {
    let mut shape = String::with_capacity(64);
    write!(shape, "{}#{}", entry.namespace(), entry.shape).expect("writing to a string succeeds");
    let mut writer = JsonWriter::new(128);
    writer.text(Name::same("__type"), &shape);
    writer.text(Name::same("message"), &error.message);
    writer.finish()
}

fn encode_xml_error(entry: &errors::Entry, error: &Error, request_id: &RequestId) -> Vec<u8> {
    let mut writer = XmlWriter::new(512);
    writer.open(&format!("ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/{VERSION}/\""));
    writer.open("Error");
    writer.element("Type", entry.fault().name());
    writer.element("Code", entry.query);
    writer.element("Message", query_message(error));
    writer.empty("Detail");
    writer.close("Error");
    writer.element("RequestId", &request_id.to_string());
    writer.close("ErrorResponse");
    writer.finish()
}

/// Returns the text of an error in the Query protocol, which words one of them differently.
fn query_message(error: &Error) -> &str {
    if *error == Error::no_such_queue() {
        return "The specified queue does not exist for this wsdl version.";
    }
    &error.message
}

#[cfg(test)]
mod tests;
