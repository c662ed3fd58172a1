//! Walks the two published models of the service and compares what the codecs do with what the models say.
//!
//! A member of a request counts as read only if changing it changes what is decoded; a member of an answer counts as
//! written only if it turns up under the model's name. The last test renames things in the models and expects
//! complaints, so a walk that sees nothing would fail.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};
use stanchion_types::attributes::AttributeName;
use stanchion_types::message::{AttributeValue, Md5, MessageAttribute, SystemAttribute};
use stanchion_types::request::{Action, Envelope};
use stanchion_types::response::{
    BatchResult, MoveStatus, MoveTask, Queues, ReceivedMessage, Response, Sent, SequenceNumber,
};
use stanchion_types::{Error, MessageId, QueueArn, RequestId, Timestamp};
use stanchion_wire::{Head, Origin, Protocol, decode, encode, encode_error, errors};

const CURRENT: &str = include_str!("model/sqs-service-2.json");
const QUERY_ERA: &str = include_str!("model/sqs-service-2-query-era.json");

/// Names in the Query protocol of lists that are younger than the last model of that protocol.
const YOUNGER_LISTS: [(&str, &str); 1] = [("MessageSystemAttributeList", "MessageSystemAttributeName")];

/// Members that the model reserves: a request must not have them, no answer has them.
const RESERVED: [&str; 2] = ["StringListValues", "BinaryListValues"];

/// What the traits of the service's Smithy model say of errors where the older model says nothing. For every other
/// error without traits the Query code is the name of the shape, and the status 400.
const TRAITS: [(&str, &str, u64); 11] = [
    ("InvalidAddress", "InvalidAddress", 404),
    ("InvalidSecurity", "InvalidSecurity", 403),
    ("KmsAccessDenied", "KMS.AccessDeniedException", 400),
    ("KmsDisabled", "KMS.DisabledException", 400),
    ("KmsInvalidKeyUsage", "KMS.InvalidKeyUsageException", 400),
    ("KmsInvalidState", "KMS.InvalidStateException", 400),
    ("KmsNotFound", "KMS.NotFoundException", 400),
    ("KmsOptInRequired", "KMS.OptInRequired", 403),
    ("KmsThrottled", "KMS.ThrottlingException", 400),
    ("ReceiptHandleIsInvalid", "ReceiptHandleIsInvalid", 404),
    ("RequestThrottled", "RequestThrottled", 403),
];

fn current() -> Value {
    serde_json::from_str(CURRENT).expect("the current model is JSON")
}

fn query_era() -> Value {
    serde_json::from_str(QUERY_ERA).expect("the older model is JSON")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("an object, not {value}"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}"))
}

/// A model and what is known about its lists' names in the Query protocol.
#[derive(Clone, Copy)]
struct Model<'m>(&'m Value);

impl<'m> Model<'m> {
    fn operations(self) -> &'m Map<String, Value> {
        object(&self.0["operations"])
    }

    fn shape(self, name: &str) -> &'m Value {
        &self.0["shapes"][name]
    }

    fn shape_of(self, reference: &Value) -> &'m Value {
        self.shape(text(&reference["shape"]))
    }
}

/// Returns the name of a structure's member in the Query protocol: the member's own, its shape's, or the JSON one.
fn query_name<'m>(model: Model<'m>, reference: &'m Value, name: &'m str) -> &'m str {
    let shape = model.shape_of(reference);
    let own = reference.get("locationName").or(shape.get("locationName"));
    let element = || match shape["type"].as_str() {
        Some("list") => Some(list_name(model, reference)),
        _ => None,
    };
    own.map(text).or_else(element).unwrap_or(name)
}

/// Returns the name of a list's elements in the Query protocol.
fn list_name<'m>(model: Model<'m>, reference: &'m Value) -> &'m str {
    let younger = YOUNGER_LISTS.iter().find(|(shape, _)| *shape == text(&reference["shape"]));
    let own = model.shape_of(reference)["member"].get("locationName");
    younger.map(|(_, name)| *name).or(own.map(text)).unwrap_or("an unnamed list")
}

// ---------------------------------------------------------------- requests

/// Builds a good request with every member, as JSON; `other` chooses between two sets of values.
fn sample(model: Model, operation: &str, path: &str, reference: &Value, other: bool) -> Value {
    let shape = model.shape_of(reference);
    let name = path.rsplit('/').next().unwrap_or_default();
    let pick = |one: &str, two: &str| Value::from(if other { two } else { one });
    match text(&shape["type"]) {
        "structure" => {
            let members = object(&shape["members"]).iter();
            let used = members.filter(|(name, _)| !RESERVED.contains(&&***name) && *name != "BinaryValue");
            used.map(|(name, member)| {
                (name.clone(), sample(model, operation, &format!("{path}/{name}"), member, other))
            })
            .collect()
        }
        "list" => json!([sample(model, operation, &format!("{path}/0"), &shape["member"], other)]),
        "map" => {
            let key = match name {
                "Attributes" => "DelaySeconds",
                "MessageSystemAttributes" => "AWSTraceHeader",
                _ => "key",
            };
            json!({key: sample(model, operation, &format!("{path}/{key}"), &shape["value"], other)})
        }
        "integer" => Value::from(if other { 2 } else { 1 }),
        "blob" => pick("AAAA", "AQEB"),
        "string" => match (operation, name) {
            (_, "QueueUrl") => pick("http://h/000000000000/a", "http://h/000000000000/b"),
            (_, "SourceArn") => pick("arn:aws:sqs:us-east-1:000000000000:a", "arn:aws:sqs:us-east-1:000000000000:b"),
            (_, "DestinationArn") => {
                pick("arn:aws:sqs:us-east-1:000000000000:c", "arn:aws:sqs:us-east-1:000000000000:d")
            }
            (_, "QueueOwnerAWSAccountId") => pick("111111111111", "222222222222"),
            ("ListQueues", "QueueNamePrefix") => pick("a", "ab"),
            (_, "NextToken") => Value::from(next_token(operation, if other { "abd" } else { "abc" })),
            (_, "DelaySeconds") => pick("1", "2"),
            (_, "DataType") => pick("String", if path.contains("System") { "Number" } else { "String.x" }),
            (_, "0") => match path.split('/').rev().nth(1) {
                Some("AWSAccountIds") => pick("111111111111", "222222222222"),
                Some("Actions") => pick("SendMessage", "ReceiveMessage"),
                Some("AttributeNames") if operation == "GetQueueAttributes" => pick("Policy", "QueueArn"),
                Some("AttributeNames") => pick("SenderId", "SentTimestamp"),
                Some("MessageSystemAttributeNames") => pick("SequenceNumber", "MessageGroupId"),
                _ => pick("a", "b"),
            },
            _ => pick("a", "b"),
        },
        other => panic!("no sample of the type {other} at {path}"),
    }
}

/// Makes a token as an answer would hold it.
fn next_token(operation: &str, last: &str) -> String {
    let action = Action::from_name(operation).expect("a listing");
    let queue = QueueArn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{last}")).expect("an ARN");
    let response = Response::Queues(Queues { queues: vec![queue], more: true });
    let reply = encode(Protocol::Json, action, &response, || Origin::new("http://h"), &RequestId([0; 16]));
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    text(&body["NextToken"]).to_owned()
}

/// Lists the paths to every value without members of its own, reserved ones included, with their shapes.
fn leaves(model: Model, path: &str, reference: &Value, sample: &Value, found: &mut Vec<(String, String)>) {
    let shape = model.shape_of(reference);
    match text(&shape["type"]) {
        "structure" => {
            for (name, member) in object(&shape["members"]) {
                leaves(model, &format!("{path}/{name}"), member, &sample[name], found);
            }
        }
        "list" => leaves(model, &format!("{path}/0"), &shape["member"], &sample[0], found),
        "map" => {
            let key = sample.as_object().and_then(|map| map.keys().next()).map_or("key", String::as_str);
            leaves(model, &format!("{path}/{key}"), &shape["value"], &sample[key], found);
        }
        _ => found.push((path.to_owned(), text(&reference["shape"]).to_owned())),
    }
}

/// Puts a value at a path, making what is missing on the way.
fn put(root: &mut Value, path: &str, value: Value) {
    let mut at = root;
    for part in path.split('/').filter(|part| !part.is_empty()) {
        at = match (at.is_array(), part.parse::<usize>()) {
            (true, Ok(index)) => &mut at[index],
            (false, Ok(0)) => {
                *at = json!([null]);
                &mut at[0]
            }
            _ => &mut at[part],
        };
    }
    *at = value;
}

/// Writes a request as the parameters of a form, by the rules of the Query protocol.
fn form(model: Model, prefix: &str, reference: &Value, value: &Value, out: &mut Vec<(String, String)>) {
    let shape = model.shape_of(reference);
    match value {
        Value::Object(members) if text(&shape["type"]) == "structure" => {
            for (name, value) in members {
                // A member that the model does not have cannot be written, so renaming one shows.
                let Some(member) = shape["members"].get(name) else { continue };
                let own = query_name(model, member, name);
                let path = if prefix.is_empty() { own.to_owned() } else { format!("{prefix}.{own}") };
                form(model, &path, member, value, out);
            }
        }
        Value::Object(members) => {
            for (index, (key, value)) in members.iter().enumerate() {
                let path = format!("{prefix}.{}", index + 1);
                out.push((format!("{path}.{}", text(&shape["key"]["locationName"])), key.clone()));
                let inner = format!("{path}.{}", text(&shape["value"]["locationName"]));
                form(model, &inner, &shape["value"], value, out);
            }
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                form(model, &format!("{prefix}.{}", index + 1), &shape["member"], element, out);
            }
        }
        Value::String(text) => out.push((prefix.to_owned(), text.clone())),
        other => out.push((prefix.to_owned(), other.to_string())),
    }
}

fn decode_json(operation: &str, request: &Value) -> Result<Envelope, Error> {
    let target = format!("AmazonSQS.{operation}");
    let head = Head { method: "POST", path: "/", target: Some(&target), ..Head::default() };
    decode(&head, request.to_string().as_bytes())
}

/// Complains about operations that are unknown, and about members of requests that are not read.
fn check_requests(current: &Value, query_era: &Value) -> Vec<String> {
    let (current, query_era) = (Model(current), Model(query_era));
    let mut complaints = Vec::new();
    let operations: BTreeSet<_> = current.operations().keys().chain(query_era.operations().keys()).collect();
    let known: BTreeSet<_> = Action::ALL.iter().map(|action| action.name().to_owned()).collect();
    let missing = operations.iter().filter(|name| !known.contains(**name)).map(|name| format!("{name} is unknown"));
    complaints.extend(missing);
    let surplus = known.iter().filter(|name| !operations.contains(name)).map(|name| format!("{name} is no operation"));
    complaints.extend(surplus);
    for operation in current.operations().keys().filter(|name| known.contains(*name)) {
        let input = &current.operations()[operation]["input"];
        let base = sample(current, operation, "", input, false);
        let other = sample(current, operation, "", input, true);
        let decoded = decode_json(operation, &base);
        if !decoded.as_ref().is_ok_and(|envelope| envelope.request.is_ok()) {
            complaints.push(format!("{operation}: the sample is refused: {decoded:?}"));
        }
        let decode_form_of =
            |request: &Value| decode_parameters(operation, &parameters(current, query_era, operation, request));
        let from_form = decode_form_of(&base);
        if decoded != from_form {
            complaints.push(format!("{operation}: the protocols differ: {decoded:?} {from_form:?}"));
        }
        let mut paths = Vec::new();
        leaves(current, "", input, &base, &mut paths);
        for (path, shape) in paths {
            let reserved = RESERVED.iter().any(|name| path.contains(name));
            let value = match other.pointer(&path) {
                Some(value) => value.clone(),
                None if reserved || path.ends_with("BinaryValue") => json!("AAAA"),
                None => {
                    complaints.push(format!("{operation}{path}: no sample"));
                    continue;
                }
            };
            let mut changed = base.clone();
            put(&mut changed, &path, value);
            if decode_json(operation, &changed) == decoded {
                complaints.push(format!("{operation}{path} is not read from JSON"));
            }
            if decode_form_of(&changed) == from_form {
                complaints.push(format!("{operation}{path} is not read from a form"));
            }
            let wrong = if text(&current.shape(&shape)["type"]) == "integer" { json!("x") } else { json!(5) };
            let mut mistyped = base.clone();
            put(&mut mistyped, &path, wrong);
            let code = decode_json(operation, &mistyped).map_err(|error| format!("{:?}", error.code));
            if code != Err("SerializationException".to_owned()) {
                complaints.push(format!("{operation}{path} may have a wrong type"));
            }
        }
    }
    complaints
}

/// Writes a request as parameters: younger members by the current model's shapes, all others by the older model's.
fn parameters(current: Model, query_era: Model, operation: &str, request: &Value) -> Vec<(String, String)> {
    let mut parameters = Vec::new();
    for (name, value) in object(request) {
        let older = &query_era.operations()[operation]["input"];
        let is_younger = query_era.shape_of(older)["members"].get(name).is_none();
        let (model, input) =
            if is_younger { (current, &current.operations()[operation]["input"]) } else { (query_era, older) };
        form(model, "", input, &json!({name: value}), &mut parameters);
    }
    parameters
}

fn decode_parameters(operation: &str, parameters: &[(String, String)]) -> Result<Envelope, Error> {
    let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let mut body = format!("Action={operation}");
    for (name, value) in parameters {
        body.push_str(&format!("&{name}={}", escape(value)));
    }
    decode(&Head { method: "POST", path: "/", ..Head::default() }, body.as_bytes())
}

// ---------------------------------------------------------------- answers

fn arn(name: &str) -> QueueArn {
    QueueArn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).expect("an ARN")
}

/// Builds an answer to an action in which everything turns up at least once.
fn full_response(action: Action) -> Response {
    let sent = || Sent {
        message_id: MessageId([1; 16]),
        body_md5: Md5([1; 16]),
        attributes_md5: Some(Md5([2; 16])),
        system_attributes_md5: Some(Md5([3; 16])),
        sequence_number: Some(SequenceNumber(1)),
    };
    let attribute = |name: &str, value| MessageAttribute { name: name.into(), data_type: "String".into(), value };
    match action {
        Action::CreateQueue | Action::GetQueueUrl => Response::Queue(arn("a")),
        Action::ListQueues | Action::ListDeadLetterSourceQueues => {
            Response::Queues(Queues { queues: vec![arn("a")], more: true })
        }
        Action::GetQueueAttributes => Response::Attributes(vec![(AttributeName::DelaySeconds, "1".into())]),
        Action::ListQueueTags => Response::Tags(vec![("k".into(), "v".into())]),
        Action::SendMessage => Response::Sent(sent()),
        Action::SendMessageBatch => Response::SentBatch(vec![
            BatchResult { id: "a".into(), outcome: Ok(sent()) },
            BatchResult { id: "b".into(), outcome: Err(Error::invalid_handle("x")) },
        ]),
        Action::DeleteMessageBatch | Action::ChangeMessageVisibilityBatch => Response::Batch(vec![
            BatchResult { id: "a".into(), outcome: Ok(()) },
            BatchResult { id: "b".into(), outcome: Err(Error::invalid_handle("x")) },
        ]),
        Action::ReceiveMessage => Response::Messages(vec![ReceivedMessage {
            message_id: MessageId([1; 16]),
            receipt_handle: "handle".into(),
            body: "body".into(),
            body_md5: Md5([1; 16]),
            system_attributes: vec![(SystemAttribute::SenderId, "x".into())],
            attributes: vec![
                attribute("a", AttributeValue::Text("x".into())),
                attribute("b", AttributeValue::Binary(vec![1])),
            ],
        }]),
        Action::StartMessageMoveTask => Response::TaskStarted { task_handle: "handle".into() },
        Action::CancelMessageMoveTask => Response::TaskCancelled { moved: 1 },
        Action::ListMessageMoveTasks => Response::Tasks(vec![MoveTask {
            task_handle: Some("handle".into()),
            status: MoveStatus::Failed,
            source: arn("a"),
            destination: Some(arn("b")),
            rate: Some(1),
            moved: 1,
            to_move: 2,
            failure: Some("AccessDenied".into()),
            started: Timestamp::from_millis(1),
        }]),
        Action::AddPermission
        | Action::ChangeMessageVisibility
        | Action::DeleteMessage
        | Action::DeleteQueue
        | Action::PurgeQueue
        | Action::RemovePermission
        | Action::SetQueueAttributes
        | Action::TagQueue
        | Action::UntagQueue => Response::Done,
    }
}

fn encode_full(protocol: Protocol, action: Action) -> String {
    let reply = encode(protocol, action, &full_response(action), || Origin::new("http://h"), &RequestId([0; 16]));
    String::from_utf8(reply.body).expect("text")
}

/// Complains about members of answers that are not written, are not in the model, or have another type.
fn check_json_answers(model: &Value) -> Vec<String> {
    let model = Model(model);
    let mut complaints = Vec::new();
    for (operation, description) in model.operations() {
        let Some(action) = Action::from_name(operation) else { continue };
        let body = encode_full(Protocol::Json, action);
        let Some(output) = description.get("output") else {
            if !body.is_empty() {
                complaints.push(format!("{operation} has an answer: {body}"));
            }
            continue;
        };
        let body: Value = serde_json::from_str(&body).expect("JSON");
        compare_json(model, operation, output, &[&body], &mut complaints);
    }
    complaints
}

/// Compares several values of the same shape: together they must have every member.
fn compare_json(model: Model, path: &str, reference: &Value, values: &[&Value], complaints: &mut Vec<String>) {
    let shape = model.shape_of(reference);
    let kind = text(&shape["type"]);
    let right = |value: &Value| match kind {
        "structure" | "map" => value.is_object(),
        "list" => value.is_array(),
        "integer" | "long" => value.is_u64(),
        "boolean" => value.is_boolean(),
        _ => value.is_string(),
    };
    complaints.extend(values.iter().filter(|value| !right(value)).map(|value| format!("{path} is no {kind}: {value}")));
    match kind {
        "structure" => {
            for (name, member) in object(&shape["members"]).iter().filter(|(name, _)| !RESERVED.contains(&&***name)) {
                let inner: Vec<_> = values.iter().filter_map(|value| value.get(name)).collect();
                if inner.is_empty() {
                    complaints.push(format!("{path}/{name} is not written"));
                }
                compare_json(model, &format!("{path}/{name}"), member, &inner, complaints);
            }
            for name in values.iter().flat_map(|value| object(value).keys()) {
                if shape["members"].get(name).is_none() {
                    complaints.push(format!("{path}/{name} is not in the model"));
                }
            }
        }
        "list" => {
            let inner: Vec<_> = values.iter().filter_map(|value| value.as_array()).flatten().collect();
            compare_json(model, path, &shape["member"], &inner, complaints);
        }
        "map" => {
            let inner: Vec<_> = values.iter().filter_map(|value| value.as_object()).flat_map(Map::values).collect();
            compare_json(model, path, &shape["value"], &inner, complaints);
        }
        _ => {}
    }
}

/// An XML element: its name with attributes, and what it holds.
#[derive(Debug, Default)]
struct Element {
    tag: String,
    children: Vec<Element>,
    text: String,
}

/// Reads a document without comments, references or mixed content, such as the codec writes for these answers.
fn parse_xml(document: &str) -> Element {
    let mut stack = vec![Element::default()];
    let body = document.strip_prefix("<?xml version=\"1.0\"?>").expect("a declaration");
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').expect("a closed tag");
        if let Some(name) = tag.strip_prefix('/') {
            let element = stack.pop().expect("an open element");
            assert_eq!(element.tag.split(' ').next(), Some(name), "{document}");
            stack.last_mut().expect("a parent").children.push(element);
            assert_eq!(text, "", "{document}");
        } else if let Some(name) = tag.strip_suffix('/') {
            let element = Element { tag: name.to_owned(), ..Element::default() };
            stack.last_mut().expect("a parent").children.push(element);
        } else {
            stack.push(Element { tag: tag.to_owned(), text: text.to_owned(), ..Element::default() });
        }
    }
    let mut root = stack.pop().expect("the document");
    assert!(stack.is_empty() && root.children.len() == 1, "{document}");
    root.children.remove(0)
}

impl Element {
    fn named<'e>(&'e self, tag: &str) -> Vec<&'e Element> {
        self.children.iter().filter(|child| child.tag == tag).collect()
    }
}

/// Complains about elements of answers that are not written, are not in the model, or hold something else.
fn check_xml_answers(model: &Value) -> Vec<String> {
    let namespace = text(&model["metadata"]["xmlNamespace"]);
    let model = Model(model);
    let mut complaints = Vec::new();
    for (operation, description) in model.operations() {
        let Some(action) = Action::from_name(operation) else { continue };
        let root = parse_xml(&encode_full(Protocol::Query, action));
        if root.tag != format!("{operation}Response xmlns=\"{namespace}\"") {
            complaints.push(format!("{operation}: the root is {}", root.tag));
        }
        let mut expected = vec!["ResponseMetadata"];
        if let Some(output) = description.get("output") {
            let wrapper = text(&output["resultWrapper"]);
            expected.insert(0, wrapper);
            compare_xml(model, operation, output, &root.named(wrapper), &mut complaints);
        }
        let found: Vec<_> = root.children.iter().map(|child| child.tag.as_str()).collect();
        if found != expected {
            complaints.push(format!("{operation}: {found:?} instead of {expected:?}"));
        }
    }
    complaints
}

/// Compares several elements of the same structure: together they must have every member.
fn compare_xml(model: Model, path: &str, reference: &Value, elements: &[&Element], complaints: &mut Vec<String>) {
    let shape = model.shape_of(reference);
    let kind = text(&shape["type"]);
    if kind != "structure" {
        let holds_text = |element: &&&Element| element.children.is_empty() && !element.text.is_empty();
        let right = |element: &&&Element| match kind {
            "integer" | "long" => element.text.parse::<u64>().is_ok(),
            "boolean" => matches!(element.text.as_str(), "true" | "false"),
            _ => true,
        };
        let wrong = elements.iter().filter(|element| !holds_text(element) || !right(element));
        complaints.extend(wrong.map(|element| format!("{path} is no {kind}: {element:?}")));
        return;
    }
    let mut known = BTreeSet::new();
    for (name, member) in object(&shape["members"]).iter().filter(|(name, _)| !RESERVED.contains(&&***name)) {
        let tag = query_name(model, member, name);
        known.insert(tag);
        let inner: Vec<_> = elements.iter().flat_map(|element| element.named(tag)).collect();
        if inner.is_empty() {
            complaints.push(format!("{path}/{tag} is not written"));
        }
        let member_shape = model.shape_of(member);
        match text(&member_shape["type"]) {
            "list" => compare_xml(model, &format!("{path}/{tag}"), &member_shape["member"], &inner, complaints),
            "map" => {
                for side in ["key", "value"] {
                    let tag = text(&member_shape[side]["locationName"]);
                    let inner: Vec<_> = inner.iter().flat_map(|pair| pair.named(tag)).collect();
                    if inner.is_empty() {
                        complaints.push(format!("{path}/{tag} is not written"));
                    }
                    compare_xml(model, &format!("{path}/{tag}"), &member_shape[side], &inner, complaints);
                }
            }
            _ => compare_xml(model, &format!("{path}/{tag}"), member, &inner, complaints),
        }
    }
    for child in elements.iter().flat_map(|element| &element.children) {
        if !known.contains(child.tag.as_str()) {
            complaints.push(format!("{path}/{} is not in the model", child.tag));
        }
    }
}

// ---------------------------------------------------------------- errors and enumerations

/// Complains about errors of the model that have no row, a wrong one, or are written otherwise than the row says.
///
/// Codes and statuses come from the older model's traits, since the current one has none.
fn check_errors(model: &Value, older: &Value) -> Vec<String> {
    let mut complaints = Vec::new();
    let shapes = object(&model["shapes"]).iter().filter(|(_, shape)| shape.get("exception").is_some());
    for (name, _) in shapes {
        let found = errors::ALL.iter().find(|code| errors::entry(**code).shape == name);
        let Some(code) = found else {
            complaints.push(format!("{name} has no row"));
            continue;
        };
        let row = errors::entry(*code);
        let traits = TRAITS.iter().find(|(shape, ..)| shape == name);
        let (query, status) = match (older["shapes"][name].get("error"), traits) {
            (Some(error), _) => (text(&error["code"]), error["httpStatusCode"].as_u64().expect("a status")),
            (None, Some((_, query, status))) => (*query, *status),
            (None, None) => (name.as_str(), 400),
        };
        if !row.modelled || row.query != query || u64::from(row.status) != status {
            complaints.push(format!("{name} is {query} with {status}, not {row:?}"));
        }
        complaints.extend(check_error_reply(&errors::entry(*code), &Error::new(*code, "why"), name, query, status));
    }
    complaints
}

fn check_error_reply(row: &errors::Entry, error: &Error, name: &str, query: &str, status: u64) -> Option<String> {
    let id = RequestId([0; 16]);
    let reply = encode_error(Some(Protocol::Json), error, &id);
    let body: Value = serde_json::from_slice(&reply.body).expect("JSON");
    let header = format!("{query};{}", row.fault().name());
    let json_is_right = u64::from(reply.status) == status
        && body == json!({"__type": format!("com.amazonaws.sqs#{name}"), "message": "why"})
        && reply.query_error.as_deref() == Some(&header);
    let reply = encode_error(Some(Protocol::Query), error, &id);
    let root = parse_xml(std::str::from_utf8(&reply.body).expect("text"));
    let code = root.named("Error").first().and_then(|error| error.named("Code").first().map(|code| code.text.clone()));
    let xml_is_right = u64::from(reply.status) == status && code.as_deref() == Some(query);
    (!json_is_right || !xml_is_right).then(|| format!("{name} is written otherwise: {body} {root:?}"))
}

/// Complains about attributes of the model that are unknown here.
fn check_enumerations(model: &Value) -> Vec<String> {
    let values = |shape: &str| model["shapes"][shape]["enum"].as_array().into_iter().flatten().map(text);
    let queue = values("QueueAttributeName").filter(|name| *name != "All" && AttributeName::from_name(name).is_none());
    let message = values("MessageSystemAttributeName")
        .filter(|name| *name != "All" && SystemAttribute::from_name(name).is_none());
    queue.chain(message).map(|name| format!("{name} is unknown")).collect()
}

#[test]
fn every_member_of_every_request_is_read_in_both_protocols() {
    assert_eq!(check_requests(&current(), &query_era()), Vec::<String>::new());
}

#[test]
fn every_member_of_every_answer_is_written_as_json() {
    assert_eq!(check_json_answers(&current()), Vec::<String>::new());
}

#[test]
fn every_member_of_every_answer_is_written_as_xml() {
    assert_eq!(check_xml_answers(&query_era()), Vec::<String>::new());
}

#[test]
fn every_error_has_the_models_code_and_status() {
    assert_eq!(check_errors(&query_era(), &query_era()), Vec::<String>::new());
    assert_eq!(check_errors(&current(), &query_era()), Vec::<String>::new());
}

#[test]
fn every_modelled_error_of_the_table_is_in_the_model() {
    let model = current();
    for code in errors::ALL {
        let row = errors::entry(*code);
        assert_eq!(row.modelled, model["shapes"][row.shape]["exception"] == true, "{row:?}");
    }
}

#[test]
fn every_enumerated_attribute_is_known() {
    assert_eq!(check_enumerations(&current()), Vec::<String>::new());
    assert_eq!(check_enumerations(&query_era()), Vec::<String>::new());
}

/// Renames a key of an object inside a model.
fn rename(model: &mut Value, pointer: &str, from: &str, to: &str) {
    let object = model.pointer_mut(pointer).and_then(Value::as_object_mut).expect(pointer);
    let value = object.remove(from).expect(from);
    object.insert(to.to_owned(), value);
}

/// Asserts that some complaint speaks of something.
fn assert_seen(complaints: &[String], what: &str) {
    assert!(complaints.iter().any(|complaint| complaint.contains(what)), "{what} in {complaints:?}");
}

#[test]
fn a_renamed_member_of_a_request_is_seen() {
    for (shape, member) in [("SendMessageRequest", "MessageGroupId"), ("ReceiveMessageRequest", "WaitTimeSeconds")] {
        let (mut current, mut query_era) = (current(), query_era());
        for model in [&mut current, &mut query_era] {
            rename(model, &format!("/shapes/{shape}/members"), member, "Renamed");
        }
        let complaints = check_requests(&current, &query_era);
        assert_seen(&complaints, "/Renamed is not read from JSON");
        assert_seen(&complaints, "/Renamed is not read from a form");
    }
    let mut query_era = query_era();
    query_era["shapes"]["TagMap"]["key"]["locationName"] = json!("Name");
    assert_seen(&check_requests(&current(), &query_era), "TagQueue: the protocols differ");
}

#[test]
fn a_renamed_member_of_an_answer_is_seen() {
    let mut model = current();
    rename(&mut model, "/shapes/ListDeadLetterSourceQueuesResult/members", "queueUrls", "QueueUrls");
    let complaints = check_json_answers(&model);
    assert_seen(&complaints, "ListDeadLetterSourceQueues/QueueUrls is not written");
    assert_seen(&complaints, "ListDeadLetterSourceQueues/queueUrls is not in the model");
    let mut model = query_era();
    model["shapes"]["QueueAttributeMap"]["value"]["locationName"] = json!("Renamed");
    model["operations"]["SendMessage"]["output"]["resultWrapper"] = json!("Wrapped");
    let complaints = check_xml_answers(&model);
    assert_seen(&complaints, "GetQueueAttributes/Renamed is not written");
    assert_seen(&complaints, "SendMessage: ");
}

#[test]
fn a_new_operation_a_new_error_and_a_new_attribute_are_seen() {
    let mut model = current();
    let operation = model["operations"]["PurgeQueue"].clone();
    model["operations"]["PeekMessage"] = operation;
    assert_seen(&check_requests(&model, &query_era()), "PeekMessage is unknown");
    rename(&mut model, "/shapes", "OverLimit", "UnderLimit");
    assert_seen(&check_errors(&model, &query_era()), "UnderLimit has no row");
    model["shapes"]["QueueAttributeName"]["enum"].as_array_mut().expect("a list").push(json!("Colour"));
    assert_seen(&check_enumerations(&model), "Colour is unknown");
    let mut model = query_era();
    model["shapes"]["OverLimit"]["error"]["httpStatusCode"] = json!(400);
    assert_seen(&check_errors(&current(), &model), "OverLimit is OverLimit with 400");
}
