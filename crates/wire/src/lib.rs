//! The two wire protocols of the SQS API, AWS JSON 1.0 and Query, to and from the types of `stanchion-types`.
//!
//! This crate deliberately knows no state: decoding is a function of the request's bytes, encoding a function of the
//! answer. Whether a queue exists, what kind it is and who may use it is decided elsewhere; a value that is wrong
//! whatever the queue is travels in the [`Envelope`](stanchion_types::request::Envelope) until the queue was found.
//!
//! Start with [`decode`] and [`encode`]; each operation is one file under `op`, written once over both protocols by
//! way of the views in `fields` (reading) and `writer` (writing). The table of errors is `errors`; what the service's
//! documentation leaves open was decided in `choices`.

pub mod attributes;
pub mod choices;
mod decode;
mod detect;
pub mod digest;
mod encode;
pub mod errors;
mod fields;
mod locator;
mod message;
mod op;
pub mod tags;
mod text;
mod token;
mod writer;

pub use decode::decode;
pub use detect::{Head, Protocol, Refusal, detect};
pub use encode::{Origin, Reply, encode, encode_error};
pub use writer::xml::XmlWriter;
