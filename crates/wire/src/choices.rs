//! What the documentation of the service leaves open, decided here, in one place and easy to change: each with the
//! reason. What needs the state of a queue is decided by the engine and the broker.

use stanchion_types::request::Action;
use stanchion_types::{Code, Error};

/// The version of the Query API. A missing or empty version counts as this one; SDKs of today all send it.
pub const VERSION: &str = "2012-11-05";

/// Returns the error for a version that is not [`VERSION`]: the service's old documentation names `NoSuchVersion`.
pub fn unknown_version(version: &str) -> Error {
    Error::new(Code::NoSuchVersion, format!("The version {version} is not valid for this endpoint."))
}

/// Tells whether a form for this action is refused at the path of a queue, as was seen for these two.
pub const fn refuses_queue_path(action: Action) -> bool {
    matches!(action, Action::CreateQueue | Action::ListQueues)
}

/// Reads an integer that JSON wrote with a fraction or exponent: whole numbers in range count, as some languages
/// write `20.0`; anything else is refused as of the wrong type.
pub fn integer_from_decimal(decimal: f64) -> Option<i32> {
    let whole = decimal.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&decimal);
    whole.then_some(decimal as i32)
}

/// Returns the error for a form parameter that should be a 32-bit integer and is not.
pub fn not_an_integer(text: &str, name: &str) -> Error {
    Error::invalid_value(text, name, "Must be an integer.")
}

/// Returns the error for a number out of range where the service's own words are not known.
pub fn out_of_range(value: i32, name: &str, low: u32, high: u32) -> Error {
    Error::invalid_value(value, name, &format!("Must be between {low} and {high}, if provided."))
}

/// Tells how a receive takes a name in `MessageSystemAttributeNames` that does not exist: it refuses it. In the older
/// `AttributeNames`, which SDKs type with the names of queue attributes, such names are ignored.
pub const REFUSES_UNKNOWN_SYSTEM_ATTRIBUTES: bool = true;

/// Returns the `Code` of a failed batch entry: the one of the Query protocol, in both. A breakage is `InternalError`
/// there, the word that marks entries worth sending again.
pub fn batch_code(code: Code) -> &'static str {
    match code {
        Code::InternalFailure => "InternalError",
        code => crate::errors::entry(code).query,
    }
}

/// Returns the error for a message system attribute other than the trace header, which is the only one to send.
pub fn unknown_system_attribute(name: &str) -> Error {
    Error::invalid_parameter(format!(
        "Message system attribute name '{name}' is not supported. The only one that can be sent is 'AWSTraceHeader'."
    ))
}

/// Returns the error for an attribute that holds a list: the service reserves the members and never took one.
pub fn list_value(name: &str) -> Error {
    Error::invalid_parameter(format!("Message (user) attribute '{name}' must not contain list values."))
}

/// Returns the error for a tag's key in the reserved name space.
pub fn reserved_tag_key() -> Error {
    Error::invalid_parameter("Tag keys must not start with 'aws:'.")
}

/// Returns the error for characters that tags must not have.
pub fn tag_characters(what: &str) -> Error {
    Error::invalid_parameter(format!(
        "Tag {what} can only include letters, digits, whitespace and the characters _ . : / = + - @."
    ))
}

/// Returns the error for a tag's value that is too long.
pub fn tag_value_length() -> Error {
    Error::invalid_parameter("Tag values must be between 0 and 256 characters in length.")
}

/// Returns the error for a label that has illegal characters or a wrong length.
pub fn label(label: &str) -> Error {
    let reason = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.";
    Error::invalid_value(label, "Label", reason)
}

/// Returns the error for an entry of a batch without the new timeout that the single form requires.
pub fn missing_timeout() -> Error {
    Error::invalid_parameter("The request must contain the parameter VisibilityTimeout.")
}

/// Returns the error for a message attribute whose name comes twice, which only a form can express.
pub fn repeated_attribute(name: &str) -> Error {
    Error::invalid_parameter(format!("Message (user) attribute '{name}' is given more than once."))
}

/// Returns the error for a trace header that is not of the type `String`.
pub fn trace_header_type(data_type: &str) -> Error {
    Error::invalid_parameter(format!("The type of the system attribute 'AWSTraceHeader' is not String: {data_type}."))
}
