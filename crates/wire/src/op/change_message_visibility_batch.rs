use stanchion_types::Error;
use stanchion_types::request::ChangeMessageVisibilityBatch;
use stanchion_types::response::BatchResult;

use crate::choices;
use crate::fields::{Fields, Name};
use crate::op::batch::{self, Batch};
use crate::op::{Checked, RECEIPT_HANDLE, VISIBILITY_TIMEOUT, change_message_visibility};
use crate::writer::Writer;

const ENTRIES: Name = Name::new("Entries", "ChangeMessageVisibilityBatchRequestEntry");
const SUCCESSFUL: Name = Name::new("Successful", "ChangeMessageVisibilityBatchResultEntry");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let batch = Batch::read(fields, ENTRIES, |entry| {
        Ok((batch::required(entry, RECEIPT_HANDLE)?, entry.integer(VISIBILITY_TIMEOUT)?))
    })?;
    let entries = batch.check(|(handle, timeout)| {
        change_message_visibility::check(handle?, timeout.ok_or_else(choices::missing_timeout)?)
    });
    Ok(entries.map(|entries| ChangeMessageVisibilityBatch { entries }.into()))
}

pub(super) fn encode<W: Writer>(writer: &mut W, results: &[BatchResult<()>]) {
    batch::encode(writer, SUCCESSFUL, results, |_, ()| {});
}
