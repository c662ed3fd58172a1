//! Handles that clients keep and bring back: of receives, and of message move tasks.

use data_encoding::{BASE64, HEXLOWER};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use stanchion_engine::command::Receipt;
use stanchion_engine::ids::{MessageKey, QueueId, TaskId};
use stanchion_journal::ShardId;
use stanchion_types::ids::uuid_text;
use stanchion_types::{QueueArn, Timestamp};

use crate::secret::Secret;

/// What every handle begins with: clients' logs and tools know the service's handles by the text `AQEB`.
const MAGIC: [u8; 3] = [1, 1, 1];
/// Shard (2 bytes), queue (8), message (8), receive count (4), time of the receive (8), all big-endian.
const FIELDS_BYTES: usize = 30;
const MAC_BYTES: usize = 16;
const HANDLE_BYTES: usize = MAGIC.len() + FIELDS_BYTES + MAC_BYTES;

/// What a receipt handle says: which message of which queue, and which receive of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handle {
    /// Shard of the queue, so that any node can route a delete.
    pub(crate) shard: ShardId,
    /// The queue.
    pub(crate) queue: QueueId,
    /// The receive.
    pub(crate) receipt: Receipt,
}

/// Issues receipt handles and recognises its own.
#[derive(Clone)]
pub(crate) struct Sealer {
    mac: Hmac<Sha256>,
}

impl Sealer {
    /// Makes a sealer; the same secret recognises the same handles.
    pub(crate) fn new(secret: &Secret) -> Self {
        Sealer { mac: Hmac::new_from_slice(secret.bytes()).expect("HMAC takes keys of any length") }
    }

    /// Returns the text of a handle: base64 without line breaks.
    pub(crate) fn issue(&self, handle: &Handle) -> String {
        let mut bytes = [0; HANDLE_BYTES];
        let (head, mac) = bytes.split_at_mut(HANDLE_BYTES - MAC_BYTES);
        let parts: [&[u8]; 6] = [
            &MAGIC,
            &handle.shard.0.to_be_bytes(),
            &handle.queue.0.to_be_bytes(),
            &handle.receipt.key.0.to_be_bytes(),
            &handle.receipt.receive_count.to_be_bytes(),
            &handle.receipt.received_at.millis().to_be_bytes(),
        ];
        let mut at = 0;
        for part in parts {
            head[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
        assert_eq!(at, head.len(), "the fields of a handle fill it");
        let digest = self.mac.clone().chain_update(&*head).finalize().into_bytes();
        mac.copy_from_slice(&digest[..MAC_BYTES]);
        BASE64.encode(&bytes)
    }

    /// Reads a handle; `None` unless this secret issued exactly this text.
    pub(crate) fn open(&self, text: &str) -> Option<Handle> {
        // The length decides before anything is copied, however long a text a client sends.
        if text.len() != BASE64.encode_len(HANDLE_BYTES) {
            return None;
        }
        let bytes: [u8; HANDLE_BYTES] = BASE64.decode(text.as_bytes()).ok()?.try_into().ok()?;
        let (head, mac) = bytes.split_at(HANDLE_BYTES - MAC_BYTES);
        self.mac.clone().chain_update(head).verify_truncated_left(mac).ok()?;
        let fields = head.strip_prefix(&MAGIC)?;
        let (shard, fields) = fields.split_first_chunk()?;
        let (queue, fields) = fields.split_first_chunk()?;
        let (key, fields) = fields.split_first_chunk()?;
        let (receive_count, fields) = fields.split_first_chunk()?;
        let (received_at, _) = fields.split_first_chunk()?;
        Some(Handle {
            shard: ShardId(u16::from_be_bytes(*shard)),
            queue: QueueId(u64::from_be_bytes(*queue)),
            receipt: Receipt {
                key: MessageKey(u64::from_be_bytes(*key)),
                receive_count: u32::from_be_bytes(*receive_count),
                received_at: Timestamp::from_millis(u64::from_be_bytes(*received_at)),
            },
        })
    }
}

/// Returns the handle of a message move task: base64 of a JSON object with the task and its source.
pub(crate) fn issue_task(task: TaskId, source: &QueueArn) -> String {
    let id = uuid_text(&task.0.to_be_bytes());
    let id = std::str::from_utf8(&id).expect("a UUID is ASCII");
    BASE64.encode(json!({ "taskId": id, "sourceArn": source.to_string() }).to_string().as_bytes())
}

/// Reads the handle of a message move task; `None` if it is not one. The task itself is missing if the handle has the
/// form of one and this server issues no such ids.
pub(crate) fn open_task(text: &str) -> Option<(Option<TaskId>, QueueArn)> {
    let json: Value = serde_json::from_slice(&BASE64.decode(text.as_bytes()).ok()?).ok()?;
    let id = json.get("taskId")?.as_str()?;
    let source = QueueArn::parse(json.get("sourceArn")?.as_str()?)?;
    Some((task_id(id), source))
}

fn task_id(text: &str) -> Option<TaskId> {
    let digits: String = text.split('-').collect();
    let bits: [u8; 16] = HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok()?;
    Some(TaskId(u128::from_be_bytes(bits)))
}

#[cfg(test)]
mod tests;
