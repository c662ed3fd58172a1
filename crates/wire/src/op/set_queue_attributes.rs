use stanchion_types::Error;
use stanchion_types::request::SetQueueAttributes;

use crate::attributes;
use crate::fields::Fields;
use crate::op::{ATTRIBUTES, Checked};

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let pairs = fields.pairs(ATTRIBUTES)?;
    if pairs.is_empty() {
        return Err(Error::missing_parameter(ATTRIBUTES.name.json));
    }
    Ok(attributes::parse_all(&pairs).map(|attributes| SetQueueAttributes { attributes }.into()))
}
