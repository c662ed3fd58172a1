//! Writes and reads attributes and tags of a queue that nobody else touches.

use super::Session;
use crate::history::{Outcome, What};
use crate::queues::{self, SETTINGS};
use serde_json::{Value, json};

const TAG: &str = "tag";
/// Attributes with the least and the greatest value to set.
const NUMBERS: [(&str, u64, u64); 3] =
    [("VisibilityTimeout", 0, 43_200), ("DelaySeconds", 0, 900), ("MessageRetentionPeriod", 60, 1_209_600)];

/// This function does so until the run is over.
pub(super) fn run(session: &mut Session) {
    while session.go_on() {
        let (key, low, high) = NUMBERS[session.random.between(0, 2) as usize];
        let value = session.random.between(low, high).to_string();
        let input = json!({ "QueueUrl": queues::url(SETTINGS), "Attributes": { key: value } });
        set(session, "SetQueueAttributes", &input, key, value);
        let value = session.random.next().to_string();
        let input = json!({ "QueueUrl": queues::url(SETTINGS), "Tags": { TAG: value } });
        set(session, "TagQueue", &input, TAG, value);
        read(session);
        session.pace(SETTINGS);
    }
}

fn set(session: &mut Session, action: &str, input: &Value, key: &'static str, value: String) {
    session.plain_call(action, input, |outcome| What::Set {
        queue: SETTINGS,
        key,
        value,
        outcome: outcome.map(|_| ()),
    });
}

/// This function reads everything once.
pub(super) fn read(session: &mut Session) {
    for (key, ..) in NUMBERS {
        let input = json!({ "QueueUrl": queues::url(SETTINGS), "AttributeNames": [key] });
        get(session, "GetQueueAttributes", &input, key, |output| &output["Attributes"][key]);
    }
    let input = json!({ "QueueUrl": queues::url(SETTINGS) });
    get(session, "ListQueueTags", &input, TAG, |output| &output["Tags"][TAG]);
}

fn get(session: &mut Session, action: &str, input: &Value, key: &'static str, of: impl Fn(&Value) -> &Value) {
    session.plain_call(action, input, |outcome| What::Get {
        queue: SETTINGS,
        key,
        outcome: match outcome {
            Outcome::Acknowledged(output) => Outcome::Acknowledged(of(&output).as_str().unwrap_or("").to_owned()),
            Outcome::Refused(why) => Outcome::Refused(why),
            Outcome::Unknown => Outcome::Unknown,
        },
    });
}
