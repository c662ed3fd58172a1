use stanchion_types::Error;
use stanchion_types::request::TagQueue;

use crate::fields::{Fields, MapName, Name};
use crate::op::Checked;
use crate::tags;

const TAGS: MapName = MapName::tags("Tags");
/// How the Java SDKs of the Query protocol name the same map in a form, here and nowhere else; the service takes it.
const TAGS_IN_FULL: MapName = MapName { name: Name::same("Tags"), key: "Key", value: "Value" };

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let mut tags = fields.pairs(TAGS)?;
    if tags.is_empty() {
        tags = fields.pairs(TAGS_IN_FULL)?;
    }
    if tags.is_empty() {
        return Err(Error::missing_parameter(TAGS.name.json));
    }
    // How many tags the queue has in the end depends on those that it has.
    Ok(tags::check(tags).map(|tags| TagQueue { tags }.into()))
}
