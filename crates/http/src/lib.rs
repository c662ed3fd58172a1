//! The HTTP edge: one listener that speaks the SQS API to clients and answers health probes.
//!
//! It deliberately knows no queue: a request is bytes that the wire crate decodes, the broker answers, and the wire
//! crate encodes. What it does know is how long it lets a client take, how much it lets a client send, and how to
//! stop without cutting anybody off.
//!
//! Start with [`Server::serve`], then `api`, which handles one request.

mod api;
mod body;
mod inbound;
mod options;
mod request_id;
mod server;

pub use api::Edge;
pub use options::Options;
pub use server::Server;
