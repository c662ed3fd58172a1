//! What the clients did and saw: the only evidence that the checker gets.

/// Microseconds since the run began, by the clients' common clock.
pub(crate) type Micros = u64;

/// One call about one message, queue or attribute. A batch leaves one event
/// for each entry.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) client: usize,
    pub(crate) invoked: Micros,
    pub(crate) returned: Micros,
    pub(crate) what: What,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome<T> {
    Acknowledged(T),
    /// The server said no; nothing happened.
    Refused(String),
    /// The connection died; the call happened entirely or not at all.
    Unknown,
}

#[derive(Debug, Clone)]
pub(crate) enum What {
    Send(Send),
    Receive {
        queue: &'static str,
        visibility_ms: u64,
        outcome: Outcome<Vec<Delivery>>,
    },
    Delete {
        queue: &'static str,
        label: String,
        handle: String,
        outcome: Outcome<()>,
    },
    ChangeVisibility {
        queue: &'static str,
        label: String,
        handle: String,
        timeout_ms: u64,
        outcome: Outcome<()>,
    },
    Purge {
        queue: &'static str,
        outcome: Outcome<()>,
    },
    StartMove {
        source: &'static str,
        destination: &'static str,
        outcome: Outcome<()>,
    },
    /// All tasks out of the queue had ended when this was asked.
    MovesEnded {
        source: &'static str,
    },
    /// What the drain at the end found wrong with a queue.
    NotDrained {
        queue: &'static str,
        why: String,
    },
    Set {
        queue: &'static str,
        key: &'static str,
        value: String,
        outcome: Outcome<()>,
    },
    Get {
        queue: &'static str,
        key: &'static str,
        outcome: Outcome<String>,
    },
}

/// A send. The label names the message for ever; on a FIFO queue it is also the
/// deduplication id, and several sends may carry it.
#[derive(Debug, Clone)]
pub(crate) struct Send {
    pub(crate) queue: &'static str,
    pub(crate) label: String,
    pub(crate) group: Option<String>,
    pub(crate) delay_ms: u64,
    pub(crate) outcome: Outcome<Stored>,
}

/// What the server says about a message that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) message_id: String,
    pub(crate) sequence: Option<u128>,
}

/// A message in a reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Read from the body; `corrupt ...` when the body is not what was sent.
    pub(crate) label: String,
    pub(crate) message_id: String,
    pub(crate) handle: String,
    pub(crate) receive_count: u64,
    pub(crate) group: Option<String>,
    pub(crate) sequence: Option<u128>,
    /// The server's own milliseconds; only compared with each other.
    pub(crate) first_received: u64,
}

impl Event {
    /// This function says whether the event is about the message `label`.
    pub(crate) fn mentions(&self, label: &str) -> bool {
        match &self.what {
            What::Send(send) => send.label == label,
            What::Receive { outcome: Outcome::Acknowledged(deliveries), .. } => {
                deliveries.iter().any(|delivery| delivery.label == label)
            }
            What::Delete { label: own, .. } | What::ChangeVisibility { label: own, .. } => own == label,
            What::Set { key, .. } | What::Get { key, .. } => *key == label,
            _ => false,
        }
    }
}
