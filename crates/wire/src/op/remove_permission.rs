use stanchion_types::Error;
use stanchion_types::request::RemovePermission;

use crate::fields::{Fields, required};
use crate::op::Checked;
use crate::op::permission::LABEL;

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    // A label that no statement can have is simply not found.
    let label = required(fields, LABEL)?.to_owned();
    Ok(Ok(RemovePermission { label }.into()))
}
