//! The HTTP edge: one listener that speaks the SQS API to clients, by HTTP or HTTPS, and answers health probes.
//!
//! It deliberately knows no queue: a request is bytes that the wire crate decodes, the broker answers, and the wire
//! crate encodes. What it does know is how long it lets a client take, how much it lets a client send, and how to
//! stop without cutting anybody off.
//!
//! Start with [`Server::serve`], then `connection`, and `api`, which handles one request.

mod access;
mod api;
mod attempts;
mod audit;
mod body;
mod connection;
mod door;
mod inbound;
mod options;
mod patient;
mod per_source;
mod proxies;
mod refused;
mod request_id;
mod server;
mod sessions;
mod tls;

use hyper::header::HOST;
use hyper::{HeaderMap, Uri};

pub use access::{Access, Gatekeeper};
pub use api::Edge;
pub use door::PlainHttp;
pub use options::Options;
pub use proxies::Proxies;
pub use refused::{Refusals, Refused};
pub use server::Server;
pub use tls::{Tls, TlsError, TlsFiles};

/// Returns the host, and perhaps the port, that a client called. HTTP/2 has it in the URI.
fn host<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> Option<&'a str> {
    let authority = uri.authority().map(|authority| authority.as_str());
    authority.or_else(|| headers.get(HOST)?.to_str().ok())
}
