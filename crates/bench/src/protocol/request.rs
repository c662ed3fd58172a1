//! Request heads, made once, and filled in for each request.

use super::Action;
use super::signer::{Signed, Signer};
use crate::http::Endpoint;
use crate::options::Credentials;
use std::io::Write;
use std::sync::Arc;

/// What every request to one endpoint has in common.
#[derive(Debug, Clone)]
pub(crate) struct Head {
    common: Vec<u8>,
    signer: Option<Arc<Signer>>,
}

/// A request whose body is being appended.
#[must_use]
pub(super) struct Begun<'a> {
    body_at: usize,
    signed: Option<Signed<'a>>,
}

/// Digits left free for the body's length; blanks in front of a header's value
/// carry no meaning.
const LENGTH_DIGITS: usize = 9;

impl Head {
    /// This function prepares the headers for `endpoint`; `extra` are the
    /// user's own, checked already.
    pub(crate) fn new(endpoint: &Endpoint, extra: &[String], credentials: Option<&Credentials>) -> Self {
        let mut common = format!("host: {}\r\n", endpoint.authority());
        for header in extra {
            common.push_str(header);
            common.push_str("\r\n");
        }
        let signer = credentials.map(|credentials| Arc::new(Signer::new(credentials, endpoint.authority())));
        Self { common: common.into_bytes(), signer }
    }

    /// This function replaces the content of `buffer` by a request head with
    /// its length and signature left open.
    pub(super) fn begin<'a>(
        &self,
        buffer: &mut Vec<u8>,
        path: &'a str,
        content_type: &'a str,
        target: Option<Action>,
    ) -> Begun<'a> {
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
        let signed = self.signer.as_ref().map(|signer| signer.begin(buffer, path, content_type, target));
        buffer.extend_from_slice(b"\r\ncontent-length: ");
        buffer.extend_from_slice(&[b' '; LENGTH_DIGITS]);
        buffer.extend_from_slice(b"\r\n\r\n");
        Begun { body_at: buffer.len(), signed }
    }

    /// This function fills in what depends on the body that was appended since
    /// [`Head::begin`].
    pub(super) fn finish(&self, buffer: &mut [u8], begun: Begun<'_>) {
        let length = buffer.len() - begun.body_at;
        let digits_end = begun.body_at - 4;
        write!(&mut buffer[digits_end - LENGTH_DIGITS..digits_end], "{length:>LENGTH_DIGITS$}")
            .expect("a request stays below a gigabyte");
        if let Some((signer, signed)) = self.signer.as_ref().zip(begun.signed) {
            signer.finish(buffer, begun.body_at, &signed);
        }
    }
}
