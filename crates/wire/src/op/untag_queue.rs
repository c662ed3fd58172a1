use stanchion_types::Error;
use stanchion_types::request::UntagQueue;

use crate::fields::{Fields, Name};
use crate::op::Checked;

const TAG_KEYS: Name = Name::new("TagKeys", "TagKey");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let keys = fields.texts(TAG_KEYS)?;
    if keys.is_empty() {
        return Err(Error::missing_parameter(TAG_KEYS.json));
    }
    // A key that no tag can have is simply not found.
    let keys = keys.into_iter().map(str::to_owned).collect();
    Ok(Ok(UntagQueue { keys }.into()))
}
