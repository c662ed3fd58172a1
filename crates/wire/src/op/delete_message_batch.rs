use stanchion_types::Error;
use stanchion_types::request::{DeleteMessage, DeleteMessageBatch};
use stanchion_types::response::BatchResult;

use crate::fields::{Fields, Name};
use crate::op::batch::{self, Batch};
use crate::op::{Checked, RECEIPT_HANDLE};
use crate::writer::Writer;

const ENTRIES: Name = Name::new("Entries", "DeleteMessageBatchRequestEntry");
const SUCCESSFUL: Name = Name::new("Successful", "DeleteMessageBatchResultEntry");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let batch = Batch::read(fields, ENTRIES, |entry| batch::required(entry, RECEIPT_HANDLE))?;
    let entries = batch.check(|handle| Ok(DeleteMessage { receipt_handle: handle?.to_owned() }));
    Ok(entries.map(|entries| DeleteMessageBatch { entries }.into()))
}

pub(super) fn encode<W: Writer>(writer: &mut W, results: &[BatchResult<()>]) {
    batch::encode(writer, SUCCESSFUL, results, |_, ()| {});
}
