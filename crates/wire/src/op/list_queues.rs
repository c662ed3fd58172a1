use stanchion_types::Error;
use stanchion_types::request::ListQueues;
use stanchion_types::response::Queues;

use crate::encode::Origin;
use crate::fields::{Fields, Name};
use crate::op::{Checked, page};
use crate::token::Listing;
use crate::writer::Writer;

const PREFIX: Name = Name::same("QueueNamePrefix");
const QUEUE_URLS: Name = Name::new("QueueUrls", "QueueUrl");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let prefix = fields.text(PREFIX)?.unwrap_or_default();
    let page = page::read(fields)?;
    let page = page.check(Listing::Queues, prefix);
    Ok(page.map(|page| ListQueues { prefix: prefix.to_owned(), page }.into()))
}

pub(super) fn encode<W: Writer>(writer: &mut W, origin: &Origin, page: &Queues) {
    writer.texts(QUEUE_URLS, page.queues.iter().map(|queue| origin.queue_url(queue)));
    page::encode_token(writer, Listing::Queues, page);
}
