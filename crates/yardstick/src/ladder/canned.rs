//! Answers that were made before anybody asked.

use super::action::Action;

/// As long as a real answer, so that the socket has as much to carry.
const SENT: &str = concat!(
    r#"{"MD5OfMessageBody":"00000000000000000000000000000000","#,
    r#""MessageId":"00000000-0000-4000-8000-000000000000"}"#
);

macro_rules! entry {
    ($id:literal) => {
        concat!(
            r#"{"Id":""#,
            $id,
            r#"","MessageId":"00000000-0000-4000-8000-000000000000","#,
            r#""MD5OfMessageBody":"00000000000000000000000000000000"}"#
        )
    };
}

const SENT_BATCH: &str = concat!(
    r#"{"Successful":["#,
    entry!("0"),
    ",",
    entry!("1"),
    ",",
    entry!("2"),
    ",",
    entry!("3"),
    ",",
    entry!("4"),
    ",",
    entry!("5"),
    ",",
    entry!("6"),
    ",",
    entry!("7"),
    ",",
    entry!("8"),
    ",",
    entry!("9"),
    "]}"
);

/// What CreateQueue answers on every rung: there are no queues.
pub(super) const CREATED: &str = r#"{"QueueUrl":"http://127.0.0.1/000000000000/yardstick"}"#;
/// The answer of operations that have nothing to say.
pub(super) const NOTHING: &str = "{}";

/// This function gives the body of the answer to `action`.
pub(super) fn answer(action: Action) -> &'static str {
    match action {
        Action::CreateQueue => CREATED,
        Action::DeleteQueue | Action::Receive => NOTHING,
        Action::Send => SENT,
        Action::SendBatch => SENT_BATCH,
    }
}
