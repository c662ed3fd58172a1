//! Requests that were refused for who sent them, counted by kind.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use stanchion_auth::Refusal;
use stanchion_types::Code;

/// How long refusals gather before the log says how many there were.
const SUMMARY_AFTER: Duration = Duration::from_secs(60);

/// Why a request was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The signature is wrong, or a part of it is missing or cannot be read.
    BadSignature,
    /// Nobody has the access key.
    UnknownKey,
    /// The request is too old, or from the future; or the credentials have expired.
    Expired,
    /// No policy allows it, or one denies it.
    Denied,
    /// The source has failed too often.
    Throttled,
    /// It is not signed, and asks for what nobody may without.
    Anonymous,
}

impl Refused {
    /// Every kind, in the order in which they are shown.
    pub const ALL: [Refused; 6] = [
        Refused::BadSignature,
        Refused::UnknownKey,
        Refused::Expired,
        Refused::Denied,
        Refused::Throttled,
        Refused::Anonymous,
    ];

    /// Returns the name that people and tools read.
    pub const fn name(self) -> &'static str {
        match self {
            Refused::BadSignature => "bad_signature",
            Refused::UnknownKey => "unknown_key",
            Refused::Expired => "expired",
            Refused::Denied => "denied",
            Refused::Throttled => "throttled",
            Refused::Anonymous => "anonymous",
        }
    }

    /// Returns the kind of what is wrong with a signature.
    pub(crate) fn of(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::UnknownKey => Refused::UnknownKey,
            Refusal::Expired { .. } | Refusal::NotYetCurrent { .. } | Refusal::SessionExpired => Refused::Expired,
            _ => Refused::BadSignature,
        }
    }

    /// Returns the kind of a refusal by somebody who knows the caller; `None` if it has nothing to do with who it is.
    pub(crate) fn of_code(code: Code) -> Option<Self> {
        match code {
            Code::AccessDenied | Code::KmsAccessDenied => Some(Refused::Denied),
            Code::MissingAuthenticationToken => Some(Refused::Anonymous),
            Code::InvalidClientTokenId => Some(Refused::UnknownKey),
            Code::IncompleteSignature | Code::SignatureDoesNotMatch => Some(Refused::BadSignature),
            _ => None,
        }
    }

    /// Returns the kind of a refusal by the service for temporary credentials, by its code.
    pub(crate) fn of_name(code: &str) -> Option<Self> {
        match code {
            "AccessDenied" => Some(Refused::Denied),
            "MissingAuthenticationToken" => Some(Refused::Anonymous),
            _ => None,
        }
    }
}

/// How many requests were refused since the start, by kind.
#[derive(Debug, Default)]
pub struct Refusals {
    counts: [AtomicU64; Refused::ALL.len()],
    /// Whether somebody waits to say how many there were.
    gathering: AtomicBool,
}

impl Refusals {
    /// Counts one. A minute after the first one the log says how many there were of each kind, so that there is one line
    /// a minute at most and none without a refusal. Must be called within a tokio runtime.
    pub(crate) fn count(self: &Arc<Self>, kind: Refused) {
        let before = (!self.gathering.swap(true, Ordering::Relaxed)).then(|| self.counts());
        self.counts[kind as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(before) = before {
            let refusals = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(SUMMARY_AFTER).await;
                refusals.gathering.store(false, Ordering::Relaxed);
                tracing::warn!("refused in the last minute: {}", Since { before, now: refusals.counts() });
            });
        }
    }

    /// Returns the counts, in the order of [`Refused::ALL`].
    pub fn counts(&self) -> [u64; Refused::ALL.len()] {
        self.counts.each_ref().map(|count| count.load(Ordering::Relaxed))
    }
}

/// What was counted between two moments.
struct Since {
    before: [u64; Refused::ALL.len()],
    now: [u64; Refused::ALL.len()],
}

impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counted = Refused::ALL.iter().zip(self.before.iter().zip(&self.now));
        let some = counted.filter(|(_, (before, now))| now > before);
        for (index, (kind, (before, now))) in some.enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", kind.name(), now - before)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_names_what_was_added_only() {
        let summary = Since { before: [1, 0, 5, 0, 0, 0], now: [4, 0, 5, 2, 0, 0] };
        assert_eq!(summary.to_string(), "bad_signature 3, denied 2");
    }

    #[tokio::test(start_paused = true)]
    async fn refusals_are_counted_by_kind_and_summed_up_once_a_minute() {
        let refusals = Arc::new(Refusals::default());
        for kind in [Refused::Denied, Refused::Denied, Refused::Throttled] {
            refusals.count(kind);
        }
        assert_eq!(refusals.counts(), [0, 0, 0, 2, 1, 0]);
        assert!(refusals.gathering.load(Ordering::Relaxed), "a summary is due");
        tokio::time::sleep(SUMMARY_AFTER * 2).await;
        assert!(!refusals.gathering.load(Ordering::Relaxed), "the next one begins another minute");
    }
}
