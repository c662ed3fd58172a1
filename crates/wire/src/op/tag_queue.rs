use stanchion_types::Error;
use stanchion_types::request::TagQueue;

use crate::fields::{Fields, MapName};
use crate::op::Checked;
use crate::tags;

const TAGS: MapName = MapName::tags("Tags");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let tags = fields.pairs(TAGS)?;
    if tags.is_empty() {
        return Err(Error::missing_parameter(TAGS.name.json));
    }
    // How many tags the queue has in the end depends on those that it has.
    Ok(tags::check(tags).map(|tags| TagQueue { tags }.into()))
}
