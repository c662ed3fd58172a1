use stanchion_types::{Error, QueueLocator};

use crate::fields::{Fields, Name, required};
use crate::locator;

const QUEUE_NAME: Name = Name::same("QueueName");
const OWNER: Name = Name::same("QueueOwnerAWSAccountId");

/// Reads the queue that is asked for: all that this request holds.
pub(super) fn queue<'t>(fields: impl Fields<'t>) -> Result<Result<QueueLocator, Error>, Error> {
    let owner = fields.text(OWNER)?;
    let name = required(fields, QUEUE_NAME)?;
    Ok(locator::from_parts(owner, name))
}
