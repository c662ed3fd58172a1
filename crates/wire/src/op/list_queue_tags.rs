use crate::fields::MapName;
use crate::writer::Writer;

const TAGS: MapName = MapName::tags("Tags");

pub(super) fn encode<W: Writer>(writer: &mut W, tags: &[(String, String)]) {
    writer.pairs(TAGS, tags.iter().map(|(key, value)| (key.as_str(), value.as_str())));
}
