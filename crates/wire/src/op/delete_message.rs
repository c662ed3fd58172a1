use stanchion_types::Error;
use stanchion_types::request::DeleteMessage;

use crate::fields::{Fields, required};
use crate::op::{Checked, RECEIPT_HANDLE};

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let receipt_handle = required(fields, RECEIPT_HANDLE)?.to_owned();
    Ok(Ok(DeleteMessage { receipt_handle }.into()))
}
