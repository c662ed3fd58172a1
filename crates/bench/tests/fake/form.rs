//! The Query protocol, translated from and to the JSON one.

use serde_json::{Map, Value, json};

/// Action and input of a form posted to `path`.
pub(crate) fn read(body: &[u8], path: &str) -> (String, Value) {
    let mut input = Map::new();
    let mut action = String::new();
    let mut entries: Vec<Map<String, Value>> = Vec::new();
    for pair in std::str::from_utf8(body).expect("text").split('&') {
        let (name, value) = pair.split_once('=').expect("a pair");
        let value = percent_encoding::percent_decode_str(value).decode_utf8().expect("UTF-8").into_owned();
        let parts: Vec<&str> = name.split('.').collect();
        match parts[..] {
            ["Action"] => action = value,
            ["Version"] => assert_eq!(value, "2012-11-05"),
            ["Attribute", ..] => {}
            [_, number, member] => {
                let at: usize = number.parse().expect("a number");
                entries.resize_with(entries.len().max(at), Map::new);
                entries[at - 1].insert(member.into(), value.into());
            }
            [name @ ("MaxNumberOfMessages" | "WaitTimeSeconds")] => {
                input.insert(name.into(), value.parse::<u64>().expect("a number").into());
            }
            [name] => {
                input.insert(name.into(), value.into());
            }
            _ => panic!("unknown parameter {name}"),
        }
    }
    if path != "/" {
        input.insert("QueueUrl".into(), format!("http://fake{path}").into());
    }
    if !entries.is_empty() {
        input.insert("Entries".into(), json!(entries));
    }
    (action, Value::Object(input))
}

/// The document for an answer.
pub(crate) fn write(action: &str, status: u16, output: &Value) -> String {
    if status != 200 {
        let code = output["__type"].as_str().expect("a type");
        return format!("<ErrorResponse><Error><Code>{code}</Code></Error></ErrorResponse>");
    }
    let mut result = String::new();
    if let Some(url) = output["QueueUrl"].as_str() {
        result = format!("<QueueUrl>{url}</QueueUrl>");
    }
    for message in output["Messages"].as_array().into_iter().flatten() {
        let (handle, body) = (text(message, "ReceiptHandle"), text(message, "Body"));
        result += &format!("<Message><ReceiptHandle>{handle}</ReceiptHandle><Body>{body}</Body></Message>");
    }
    for failed in output["Failed"].as_array().into_iter().flatten() {
        let (id, code) = (text(failed, "Id"), text(failed, "Code"));
        result += &format!("<BatchResultErrorEntry><Id>{id}</Id><Code>{code}</Code></BatchResultErrorEntry>");
    }
    format!("<?xml version=\"1.0\"?><{action}Response><{action}Result>{result}</{action}Result></{action}Response>")
}

fn text(of: &Value, member: &str) -> String {
    of[member].as_str().expect("text").replace('&', "&amp;").replace('<', "&lt;")
}
