use stanchion_types::Error;
use stanchion_types::request::SendMessageBatch;
use stanchion_types::response::{BatchResult, Sent};

use crate::fields::{Fields, Name};
use crate::message::{self, RawMessage};
use crate::op::batch::{self, Batch};
use crate::op::{Checked, send_message};
use crate::writer::Writer;

const ENTRIES: Name = Name::new("Entries", "SendMessageBatchRequestEntry");
const SUCCESSFUL: Name = Name::new("Successful", "SendMessageBatchResultEntry");

pub(super) fn decode<'t>(fields: impl Fields<'t>, trace_header: Option<&str>) -> Result<Checked, Error> {
    let batch = Batch::read(fields, ENTRIES, message::read)?;
    let entries = batch.check_sized(RawMessage::size, |message| message.check(trace_header));
    Ok(entries.map(|entries| SendMessageBatch { entries }.into()))
}

pub(super) fn encode<W: Writer>(writer: &mut W, results: &[BatchResult<Sent>]) {
    batch::encode(writer, SUCCESSFUL, results, send_message::encode);
}
