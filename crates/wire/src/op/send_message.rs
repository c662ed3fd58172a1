use stanchion_types::Error;
use stanchion_types::ids::uuid_text;
use stanchion_types::request::SendMessage;
use stanchion_types::response::Sent;

use crate::fields::{Fields, Name};
use crate::op::Checked;
use crate::writer::Writer;
use crate::{digest, message};

const MESSAGE_ID: Name = Name::same("MessageId");
const BODY_MD5: Name = Name::same("MD5OfMessageBody");
const ATTRIBUTES_MD5: Name = Name::same("MD5OfMessageAttributes");
const SYSTEM_ATTRIBUTES_MD5: Name = Name::same("MD5OfMessageSystemAttributes");
const SEQUENCE_NUMBER: Name = Name::same("SequenceNumber");

pub(super) fn decode<'t>(fields: impl Fields<'t>, trace_header: Option<&str>) -> Result<Checked, Error> {
    let message = message::read(fields)?;
    if message.body.is_none() {
        return Err(Error::missing_parameter(message::BODY.json));
    }
    Ok(message.check(trace_header).map(|message| SendMessage { message }.into()))
}

/// Writes what became of a message, sent alone or in a batch.
pub(super) fn encode<W: Writer>(writer: &mut W, sent: &Sent) {
    writer.plain(MESSAGE_ID, &uuid_text(&sent.message_id.0));
    writer.plain(BODY_MD5, &digest::md5_ascii(&sent.body_md5));
    if let Some(md5) = &sent.attributes_md5 {
        writer.plain(ATTRIBUTES_MD5, &digest::md5_ascii(md5));
    }
    if let Some(md5) = &sent.system_attributes_md5 {
        writer.plain(SYSTEM_ATTRIBUTES_MD5, &digest::md5_ascii(md5));
    }
    if let Some(number) = &sent.sequence_number {
        writer.plain(SEQUENCE_NUMBER, &number.digits());
    }
}
