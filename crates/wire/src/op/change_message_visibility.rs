use stanchion_types::Error;
use stanchion_types::limits::VISIBILITY_SECONDS_MAX;
use stanchion_types::request::ChangeMessageVisibility;

use crate::fields::{Fields, required};
use crate::op::{Checked, RECEIPT_HANDLE, VISIBILITY_TIMEOUT};

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let handle = required(fields, RECEIPT_HANDLE)?;
    let timeout = fields.integer(VISIBILITY_TIMEOUT)?;
    let timeout = timeout.ok_or_else(|| Error::missing_parameter(VISIBILITY_TIMEOUT.json))?;
    Ok(check(handle, timeout).map(Into::into))
}

/// Checks the values of a single request or of a batch entry.
pub(super) fn check(handle: &str, timeout: i32) -> Result<ChangeMessageVisibility, Error> {
    let seconds = u32::try_from(timeout).ok().filter(|seconds| *seconds <= VISIBILITY_SECONDS_MAX);
    let visibility_seconds = seconds.ok_or_else(|| {
        let reason = format!("VisibilityTimeout must be an integer between 0 and {VISIBILITY_SECONDS_MAX}.");
        Error::invalid_value(timeout, VISIBILITY_TIMEOUT.json, &reason)
    })?;
    Ok(ChangeMessageVisibility { receipt_handle: handle.to_owned(), visibility_seconds })
}
