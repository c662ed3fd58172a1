use stanchion_types::Error;
use stanchion_types::request::CancelMessageMoveTask;

use crate::fields::{Fields, required};
use crate::op::{Checked, TASK_HANDLE};

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let task_handle = required(fields, TASK_HANDLE)?.to_owned();
    Ok(Ok(CancelMessageMoveTask { task_handle }.into()))
}
