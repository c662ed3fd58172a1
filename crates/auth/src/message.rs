//! A request as its signature sees it.

use http::HeaderMap;

/// The parts of a request that a signature can cover, as they were received.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, encoded as it came.
    pub path: &'a str,
    /// What follows the question mark.
    pub query: Option<&'a str>,
    /// The host that the request line names: HTTP/2 has it there and not in a header, or it stands before the header.
    pub authority: Option<&'a str>,
    /// The headers.
    pub headers: &'a HeaderMap,
    /// The whole body.
    pub body: &'a [u8],
}
