//! Request heads, made once, and filled in for each request.

use super::Action;
use crate::http::Endpoint;
use std::io::Write;

/// What every request to one endpoint has in common.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    common: Vec<u8>,
}

/// Digits left free for the body's length; blanks in front of a header's value
/// carry no meaning.
const LENGTH_DIGITS: usize = 9;

impl Head {
    /// This function prepares the headers for `endpoint`; `extra` are the
    /// user's own, checked already.
    pub(crate) fn new(endpoint: &Endpoint, extra: &[String]) -> Self {
        let mut common = format!("host: {}\r\n", endpoint.authority());
        for header in extra {
            common.push_str(header);
            common.push_str("\r\n");
        }
        Self { common: common.into_bytes() }
    }

    /// This function replaces the content of `buffer` by a request head with
    /// its length left open, and returns where the body begins.
    pub(super) fn begin(&self, buffer: &mut Vec<u8>, path: &str, content_type: &str, target: Option<Action>) -> usize {
        buffer.clear();
        buffer.extend_from_slice(b"POST ");
        buffer.extend_from_slice(path.as_bytes());
        buffer.extend_from_slice(b" HTTP/1.1\r\n");
        buffer.extend_from_slice(&self.common);
        buffer.extend_from_slice(b"content-type: ");
        buffer.extend_from_slice(content_type.as_bytes());
        if let Some(action) = target {
            buffer.extend_from_slice(b"\r\nx-amz-target: AmazonSQS.");
            buffer.extend_from_slice(action.name().as_bytes());
        }
        buffer.extend_from_slice(b"\r\ncontent-length: ");
        buffer.extend_from_slice(&[b' '; LENGTH_DIGITS]);
        buffer.extend_from_slice(b"\r\n\r\n");
        buffer.len()
    }

    /// This function fills in the length of the body that was appended since
    /// [`Head::begin`]. Headers that depend on the whole request, such as a
    /// signature, would be put in here.
    pub(super) fn finish(&self, buffer: &mut [u8], body_at: usize) {
        let length = buffer.len() - body_at;
        let digits_end = body_at - 4;
        write!(&mut buffer[digits_end - LENGTH_DIGITS..digits_end], "{length:>LENGTH_DIGITS$}")
            .expect("a request stays below a gigabyte");
    }
}
