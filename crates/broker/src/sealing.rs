//! Contents of queues with a key of their own: sealed before the shard sees them, opened after a receive.
//!
//! A data key is drawn by the key management service, used by its queue for the reuse period, and kept to open what it has
//! sealed. Which service that is, and where, this module does not know. Nothing here waits for a service unless a data key
//! is wanted that nobody has.

mod slots;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use bytes::Bytes;
use stanchion_keyring::DataKey;
use stanchion_keyring::service::{KeyService, Reason, Refusal};
use stanchion_types::attributes::QueueAttributes;
use stanchion_types::limits::KMS_REUSE_SECONDS_DEFAULT;
use stanchion_types::{Code, Error, QueueArn};
use tokio::time::timeout;

use crate::content::sealed;
use crate::failure::Failure;
use slots::Slots;

/// The key that needs no set-up. What the server does for all queues is what it stands for.
const MANAGED: &str = "alias/aws/sqs";
/// How long a data key is used that was opened for a queue without a key of its own, as a dead-letter queue can be.
pub(crate) const PERIOD: Duration = Duration::from_secs(KMS_REUSE_SECONDS_DEFAULT as u64);
/// How many data keys are held at once, to seal and to open.
const KEYS_MAX: usize = 10_000;
/// How long a service may take for an answer. Those that this server brings along give up before.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much one data key may seal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyBounds {
    /// Messages. Default 2^31: far below the number of nonces, so that not even a fault in counting repeats one.
    pub messages: u64,
    /// Bytes. Default 256 GiB, as for the data keys of the journal.
    pub bytes: u64,
}

impl Default for KeyBounds {
    fn default() -> Self {
        KeyBounds { messages: 1 << 31, bytes: 256 << 30 }
    }
}

/// The key that a queue has chosen, and how long a data key of it is used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyChoice {
    pub(crate) key: String,
    pub(crate) period: Duration,
}

impl KeyChoice {
    /// Returns the choice of a queue, if it has a key of its own.
    pub(crate) fn of(attributes: &QueueAttributes) -> Option<KeyChoice> {
        let key = attributes.kms_key.as_ref()?;
        let period = Duration::from_secs(attributes.kms_reuse_seconds.into());
        (!is_managed(key)).then(|| KeyChoice { key: key.clone(), period })
    }
}

fn is_managed(key: &str) -> bool {
    key == MANAGED
        || key
            .strip_prefix("arn:")
            .is_some_and(|arn| arn.rsplit(':').next().is_some_and(|resource| resource == MANAGED))
}

/// Seals and opens contents.
#[derive(Debug)]
pub struct Sealing {
    service: Option<Arc<dyn KeyService>>,
    bounds: KeyBounds,
    to_seal: Slots<(QueueArn, String), Arc<Sealer>>,
    to_open: Slots<Bytes, Arc<DataKey>>,
}

/// A data key that seals, with how much it has sealed.
#[derive(Debug)]
struct Sealer {
    head: Bytes,
    key: Arc<DataKey>,
    messages: AtomicU64,
    bytes: AtomicU64,
}

impl Sealer {
    /// Returns the number of the first of some contents, unless that would be too much for the key. Only one at a time
    /// calls this. A new key takes any request: each is far below the bounds.
    fn reserve(&self, contents: usize, bytes: usize, bounds: KeyBounds) -> Option<u64> {
        let (used, sealed) = (self.messages.load(Relaxed), self.bytes.load(Relaxed));
        let after = (used + contents as u64, sealed + bytes as u64);
        if used > 0 && (after.0 > bounds.messages || after.1 > bounds.bytes) {
            return None;
        }
        self.messages.store(after.0, Relaxed);
        self.bytes.store(after.1, Relaxed);
        Some(used)
    }
}

impl Sealing {
    /// Makes it; without a service there is no key.
    pub fn new(service: Option<Arc<dyn KeyService>>, bounds: KeyBounds) -> Sealing {
        Sealing { service, bounds, to_seal: Slots::new(KEYS_MAX), to_open: Slots::new(KEYS_MAX) }
    }

    /// Seals contents for a queue, all under one data key.
    ///
    /// # Errors
    /// The refusal of the service, in the words of a queue.
    pub(crate) async fn seal<'a>(
        &self,
        queue: &QueueArn,
        choice: &KeyChoice,
        contents: impl Iterator<Item = &'a mut Bytes>,
    ) -> Result<(), Error> {
        let contents: Vec<&mut Bytes> = contents.collect();
        let bytes = contents.iter().map(|content| content.len()).sum();
        let take = |sealer: &Arc<Sealer>| {
            let first = sealer.reserve(contents.len(), bytes, self.bounds)?;
            Some((sealer.clone(), first))
        };
        let place = (queue.clone(), choice.key.clone());
        let got = self.to_seal.get(&place, choice.period, take, async || self.generate(queue, choice).await).await;
        let (sealer, first) = got.map_err(|refusal| refused("seal a message", &refusal))?;
        for (number, content) in (first..).zip(contents) {
            *content = sealed::seal(&sealer.head, &sealer.key, number, content);
        }
        Ok(())
    }

    async fn generate(&self, queue: &QueueArn, choice: &KeyChoice) -> Result<Arc<Sealer>, Refusal> {
        let context = queue.to_string();
        let service = self.service(&choice.key)?;
        let generated = answered(service.generate(&choice.key, &context)).await?;
        let (head, key) = (sealed::head(&context, &generated.wrapped), Arc::new(generated.key));
        self.to_open.put(&head, key.clone(), choice.period);
        Ok(Arc::new(Sealer { head, key, messages: AtomicU64::new(0), bytes: AtomicU64::new(0) }))
    }

    /// Opens a content; one that is not sealed stays as it is. `period` is how long the data key is used once it was
    /// opened.
    ///
    /// # Errors
    /// The refusal of the service, or that the content is damaged.
    pub(crate) async fn open(&self, content: &Bytes, period: Duration) -> Result<Bytes, Refusal> {
        if !sealed::is_sealed(content) {
            return Ok(content.clone());
        }
        let parsed = sealed::parse(content).map_err(|damage| Refusal::new(Reason::Damaged, damage.to_string()))?;
        let head = content.slice_ref(parsed.head);
        let ask = async || {
            let service = self.service("of the message")?;
            Ok(Arc::new(answered(service.open(parsed.wrapped, parsed.context)).await?))
        };
        let key = self.to_open.get(&head, period, |key| Some(key.clone()), ask).await?;
        parsed
            .open(&key)
            .ok_or_else(|| Refusal::new(Reason::Damaged, "the content of the message is not as it was sealed"))
    }

    /// Opens a content for whoever reads a journal without its server.
    ///
    /// # Errors
    /// As words, why it cannot be opened.
    pub async fn read(&self, content: &Bytes) -> Result<Bytes, String> {
        self.open(content, PERIOD).await.map_err(|refusal| refusal.to_string())
    }

    fn service(&self, key: &str) -> Result<&dyn KeyService, Refusal> {
        let missing = || Refusal::new(Reason::NotFound, format!("Key '{key}' does not exist"));
        self.service.as_deref().ok_or_else(missing)
    }
}

async fn answered<T>(answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Refusal> {
    timeout(PATIENCE, answer).await.unwrap_or_else(|_| {
        Err(Refusal::new(Reason::Unavailable, format!("the key management service gave no answer in {PATIENCE:?}")))
    })
}

/// Returns the answer of a queue whose key cannot be had.
pub(crate) fn refused(what: &str, refusal: &Refusal) -> Error {
    let code = match refusal.reason {
        Reason::AccessDenied => Code::KmsAccessDenied,
        Reason::Disabled => Code::KmsDisabled,
        Reason::InvalidKeyUsage => Code::KmsInvalidKeyUsage,
        Reason::InvalidState => Code::KmsInvalidState,
        Reason::NotFound => Code::KmsNotFound,
        Reason::OptInRequired => Code::KmsOptInRequired,
        Reason::Throttled => Code::KmsThrottled,
        Reason::Unavailable | Reason::Damaged => return Failure::report(what, refusal).internal(),
    };
    Error::new(code, refusal.text.clone())
}

#[cfg(test)]
mod tests;
