//! Pages of queues, which two actions list.

use stanchion_types::limits::LIST_MAX;
use stanchion_types::request::Page;
use stanchion_types::response::Queues;
use stanchion_types::{Error, QueueName};

use crate::choices;
use crate::fields::{Fields, Name};
use crate::op::MAX_RESULTS;
use crate::token::{self, Listing};
use crate::writer::Writer;

const NEXT_TOKEN: Name = Name::same("NextToken");

/// The members that choose a page, as they came.
pub(super) struct RawPage<'t> {
    max_results: Option<i32>,
    next_token: Option<&'t str>,
}

pub(super) fn read<'t>(fields: impl Fields<'t>) -> Result<RawPage<'t>, Error> {
    let next_token = fields.text(NEXT_TOKEN)?.filter(|token| !token.is_empty());
    Ok(RawPage { max_results: fields.integer(MAX_RESULTS)?, next_token })
}

impl RawPage<'_> {
    /// Checks the values; the token must come from the same listing.
    pub(super) fn check(self, listing: Listing, prefix: &str) -> Result<Page, Error> {
        let max_results = self.max_results.map(|count| check_max_results(count, LIST_MAX)).transpose()?;
        let after: Result<Option<QueueName>, Error> =
            self.next_token.map(|token| token::decode(listing, prefix, token)).transpose();
        Ok(Page { max_results, after: after? })
    }
}

/// Checks the number of items that a listing returns at most.
pub(super) fn check_max_results(count: i32, maximum: u32) -> Result<u32, Error> {
    let checked = u32::try_from(count).ok().filter(|count| (1..=maximum).contains(count));
    checked.ok_or_else(|| choices::out_of_range(count, MAX_RESULTS.json, 1, maximum))
}

/// Writes the token for the page after this one, if there is one.
pub(super) fn encode_token<W: Writer>(writer: &mut W, listing: Listing, page: &Queues) {
    if let (true, Some(last)) = (page.more, page.queues.last()) {
        writer.text(NEXT_TOKEN, &token::encode(listing, &last.name));
    }
}
