//! The policies of queues, ready to be asked.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use stanchion_engine::ids::QueueId;
use stanchion_policy::Policy;

/// How many are kept.
const KEPT_MAX: usize = 4096;

/// A cache: reading a policy takes longer than asking it, and most requests find the one that the last one read.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    kept: RwLock<HashMap<QueueId, Arc<Read>>>,
}

/// A policy with the text that it was read from.
#[derive(Debug)]
struct Read {
    text: String,
    /// Nothing if the text is none: no queue gets such a policy, but one of an older directory may have it.
    policy: Option<Arc<Policy>>,
}

impl Policies {
    /// Returns the policy that was read from this text, if it is the one that was read last for this queue.
    pub(crate) fn find(&self, queue: QueueId, text: &str) -> Option<Option<Arc<Policy>>> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.get(&queue).filter(|read| read.text == text).map(|read| read.policy.clone())
    }

    /// Reads a policy and keeps it; `None` if it is none.
    pub(crate) fn read(&self, queue: QueueId, text: String) -> Option<Arc<Policy>> {
        let policy = Policy::of_queue(&text).ok().map(Arc::new);
        let read = Arc::new(Read { text, policy: policy.clone() });
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX && !kept.contains_key(&queue) {
            // Those in use are soon back; those of deleted queues are not.
            kept.clear();
        }
        kept.insert(queue, read);
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = r#"{"Statement":{"Effect":"Allow","Principal":"*","Action":"*"}}"#;
    const OTHER: &str = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"*"}}"#;

    #[test]
    fn a_policy_is_read_again_when_its_text_has_changed() {
        let policies = Policies::default();
        let queue = QueueId(1);
        assert!(policies.find(queue, ONE).is_none());
        assert!(policies.read(queue, ONE.to_owned()).is_some());
        assert!(policies.find(queue, ONE).is_some());
        assert!(policies.find(queue, OTHER).is_none());
        assert!(policies.find(QueueId(2), ONE).is_none());
        assert!(policies.read(queue, "x".to_owned()).is_none());
        assert!(matches!(policies.find(queue, "x"), Some(None)), "it is not read again and again");
    }

    #[test]
    fn the_cache_stays_within_its_bound() {
        let policies = Policies::default();
        for number in 0..KEPT_MAX as u64 + 10 {
            policies.read(QueueId(number), ONE.to_owned());
        }
        assert!(policies.kept.read().unwrap().len() <= KEPT_MAX);
    }
}
