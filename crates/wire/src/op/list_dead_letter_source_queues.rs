use stanchion_types::Error;
use stanchion_types::request::ListDeadLetterSourceQueues;
use stanchion_types::response::Queues;

use crate::encode::Origin;
use crate::fields::{Fields, Name};
use crate::op::{Checked, page};
use crate::token::Listing;
use crate::writer::Writer;

/// In lower case, and required, unlike the list of all queues.
const QUEUE_URLS: Name = Name::new("queueUrls", "QueueUrl");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let page = page::read(fields)?.check(Listing::DeadLetterSources, "");
    Ok(page.map(|page| ListDeadLetterSourceQueues { page }.into()))
}

pub(super) fn encode<W: Writer>(writer: &mut W, origin: &Origin, page: &Queues) {
    if page.queues.is_empty() {
        writer.empty_list(QUEUE_URLS);
    }
    writer.texts(QUEUE_URLS, page.queues.iter().map(|queue| origin.queue_url(queue)));
    page::encode_token(writer, Listing::DeadLetterSources, page);
}
