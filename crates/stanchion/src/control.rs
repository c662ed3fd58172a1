//! The control socket: how commands on the same machine talk to a running server.
//!
//! `<data directory>/control.sock`, which only the owner of the directory can reach: permission on the file is the
//! authentication. One JSON object a line, a reply for each request, in order:
//!
//! ```text
//! -> {"version":1,"do":"hold","with":{"snapshot":true}}
//! <- {"ok":{"end":[3,81920],"shards":[[0,1234]]}}
//! -> {"version":1,"do":"release"}
//! <- {"ok":{}}
//! <- {"error":"...","index":3}        index: which of the things that were sent is meant
//! ```
//!
//! A hold ends with its connection, so a command that is killed leaves nothing behind. Connections, the length of a line
//! and the silence between two are bounded.

pub(crate) mod client;
pub(crate) mod server;

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Version of the protocol: both sides must speak the same.
pub(crate) const VERSION: u32 = 1;
/// Longest line in bytes: several times the longest message, as JSON escapes characters.
pub(crate) const LINE_MAX: u64 = 16 << 20;
/// Longest silence of a client before its connection, and with it a hold, is ended.
pub(crate) const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Name of the socket in the data directory.
const NAME: &str = "control.sock";
/// Longest path that the system takes for a socket, in bytes, its final zero not counted.
const PATH_MAX: usize = 107;

/// A request.
#[derive(Debug, Serialize, Deserialize)]
struct Request<'a> {
    version: u32,
    #[serde(rename = "do")]
    action: &'a str,
    /// What the action needs to know, as JSON.
    #[serde(borrow, default)]
    with: Option<&'a RawValue>,
}

/// Keep the files of the journal as they are. Answers [`Held`].
pub(crate) const HOLD: &str = "hold";
/// Stay. Answers nothing but success.
pub(crate) const PING: &str = "ping";
/// End the hold. Refused if there is none: then files may have gone meanwhile.
pub(crate) const RELEASE: &str = "release";
/// Create a queue ([`QueueLine`](crate::exchange::line::QueueLine)) without its redrive policy, or find it. Answers
/// [`Created`].
pub(crate) const CREATE_QUEUE: &str = "create-queue";
/// Set the redrive policy of a queue, with [`Redrive`].
pub(crate) const REDRIVE: &str = "redrive";
/// Add messages to a queue, all or none, with [`Import`].
pub(crate) const IMPORT: &str = "import";

/// Read the keyring again, and wrap all data keys under its primary key. Answers [`Rewrapped`].
pub(crate) const REWRAP: &str = "rewrap";
/// How many requests were refused for who sent them. Answers [`Refused`].
pub(crate) const REFUSED: &str = "refused";

/// What a hold has to know.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WithHold {
    /// Take a snapshot first.
    pub(crate) snapshot: bool,
}

/// The redrive policy of a queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Redrive {
    pub(crate) queue: String,
    pub(crate) policy: String,
}

/// Messages for a queue.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Import<'a> {
    pub(crate) queue: String,
    /// The lines of the messages.
    #[serde(borrow)]
    pub(crate) messages: Vec<&'a RawValue>,
}

/// A moment of the journal whose files stay.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Held {
    /// Segment and offset up to which everything is durable.
    pub(crate) end: (u64, u64),
    /// The last position of each shard.
    pub(crate) shards: Vec<(u16, u64)>,
}

/// What became of a queue.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Created {
    /// Whether it was not there before.
    pub(crate) created: bool,
    /// The redrive policy to be set once all queues are there, if the queue was created and has one.
    pub(crate) redrive: Option<String>,
}

/// What became of the data keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Rewrapped {
    /// How many were wrapped under another key before.
    pub(crate) keys: usize,
    /// Name of the key that they are wrapped under now.
    pub(crate) primary: String,
}

/// What was refused since the start.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Refused {
    /// Requests that were refused for who sent them, by kind.
    pub(crate) requests: Vec<(String, u64)>,
    /// Lines of the audit trail that were dropped; `None` without a trail.
    pub(crate) audit_dropped: Option<u64>,
}

/// An answer.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Answer {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ok: Option<serde_json::Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    index: Option<usize>,
}

/// A path to the socket that the system takes, however deep the data directory is.
struct Door {
    path: PathBuf,
    /// Open as long as the path is used, if it leads over it.
    _directory: Option<File>,
}

impl Door {
    fn to(data_dir: &Path, name: &str) -> io::Result<Door> {
        let path = data_dir.join(name);
        if path.as_os_str().len() <= PATH_MAX {
            return Ok(Door { path, _directory: None });
        }
        let directory = File::open(data_dir)?;
        let path = PathBuf::from(format!("/proc/self/fd/{}", directory.as_raw_fd())).join(name);
        Ok(Door { path, _directory: Some(directory) })
    }
}
