//! A line of the trail.

use std::fmt;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use serde_json::Value;
use stanchion_types::calendar::Date;

/// What became of a call. What is not known is left out.
///
/// A record has no place for bodies, signatures, secrets and session tokens, and nobody may put one into `parameters`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// When it was answered.
    pub time: Moment,
    /// Id of the request, which its client has seen as well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// ARN of the caller, or another name for him.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// Id of the access key that the request named, whether or not it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// ARN of the queue that it was asked of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// `Success`, or the code of the refusal.
    pub outcome: String,
    /// The rule that decided whether the caller may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The statement that decided, and the policy that it stands in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub statement: Option<String>,
    /// What else the call said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// How it came: `json` or `query`, or `control` for the control socket.
    pub protocol: &'static str,
    /// Whether it came by TLS.
    pub tls: bool,
}

/// A moment, written as in `2026-11-21T22:30:00.123Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since 1970 began.
    pub millis: u64,
}

impl Moment {
    /// Reads the clock.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { millis: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Date { year, month, day, hour, minute, second } = Date::of(self.millis / 1000);
        let millis = self.millis % 1000;
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_a_line_that_leaves_out_what_is_not_known() {
        let record = Record {
            time: Moment { millis: 1_795_286_846_007 },
            action: Some("CreateQueue".into()),
            outcome: "Success".into(),
            protocol: "json",
            ..Record::default()
        };
        assert_eq!(
            serde_json::to_string(&record).unwrap(),
            r#"{"time":"2026-11-21T18:47:26.007Z","action":"CreateQueue","outcome":"Success","protocol":"json","tls":false}"#
        );
    }
}
