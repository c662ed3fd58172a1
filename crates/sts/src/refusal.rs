//! What is refused, in the service's codes.

use std::borrow::Cow;
use std::fmt;

use stanchion_types::{Code, Error, RequestId};
use stanchion_wire::{Reply, XmlWriter, errors};

use crate::VERSION;
use crate::reply::{CONTENT_TYPE, open};

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code, as of the service.
    pub code: Cow<'static, str>,
    pub(crate) status: u16,
    pub(crate) message: Cow<'static, str>,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl Refusal {
    fn new(code: &'static str, status: u16, message: impl Into<Cow<'static, str>>) -> Self {
        Refusal { code: code.into(), status, message: message.into() }
    }

    pub(crate) fn access_denied(message: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new("AccessDenied", 403, message)
    }

    pub(crate) fn validation(message: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new("ValidationError", 400, message)
    }

    /// A value that the model allows and the service does not.
    pub(crate) fn invalid_value(message: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new("InvalidParameterValue", 400, message)
    }

    pub(crate) fn malformed_policy(message: impl Into<Cow<'static, str>>) -> Self {
        Refusal::new("MalformedPolicyDocument", 400, message)
    }

    pub(crate) fn packed_too_large(percent: usize) -> Self {
        let message = format!("Packed policy consumes {percent}% of allotted space, please use smaller policy.");
        Refusal::new("PackedPolicyTooLarge", 400, message)
    }

    pub(crate) fn malformed_input() -> Self {
        Refusal::new("MalformedInput", 400, "")
    }

    pub(crate) fn missing_action() -> Self {
        Refusal::new("MissingAction", 400, "The request must contain the parameter Action.")
    }

    pub(crate) fn unknown_action(name: &str) -> Self {
        let name: String = name.chars().take(128).collect();
        Refusal::new("InvalidAction", 400, format!("Could not find operation {name} for version {VERSION}"))
    }

    pub(crate) fn missing_token() -> Self {
        Refusal::new("MissingAuthenticationToken", 403, "Request is missing Authentication Token")
    }

    pub(crate) fn encode(&self, id: &RequestId) -> Reply {
        let mut writer = XmlWriter::new(512);
        open(&mut writer, "ErrorResponse");
        writer.open("Error");
        writer.element("Type", if self.status < 500 { "Sender" } else { "Receiver" });
        writer.element("Code", &self.code);
        writer.element("Message", &self.message);
        writer.close("Error");
        writer.element("RequestId", &id.to_string());
        writer.close("ErrorResponse");
        Reply { status: self.status, content_type: CONTENT_TYPE, query_error: None, body: writer.finish() }
    }
}

/// Writes the refusal of a caller who could not be told.
pub fn encode_error(error: &Error, id: &RequestId) -> Reply {
    let entry = errors::entry(error.code);
    let (code, status) = match error.code {
        Code::RequestThrottled => ("Throttling", 400),
        _ => (entry.query, entry.status),
    };
    Refusal { code: code.into(), status, message: error.message.clone() }.encode(id)
}
