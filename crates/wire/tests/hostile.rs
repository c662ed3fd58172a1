//! Requests built to be expensive: the largest that the edge lets in, and shaped to hit whatever is not linear.

use std::time::{Duration, Instant};

use stanchion_types::Error;
use stanchion_types::request::Envelope;
use stanchion_wire::{Head, decode};

/// Largest body that the edge lets in.
const BODY_BYTES: usize = 8 << 20;
/// Far more than any of them needs, even unoptimized on a busy machine; far less than anything quadratic would take.
const LIMIT: Duration = Duration::from_secs(10);

fn check(what: &str, head: &Head, body: &[u8]) -> Result<Envelope, Error> {
    assert!(body.len() <= BODY_BYTES, "{what} has {} bytes", body.len());
    let started = Instant::now();
    let decoded = decode(head, body);
    let elapsed = started.elapsed();
    println!("{what}: {elapsed:?}");
    assert!(elapsed < LIMIT, "{what}: {elapsed:?}");
    decoded
}

fn check_form(what: &str, parameters: &str) {
    let head = Head { method: "POST", path: "/000000000000/q", ..Head::default() };
    for action in ["SendMessage&MessageBody=x", "SendMessageBatch", "CreateQueue", "TagQueue", "ReceiveMessage"] {
        let body = format!("Action={action}&{parameters}");
        // Whether it is refused depends on the action; that it ends soon does not.
        if let Err(error) = check(what, &head, body.as_bytes()) {
            assert!(!error.message.is_empty());
        }
    }
}

fn check_json(what: &str, members: &str) {
    for action in ["SendMessage", "SendMessageBatch", "CreateQueue", "TagQueue"] {
        let target = format!("AmazonSQS.{action}");
        let head = Head { method: "POST", path: "/", target: Some(&target), ..Head::default() };
        let body = format!("{{\"QueueUrl\":\"q\",\"MessageBody\":\"x\",{members}}}");
        if let Err(error) = check(what, &head, body.as_bytes()) {
            assert!(!error.message.is_empty());
        }
    }
}

#[test]
fn forms_of_many_parameters_take_linear_time() {
    let repeat =
        |count: usize, parameter: &dyn Fn(usize) -> String| (0..count).map(|n| parameter(n) + "&").collect::<String>();
    check_form("attributes", &repeat(9_000, &|n| format!("MessageAttribute.{n}.Name=a")));
    check_form("one name", &repeat(9_000, &|_| "MessageAttribute.1.Name=a".to_owned()));
    check_form("descending", &repeat(9_000, &|n| format!("Tag.{}.Key=k{n}", 9_000 - n)));
    check_form(
        "attributes of an entry",
        &repeat(9_000, &|n| format!("SendMessageBatchRequestEntry.1.MessageAttribute.{n}.Name=a{n}")),
    );
    check_form("entries", &repeat(9_000, &|n| format!("SendMessageBatchRequestEntry.{n}.Id={n}")));
    check_form("dots", &repeat(9_000, &|n| format!("{}{n}=x", ".".repeat(250))));
    check_form("long names", &repeat(9_000, &|n| format!("{}{n}=x", "x.".repeat(100))));
    check_form("too long names", &repeat(900, &|n| format!("{}{n}=x", "x".repeat(9_000))));
    check_form("too many", &"a=b&".repeat(100_000));
    check_form("nothing", &"&".repeat(BODY_BYTES - 100));
    check_form("escapes", &format!("MessageBody={}", "%41".repeat(BODY_BYTES / 3 - 100)));
}

#[test]
fn json_of_any_shape_takes_linear_time() {
    let members = |count: usize| (0..count).map(|n| format!("\"k{n}\":\"v\"")).collect::<Vec<_>>().join(",");
    check_json("tags", &format!("\"tags\":{{{}}},\"Tags\":{{{}}}", members(9_000), members(100)));
    check_json("members", &members(9_000));
    check_json("many members", &members(300_000));
    check_json("repeated", &vec!["\"Entries\":[{}]"; 6_000].join(","));
    check_json("entries", &format!("\"Entries\":[{}{{}}]", "{},".repeat(15_000)));
    check_json("deep", &format!("\"x\":{}", "[".repeat(BODY_BYTES - 100)));
    check_json("backslashes", &format!("\"MessageBody\":\"{}\"", "\\\\".repeat(BODY_BYTES / 2 - 100)));
    check_json("surrogates", &format!("\"MessageBody\":\"{}\"", "\\ud800".repeat(BODY_BYTES / 6 - 100)));
    check_json("illegal", &format!("\"MessageBody\":\"{}\"", "\\ufffe".repeat(BODY_BYTES / 6 - 100)));
    check_json("digits", &format!("\"DelaySeconds\":{}", "9".repeat(BODY_BYTES - 100)));
    check_json(
        "a number",
        &format!(
            "\"MessageAttributes\":{{\"a\":{{\"DataType\":\"Number\",\"StringValue\":\"{}\"}}}}",
            "9".repeat(BODY_BYTES - 200)
        ),
    );
    check_json("blanks", &format!("\"x\":{}1", " ".repeat(BODY_BYTES - 100)));
}
