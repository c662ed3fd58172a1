//! Creating and updating the queues that the settings declare.

use stanchion_broker::{Broker, Caller};
use stanchion_types::attributes::AttributeChange;
use stanchion_types::request::{Action, CreateQueue, Envelope, ListQueueTags, Request, SetQueueAttributes, TagQueue};
use stanchion_types::response::Response;
use stanchion_types::{Code, Error, QueueLocator};

use crate::settings::DeclaredQueue;

/// Brings every declared queue into being, or its attributes and tags up to what is declared.
///
/// What is not declared stays as it is: attributes set by a client, further tags, further queues.
///
/// # Errors
/// The service's refusal, with the name of the queue.
pub(crate) async fn apply(broker: &Broker, caller: &Caller, queues: &[DeclaredQueue]) -> Result<(), String> {
    for queue in queues {
        match apply_one(broker, caller, queue).await {
            Ok(()) => {}
            // A server whose disk is full has to start all the same, for the sake of what is in its queues.
            Err(error) if error.code == Code::ServiceUnavailable => {
                tracing::warn!(queue = %queue.name, reason = %error.message, "left a declared queue as it was");
            }
            Err(error) => return Err(format!("queue {}: {}", queue.name, error.message)),
        }
    }
    Ok(())
}

async fn apply_one(broker: &Broker, caller: &Caller, queue: &DeclaredQueue) -> Result<(), Error> {
    let ask = |request: Request| {
        let action = request.action();
        let locator = QueueLocator { account: None, name: queue.name.clone() };
        let locator = (action != Action::CreateQueue).then_some(locator);
        broker.call(caller, Envelope { action, queue: locator, request: Ok(request) })
    };
    let create =
        CreateQueue { name: queue.name.clone(), attributes: queue.attributes.clone(), tags: queue.tags.clone() };
    match ask(create.into()).await {
        Ok(_) => {}
        // It exists and differs in an attribute that is declared.
        Err(error) if error.code == Code::QueueNameExists => {
            let is_type = |change: &AttributeChange| matches!(change, AttributeChange::FifoQueue(_));
            let attributes = queue.attributes.iter().filter(|change| !is_type(change)).cloned().collect();
            ask(SetQueueAttributes { attributes }.into()).await?;
            tracing::info!(queue = %queue.name, "updated the attributes of a declared queue");
        }
        Err(error) => return Err(error),
    }
    // Creating a queue that exists leaves its tags alone.
    let Response::Tags(present) = ask(ListQueueTags.into()).await? else { return Ok(()) };
    let tags: Vec<_> = queue.tags.iter().filter(|tag| !present.contains(tag)).cloned().collect();
    if !tags.is_empty() {
        ask(TagQueue { tags }.into()).await?;
    }
    Ok(())
}
