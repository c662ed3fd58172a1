//! Telling the two protocols apart.

use stanchion_types::RequestId;

use crate::encode::{Reply, XML};

/// A wire protocol of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// AWS JSON 1.0.
    Json,
    /// Query: form parameters in, XML out.
    Query,
}

/// What an HTTP request says before its body.
#[derive(Clone, Copy, Debug, Default)]
pub struct Head<'a> {
    /// Method, such as `POST`.
    pub method: &'a str,
    /// Path of the request target, still percent-encoded, without the query string.
    pub path: &'a str,
    /// Query string of the request target without its `?`.
    pub query: Option<&'a str>,
    /// Header `Content-Type`.
    pub content_type: Option<&'a str>,
    /// Header `X-Amz-Target`.
    pub target: Option<&'a str>,
    /// Header `X-Amzn-Trace-Id`.
    pub trace_header: Option<&'a str>,
}

/// Why a request belongs to neither protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Neither a `POST` nor a `GET` that names an action: the service knows no such operation.
    UnknownOperation,
}

impl Refusal {
    /// Builds the service's answer to such a request. It is the same for every request, so the id goes unused in the
    /// body; the caller still sends it as a header.
    pub fn reply(self, _: &RequestId) -> Reply {
        let Refusal::UnknownOperation = self;
        let body = b"<UnknownOperationException/>\n".to_vec();
        Reply { status: 404, content_type: XML, query_error: None, body }
    }
}

/// Tells which protocol a request speaks, by its method and headers.
///
/// A `POST` with a target or a JSON media type is JSON whatever its path is, since some clients post JSON to the
/// queue's own URL; any other `POST` is Query, and so is a `GET` with an `Action`.
///
/// # Errors
/// [`Refusal::UnknownOperation`] for anything else.
pub fn detect(head: &Head) -> Result<Protocol, Refusal> {
    match head.method {
        "POST" if head.target.is_some() || is_json(head.content_type) => Ok(Protocol::Json),
        "POST" => Ok(Protocol::Query),
        "GET" if names_action(head.query) => Ok(Protocol::Query),
        _ => Err(Refusal::UnknownOperation),
    }
}

/// Returns the media type without parameters, for comparison without regard to case.
fn media_type(content_type: Option<&str>) -> &str {
    content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim()
}

fn is_json(content_type: Option<&str>) -> bool {
    let media_type = media_type(content_type);
    ["application/x-amz-json-1.0", "application/x-amz-json-1.1"]
        .iter()
        .any(|json| media_type.eq_ignore_ascii_case(json))
}

fn names_action(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|parameter| parameter.split('=').next() == Some("Action")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_follows_from_method_target_and_media_type() {
        let form = Some("application/x-www-form-urlencoded; charset=utf-8");
        let json = Some("Application/X-Amz-JSON-1.0");
        let target = Some("AmazonSQS.ListQueues");
        let cases = [
            ("POST", "/", None, json, None, Ok(Protocol::Json)),
            ("POST", "/000000000000/q", None, json, target, Ok(Protocol::Json)),
            ("POST", "/", None, None, target, Ok(Protocol::Json)),
            ("POST", "/", None, Some("application/json; charset=utf-8"), target, Ok(Protocol::Json)),
            ("POST", "/", None, form, None, Ok(Protocol::Query)),
            ("POST", "/000000000000/q", None, None, None, Ok(Protocol::Query)),
            ("GET", "/", Some("Version=2012-11-05&Action=ListQueues"), None, None, Ok(Protocol::Query)),
            ("GET", "/", Some("Actions=ListQueues"), None, None, Err(Refusal::UnknownOperation)),
            ("GET", "/", None, None, None, Err(Refusal::UnknownOperation)),
            ("PUT", "/", None, json, target, Err(Refusal::UnknownOperation)),
        ];
        for (method, path, query, content_type, target, expected) in cases {
            let head = Head { method, path, query, content_type, target, trace_header: None };
            assert_eq!(detect(&head), expected, "{head:?}");
        }
    }

    #[test]
    fn a_bare_get_is_answered_with_404_and_an_unknown_operation() {
        let reply = Refusal::UnknownOperation.reply(&RequestId([0; 16]));
        assert_eq!((reply.status, reply.body.as_slice()), (404, b"<UnknownOperationException/>\n".as_slice()));
    }
}
