use stanchion_types::Error;
use stanchion_types::message::NewMessage;
use stanchion_types::request::{BatchEntry, SendMessageBatch};
use stanchion_types::response::{BatchResult, Sent};

use crate::digest;
use crate::fields::{Fields, Name};
use crate::message::{self, RawMessage};
use crate::op::batch::{self, Batch};
use crate::op::{Checked, send_message};
use crate::writer::Writer;

const ENTRIES: Name = Name::new("Entries", "SendMessageBatchRequestEntry");
const SUCCESSFUL: Name = Name::new("Successful", "SendMessageBatchResultEntry");

pub(super) fn decode<'t>(fields: impl Fields<'t>, trace_header: Option<&str>) -> Result<Checked, Error> {
    let batch = Batch::read(fields, ENTRIES, message::read)?;
    let entries = batch.check_sized(RawMessage::size, |message| message.check_undigested(trace_header));
    Ok(entries.map(|mut entries| {
        digest_bodies(&mut entries);
        SendMessageBatch { entries }.into()
    }))
}

/// Computes the digests of the bodies, all at once.
fn digest_bodies(entries: &mut [BatchEntry<NewMessage>]) {
    let mut messages: Vec<&mut NewMessage> = entries.iter_mut().filter_map(|entry| entry.entry.as_mut().ok()).collect();
    let digests = digest::md5_of_bodies(&messages.iter().map(|message| &*message.body).collect::<Vec<_>>());
    for (message, digest) in messages.iter_mut().zip(digests) {
        message.body_md5 = digest;
    }
}

pub(super) fn encode<W: Writer>(writer: &mut W, results: &[BatchResult<Sent>]) {
    batch::encode(writer, SUCCESSFUL, results, send_message::encode);
}
