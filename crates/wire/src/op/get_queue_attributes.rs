use stanchion_types::Error;
use stanchion_types::attributes::AttributeName;
use stanchion_types::request::{AttributeNames, GetQueueAttributes};

use crate::fields::{Fields, Name};
use crate::op::{ATTRIBUTES, Checked};
use crate::writer::Writer;

const NAMES: Name = Name::new("AttributeNames", "AttributeName");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let names = fields.texts(NAMES)?;
    Ok(check(&names).map(|names| GetQueueAttributes { names }.into()))
}

fn check(names: &[&str]) -> Result<AttributeNames, Error> {
    let read = |name: &&str| AttributeName::from_name(name).ok_or_else(|| Error::unknown_attribute(name));
    let listed = names.iter().filter(|name| **name != "All").map(read).collect::<Result<Vec<_>, _>>()?;
    let all = names.contains(&"All");
    Ok(if all { AttributeNames::All } else { AttributeNames::Listed(listed) })
}

pub(super) fn encode<W: Writer>(writer: &mut W, attributes: &[(AttributeName, String)]) {
    writer.pairs(ATTRIBUTES, attributes.iter().map(|(name, value)| (name.name(), value.as_str())));
}
