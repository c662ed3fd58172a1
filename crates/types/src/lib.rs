//! The vocabulary of Stanchion: identifiers, time, limits, messages, queue attributes, requests, responses and errors.
//!
//! This crate deliberately knows no format and no library: how a value looks as JSON, XML or bytes on disk is the
//! business of the crates that read and write those. Text becomes one of these types once, at the door.
//!
//! Start with [`request::Request`]: the 23 actions of the service as types.

pub mod attributes;
pub mod calendar;
pub mod error;
pub mod ids;
pub mod limits;
pub mod message;
pub mod request;
pub mod response;
pub mod time;

pub use error::{Code, Error};
pub use ids::{AccountId, MessageId, QueueArn, QueueLocator, QueueName, Region, RequestId};
pub use time::Timestamp;
