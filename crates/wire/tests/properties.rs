//! Properties of the decoders over arbitrary input.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use stanchion_types::request::{Action, Envelope};
use stanchion_types::{Error, RequestId};
use stanchion_wire::{Head, Protocol, attributes, decode, encode_error};

fn decode_json(action: Action, body: &[u8]) -> Result<Envelope, Error> {
    let target = format!("AmazonSQS.{}", action.name());
    decode(&Head { method: "POST", path: "/", target: Some(&target), ..Head::default() }, body)
}

fn decode_form(path: &str, body: &[u8]) -> Result<Envelope, Error> {
    decode(&Head { method: "POST", path, ..Head::default() }, body)
}

fn action() -> impl Strategy<Value = Action> {
    prop::sample::select(Action::ALL)
}

/// Names that requests use, so that random structures get past the first lookup.
fn name() -> impl Strategy<Value = String> {
    const NAMES: &[&str] = &[
        "QueueUrl",
        "QueueName",
        "MessageBody",
        "DelaySeconds",
        "MessageAttributes",
        "MessageSystemAttributes",
        "AWSTraceHeader",
        "DataType",
        "StringValue",
        "BinaryValue",
        "StringListValues",
        "Entries",
        "Id",
        "ReceiptHandle",
        "VisibilityTimeout",
        "Attributes",
        "tags",
        "Tags",
        "TagKeys",
        "Policy",
        "RedrivePolicy",
        "RedriveAllowPolicy",
        "AttributeNames",
        "MessageAttributeNames",
        "MessageSystemAttributeNames",
        "MaxResults",
        "NextToken",
        "Label",
        "AWSAccountIds",
        "Actions",
        "SourceArn",
        "MaxNumberOfMessagesPerSecond",
        "FifoQueue",
        "x",
    ];
    prop::sample::select(NAMES).prop_map(str::to_owned)
}

fn scalar() -> impl Strategy<Value = Value> {
    const WORDS: &[&str] = &[
        "",
        "http://h/000000000000/q",
        "q",
        "q.fifo",
        "String",
        "Number",
        "Binary",
        "AAAA",
        "1",
        "true",
        "All",
        "a",
        "arn:aws:sqs:us-east-1:000000000000:q",
        "{\"maxReceiveCount\":1}",
        "{\"Statement\":[{}]}",
        "\u{0}",
        "\u{fffe}",
    ];
    prop_oneof![
        prop::sample::select(WORDS).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-2..=1000i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn structure() -> impl Strategy<Value = Value> {
    let value = scalar().prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::from),
            prop::collection::vec((name(), inner), 0..12).prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    });
    prop::collection::vec((name(), value), 0..10)
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>()))
}

fn parameter() -> impl Strategy<Value = String> {
    let part = prop_oneof![
        prop::sample::select(
            [
                "Action",
                "Version",
                "QueueUrl",
                "Attribute",
                "MessageAttribute",
                "Name",
                "Value",
                "Key",
                "Tag",
                "Id",
                "SendMessageBatchRequestEntry",
                "MessageBody",
                "DataType",
                "StringValue",
                "1",
                "2",
                "10",
                "01",
                "",
                "99999999999999999999",
            ]
            .as_slice()
        )
        .prop_map(str::to_owned),
        "[a-z0-9%+.]{0,4}",
    ];
    let name = prop::collection::vec(part, 1..5).prop_map(|parts| parts.join("."));
    (name, "[ -~]{0,8}|%[0-9a-f]{2}|SendMessage|SendMessageBatch|CreateQueue").prop_map(|(n, v)| format!("{n}={v}"))
}

/// Checks that an error can be written in both protocols.
fn check_error(result: &Result<Envelope, Error>) {
    let error = match result {
        Err(error) => error,
        Ok(Envelope { request: Err(error), .. }) => error,
        Ok(_) => return,
    };
    for protocol in [Protocol::Json, Protocol::Query] {
        let reply = encode_error(Some(protocol), error, &RequestId([0; 16]));
        assert!(std::str::from_utf8(&reply.body).is_ok() && reply.status >= 400);
        if protocol == Protocol::Json {
            assert!(serde_json::from_slice::<Value>(&reply.body).is_ok());
        }
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_decoded_or_refused(action in action(), bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        check_error(&decode_json(action, &bytes));
        check_error(&decode_form("/000000000000/q", &bytes));
    }

    #[test]
    fn arbitrary_structures_are_decoded_or_refused(action in action(), body in structure()) {
        let mut body = body;
        check_error(&decode_json(action, body.to_string().as_bytes()));
        body["QueueUrl"] = json!("http://h/000000000000/q");
        check_error(&decode_json(action, body.to_string().as_bytes()));
    }

    #[test]
    fn arbitrary_parameters_are_decoded_or_refused(
        action in action(),
        parameters in prop::collection::vec(parameter(), 0..30),
        path in "(/|/q|/000000000000/q)",
    ) {
        check_error(&decode_form(&path, parameters.join("&").as_bytes()));
        let body = format!("{}&Action={}", parameters.join("&"), action.name());
        check_error(&decode_form(&path, body.as_bytes()));
    }

    #[test]
    fn arbitrary_heads_are_told_apart_or_refused(
        method in "(GET|POST|PUT|)", path in "[/a-z0-9]{0,30}", query in prop::option::of("[ -~]{0,40}"),
        content_type in prop::option::of("[ -~]{0,40}"), target in prop::option::of("[ -~]{0,40}"),
    ) {
        let head = Head {
            method: &method,
            path: &path,
            query: query.as_deref(),
            content_type: content_type.as_deref(),
            target: target.as_deref(),
            trace_header: None,
        };
        check_error(&decode(&head, b"{}"));
    }

    #[test]
    fn arbitrary_documents_are_read_or_refused(name in name(), text in any::<String>(), document in structure()) {
        for text in [text, document.to_string()] {
            if let Err(error) = attributes::parse(&name, &text) {
                prop_assert!(!error.message.is_empty());
            }
        }
    }
}

/// A message to send, for the encoder of the tests.
#[derive(Clone, Debug)]
struct Message {
    body: String,
    delay: Option<i32>,
    attributes: Vec<(String, Attribute)>,
    group: Option<String>,
}

#[derive(Clone, Debug)]
enum Attribute {
    Text(String),
    Number(i64),
    Bytes(Vec<u8>),
}

fn message() -> impl Strategy<Value = Message> {
    let attribute = prop_oneof![
        any::<String>().prop_map(Attribute::Text),
        any::<i64>().prop_map(Attribute::Number),
        prop::collection::vec(any::<u8>(), 0..20).prop_map(Attribute::Bytes),
    ];
    let attributes = prop::collection::btree_map("[A-Za-z0-9_.-]{1,8}", attribute, 0..12);
    let body = prop_oneof![any::<String>(), "[ -~\r\n\t]{0,60}", Just("&=%+\u{fffe}".to_owned())];
    (body, prop::option::of(-1..1000), attributes, prop::option::of("[ -~]{0,10}")).prop_map(
        |(body, delay, attributes, group)| Message { body, delay, attributes: attributes.into_iter().collect(), group },
    )
}

fn to_json(message: &Message, id: Option<&str>) -> Value {
    let mut value = json!({"MessageBody": message.body});
    if let Some(id) = id {
        value["Id"] = id.into();
    }
    if let Some(delay) = message.delay {
        value["DelaySeconds"] = delay.into();
    }
    if let Some(group) = &message.group {
        value["MessageGroupId"] = group.as_str().into();
    }
    for (name, attribute) in &message.attributes {
        value["MessageAttributes"][name] = match attribute {
            Attribute::Text(text) => json!({"DataType": "String", "StringValue": text}),
            Attribute::Number(number) => json!({"DataType": "Number", "StringValue": number.to_string()}),
            Attribute::Bytes(bytes) => {
                json!({"DataType": "Binary", "BinaryValue": data_encoding::BASE64.encode(bytes)})
            }
        };
    }
    value
}

fn to_form(message: &Message, prefix: &str, id: Option<&str>) -> String {
    let mut form = String::new();
    let mut add = |name: &str, value: &str| form.push_str(&format!("&{prefix}{name}={}", escape(value)));
    if let Some(id) = id {
        add("Id", id);
    }
    if let Some(delay) = message.delay {
        add("DelaySeconds", &delay.to_string());
    }
    if let Some(group) = &message.group {
        add("MessageGroupId", group);
    }
    for (index, (name, attribute)) in message.attributes.iter().enumerate() {
        let at = format!("MessageAttribute.{}", index + 1);
        add(&format!("{at}.Name"), name);
        let (data_type, member, value) = match attribute {
            Attribute::Text(text) => ("String", "StringValue", text.clone()),
            Attribute::Number(number) => ("Number", "StringValue", number.to_string()),
            Attribute::Bytes(bytes) => ("Binary", "BinaryValue", data_encoding::BASE64.encode(bytes)),
        };
        add(&format!("{at}.Value.DataType"), data_type);
        add(&format!("{at}.Value.{member}"), &value);
    }
    add("MessageBody", &message.body);
    form
}

/// Escapes a value as browsers do: blanks as `+`.
fn escape(text: &str) -> String {
    let one = |byte: u8| match byte {
        b' ' => "+".to_owned(),
        byte if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) => char::from(byte).to_string(),
        byte => format!("%{byte:02x}"),
    };
    text.bytes().map(one).collect()
}

proptest! {
    #[test]
    fn a_message_means_the_same_in_both_protocols(message in message()) {
        let mut json = to_json(&message, None);
        json["QueueUrl"] = "http://h/000000000000/q".into();
        let form = format!("Action=SendMessage{}", to_form(&message, "", None));
        let from_json = decode_json(Action::SendMessage, json.to_string().as_bytes());
        prop_assert_eq!(from_json, decode_form("/000000000000/q", form.as_bytes()));
    }

    #[test]
    fn a_batch_means_the_same_in_both_protocols(messages in prop::collection::vec(("[a-c]{0,2}", message()), 0..12)) {
        let entries: Vec<_> = messages.iter().map(|(id, message)| to_json(message, Some(id))).collect();
        let json = json!({"QueueUrl": "http://h/000000000000/q", "Entries": entries});
        let mut form = "Action=SendMessageBatch".to_owned();
        for (index, (id, message)) in messages.iter().enumerate() {
            form.push_str(&to_form(message, &format!("SendMessageBatchRequestEntry.{}.", index + 1), Some(id)));
        }
        let from_json = decode_json(Action::SendMessageBatch, json.to_string().as_bytes());
        prop_assert_eq!(from_json, decode_form("/000000000000/q", form.as_bytes()));
    }
}
