//! Receipt handles that come back, and what becomes of them.

use stanchion_engine::command::{Receipt, ReceiptFault};
use stanchion_types::Error;
use stanchion_types::limits::VISIBILITY_SECONDS_MAX;

use super::Target;
use crate::broker::Broker;

impl Broker {
    /// Reads a receipt handle, which must be of this very queue.
    pub(super) fn receipt(&self, queue: &Target, handle: &str) -> Result<Receipt, Error> {
        let opened = self.sealer.open(handle);
        let opened = opened.ok_or_else(|| Error::invalid_handle(handle))?;
        let own = opened.queue == queue.listing.id && opened.shard == queue.driver.id();
        if own { Ok(opened.receipt) } else { Err(Error::handle_of_another_queue(handle)) }
    }
}

/// Returns what the client reads of a receipt that had no effect.
pub(super) fn unhonoured(fault: ReceiptFault, handle: &str, seconds: u32) -> Result<(), Error> {
    Err(match fault {
        // The service's model has an error for this, `MessageNotInflight`, and nobody has seen it: who tried on a
        // standard queue was told of success, and the message stayed visible.
        ReceiptFault::NotInFlight => return Ok(()),
        ReceiptFault::Expired => Error::expired_handle(handle),
        ReceiptFault::NotAvailable => {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            Error::invalid_value(handle, "ReceiptHandle", reason)
        }
        ReceiptFault::BeyondTotal => {
            let reason = format!(
                "Total VisibilityTimeout for the message is beyond the limit [{VISIBILITY_SECONDS_MAX} seconds]"
            );
            Error::invalid_value(seconds, "VisibilityTimeout", &reason)
        }
    })
}
