//! What requests need to know of a queue before they ask the shard.
//!
//! Every request looks its queue up. The shard knows all queues, but it is often busy with a turn that decides for many
//! callers, so the driver keeps a copy of the little that is looked at. A turn that changes a queue changes the copy before
//! any answer of that turn leaves.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use stanchion_engine::ids::QueueId;
use stanchion_engine::queue::Queue;
use stanchion_shard::Shard;
use stanchion_types::QueueArn;
use stanchion_types::attributes::QueueAttributes;

use crate::sealing::KeyChoice;

/// A queue as the shard knows it now: that may not be durable yet.
#[derive(Debug)]
pub(crate) struct Listing {
    pub(crate) id: QueueId,
    /// The key that seals what its messages carry, if it has one of its own.
    pub(crate) key: Option<KeyChoice>,
    pub(crate) policy: Option<String>,
    pub(crate) tags: BTreeMap<String, String>,
    /// Whether messages without a deduplication id get one from their body.
    pub(crate) content_based_deduplication: bool,
}

impl Listing {
    fn of(queue: &Queue) -> Self {
        let attributes = queue.attributes();
        Listing {
            id: queue.id(),
            key: KeyChoice::of(attributes),
            policy: attributes.policy.as_ref().map(|policy| policy.text.clone()),
            tags: queue.tags().clone(),
            content_based_deduplication: computes_ids(attributes),
        }
    }
}

/// Tells whether messages without a deduplication id get one from their body.
pub(crate) fn computes_ids(attributes: &QueueAttributes) -> bool {
    attributes.fifo.is_some_and(|fifo| fifo.content_based_deduplication)
}

/// All queues of a shard.
#[derive(Debug, Default)]
pub(super) struct Directory {
    queues: RwLock<HashMap<QueueArn, Arc<Listing>>>,
}

impl Directory {
    /// Lists the queues of a shard.
    pub(super) fn of(shard: &Shard) -> Self {
        let all = shard.engine().all_queues();
        Directory {
            queues: RwLock::new(all.map(|queue| (queue.arn().clone(), Arc::new(Listing::of(queue)))).collect()),
        }
    }

    pub(super) fn find(&self, arn: &QueueArn) -> Option<Arc<Listing>> {
        self.queues.read().unwrap_or_else(PoisonError::into_inner).get(arn).cloned()
    }

    /// Notes that a queue has come, changed or gone.
    pub(super) fn note(&self, arn: QueueArn, queue: Option<&Queue>) {
        let listing = queue.map(|queue| Arc::new(Listing::of(queue)));
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        match listing {
            Some(listing) => queues.insert(arn, listing),
            None => queues.remove(&arn),
        };
    }
}
