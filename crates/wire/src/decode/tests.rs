use stanchion_types::attributes::{AttributeChange, AttributeName};
use stanchion_types::message::{AttributeValue, NameFilter, SystemAttribute, SystemAttributes};
use stanchion_types::request::{
    AttributeNames, CreateQueue, GetQueueAttributes, ReceiveMessage, Request, SendMessage, SendMessageBatch,
};
use stanchion_types::{AccountId, QueueName};

use super::*;
use crate::digest::md5_text;

const URL: &str = "http://localhost:9324/000000000000/q";

fn json(action: &str, body: &str) -> Result<Envelope, Error> {
    let target = format!("AmazonSQS.{action}");
    let head = Head { method: "POST", path: "/", target: Some(&target), ..Head::default() };
    decode(&head, body.as_bytes())
}

/// Decodes JSON whose queue URL is filled in.
fn json_at(action: &str, members: &str) -> Result<Envelope, Error> {
    let comma = if members.is_empty() { "" } else { "," };
    json(action, &format!("{{\"QueueUrl\":\"{URL}\"{comma}{members}}}"))
}

fn form(path: &str, body: &str) -> Result<Envelope, Error> {
    let content_type = Some("application/x-www-form-urlencoded");
    decode(&Head { method: "POST", path, content_type, ..Head::default() }, body.as_bytes())
}

/// Decodes a form at the path of a queue.
fn form_at(body: &str) -> Result<Envelope, Error> {
    form("/000000000000/q", body)
}

fn sent(envelope: Result<Envelope, Error>) -> stanchion_types::message::NewMessage {
    match envelope.expect("a good request").request.expect("good values") {
        Request::SendMessage(SendMessage { message }) => message,
        other => panic!("{other:?}"),
    }
}

fn batch(envelope: Result<Envelope, Error>) -> SendMessageBatch {
    match envelope.expect("a good request").request.expect("good values") {
        Request::SendMessageBatch(batch) => batch,
        other => panic!("{other:?}"),
    }
}

fn received(envelope: Result<Envelope, Error>) -> ReceiveMessage {
    match envelope.expect("a good request").request.expect("good values") {
        Request::ReceiveMessage(receive) => receive,
        other => panic!("{other:?}"),
    }
}

/// Asserts that a request is refused while it is read.
fn refused(envelope: Result<Envelope, Error>, code: Code, message: &str) {
    let error = envelope.expect_err("a refusal");
    assert_eq!((error.code, &*error.message), (code, message));
}

/// Asserts that a request is refused for its values, once the queue was found.
fn refused_later(envelope: Result<Envelope, Error>, code: Code, message: &str) {
    let error = envelope.expect("a request that parses").request.expect_err("a refusal");
    assert_eq!((error.code, &*error.message), (code, message));
}

#[test]
fn json_is_decoded_whatever_the_path_is() {
    let body = format!("{{\"QueueUrl\":\"{URL}\",\"MessageBody\":\"hi\"}}");
    let target = Some("AmazonSQS.SendMessage");
    for path in ["/", "/000000000000/other", "/x"] {
        let envelope = decode(&Head { method: "POST", path, target, ..Head::default() }, body.as_bytes());
        let queue = envelope.as_ref().ok().and_then(|envelope| envelope.queue.clone()).expect("a queue");
        assert_eq!((queue.account, queue.name.as_str()), (AccountId::new("000000000000"), "q"), "{path}");
        assert_eq!(sent(envelope).body, "hi");
    }
}

#[test]
fn a_form_takes_the_queue_from_its_path_unless_a_parameter_names_it() {
    let at_path = form_at("Action=PurgeQueue").expect("a queue in the path");
    assert_eq!(at_path.queue.expect("a queue").name.as_str(), "q");
    let both = form_at("Action=PurgeQueue&QueueUrl=http%3A%2F%2Fhost%2F111111111111%2Fother%2F").expect("a queue");
    let queue = both.queue.expect("a queue");
    assert_eq!((queue.account, queue.name.as_str()), (AccountId::new("111111111111"), "other"));
    let slash = form("/000000000000/q/", "Action=PurgeQueue").expect("a slash at the end does not matter");
    assert_eq!(slash.queue.expect("a queue").name.as_str(), "q");
    refused(
        form("/", "Action=SendMessage&MessageBody=x"),
        Code::InvalidAction,
        "The action SendMessage is not valid for this endpoint.",
    );
    refused(
        form_at("Action=CreateQueue&QueueName=x"),
        Code::InvalidAction,
        "The action CreateQueue is not valid for this endpoint.",
    );
    refused(form_at("Action=ListQueues"), Code::InvalidAction, "The action ListQueues is not valid for this endpoint.");
}

#[test]
fn a_get_takes_its_parameters_from_the_url_and_ignores_the_signature_among_them() {
    let query = Some("Action=SendMessage&Version=2012-11-05&MessageBody=a%2Bb+c&X-Amz-Signature=00");
    let head = Head { method: "GET", path: "/000000000000/q", query, ..Head::default() };
    assert_eq!(sent(decode(&head, b"")).body, "a+b c");
}

#[test]
fn parameters_of_the_url_and_the_body_are_merged_and_the_body_wins() {
    let query = Some("Action=SendMessage&MessageBody=url&DelaySeconds=3");
    let head = Head { method: "POST", path: "/000000000000/q", query, ..Head::default() };
    let message = sent(decode(&head, b"MessageBody=body"));
    assert_eq!((message.body.as_str(), message.delay_seconds), ("body", Some(3)));
}

#[test]
fn actions_that_do_not_exist_are_refused() {
    refused(json("Foo", "{}"), Code::UnknownOperation, "The action Foo is not valid for this endpoint.");
    refused(
        json("sendmessage", "{}"),
        Code::UnknownOperation,
        "The action sendmessage is not valid for this endpoint.",
    );
    refused(form("/", "Action=Foo"), Code::InvalidAction, "The action Foo is not valid for this endpoint.");
    refused(form("/", "Foo=Bar"), Code::MissingAction, "The request must contain the parameter Action.");
    let head = Head { method: "POST", path: "/", target: Some("DynamoDB.ListQueues"), ..Head::default() };
    assert_eq!(decode(&head, b"{}").map_err(|error| error.code), Err(Code::UnknownOperation));
    let head = Head { method: "GET", path: "/", ..Head::default() };
    assert_eq!(decode(&head, b"").map_err(|error| error.code), Err(Code::UnknownOperation));
}

#[test]
fn only_the_current_version_and_none_are_accepted() {
    assert!(form("/", "Action=ListQueues").is_ok());
    assert!(form("/", "Action=ListQueues&Version=2012-11-05").is_ok());
    assert!(form("/", "Action=ListQueues&Version=").is_ok());
    assert_eq!(form("/", "Action=ListQueues&Version=1999-01-01").map_err(|error| error.code), Err(Code::NoSuchVersion));
}

#[test]
fn required_members_are_missed_in_both_protocols() {
    for (action, members, parameters, missing) in [
        ("SendMessage", "", "", "MessageBody"),
        ("SendMessage", "\"MessageBody\":\"\"", "&MessageBody=", "MessageBody"),
        ("SendMessage", "\"MessageBody\":null", "", "MessageBody"),
        ("DeleteMessage", "", "", "ReceiptHandle"),
        ("ChangeMessageVisibility", "\"VisibilityTimeout\":1", "&VisibilityTimeout=1", "ReceiptHandle"),
        ("ChangeMessageVisibility", "\"ReceiptHandle\":\"h\"", "&ReceiptHandle=h", "VisibilityTimeout"),
        ("SetQueueAttributes", "\"Attributes\":{}", "", "Attributes"),
        ("TagQueue", "\"Tags\":{}", "", "Tags"),
        ("UntagQueue", "\"TagKeys\":[]", "&TagKey=", "TagKeys"),
        ("AddPermission", "", "", "Label"),
        ("AddPermission", "\"Label\":\"l\"", "&Label=l", "Actions"),
        ("RemovePermission", "", "", "Label"),
        ("StartMessageMoveTask", "", "", "SourceArn"),
        ("ListMessageMoveTasks", "", "", "SourceArn"),
        ("CancelMessageMoveTask", "", "", "TaskHandle"),
        ("GetQueueUrl", "", "", "QueueName"),
    ] {
        let message = format!("The request must contain the parameter {missing}.");
        refused(json_at(action, members), Code::MissingParameter, &message);
        refused(form_at(&format!("Action={action}{parameters}")), Code::MissingParameter, &message);
    }
    refused(json("CreateQueue", "{}"), Code::MissingParameter, "The request must contain the parameter QueueName.");
    refused(json("PurgeQueue", ""), Code::MissingParameter, "The request must contain the parameter QueueUrl.");
}

#[test]
fn a_missing_member_is_told_before_a_queue_that_cannot_exist() {
    let body = "{\"QueueUrl\":\"no such queue\"}";
    refused(json("SendMessage", body), Code::MissingParameter, "The request must contain the parameter MessageBody.");
    refused(json("PurgeQueue", body), Code::QueueDoesNotExist, "The specified queue does not exist.");
    refused(
        json("PurgeQueue", "{\"QueueUrl\":\"https://queue.amazonaws.com/\"}"),
        Code::InvalidAddress,
        "The address https://queue.amazonaws.com/ is not valid for this endpoint.",
    );
    refused(
        json("GetQueueUrl", "{\"QueueName\":\"a b\"}"),
        Code::QueueDoesNotExist,
        "The specified queue does not exist.",
    );
}

#[test]
fn wrong_json_types_are_serialization_errors() {
    for (members, message) in [
        ("\"MessageBody\":5", "NUMBER_VALUE cannot be converted to String"),
        ("\"MessageBody\":5.5", "DECIMAL_VALUE cannot be converted to String"),
        ("\"MessageBody\":true", "TRUE_VALUE cannot be converted to String"),
        ("\"MessageBody\":[]", "Start of list found where not expected"),
        ("\"MessageBody\":{}", "Start of structure or map found where not expected."),
        ("\"MessageBody\":\"x\",\"DelaySeconds\":\"5\"", "STRING_VALUE cannot be converted to Integer"),
        ("\"MessageBody\":\"x\",\"DelaySeconds\":5.5", "DECIMAL_VALUE cannot be converted to Integer"),
        ("\"MessageBody\":\"x\",\"DelaySeconds\":2147483648", "NUMBER_VALUE cannot be converted to Integer"),
        ("\"MessageBody\":\"x\",\"MessageAttributes\":\"x\"", "STRING_VALUE cannot be converted to Map"),
        ("\"MessageBody\":\"x\",\"MessageAttributes\":{\"a\":5}", "NUMBER_VALUE cannot be converted to Structure"),
    ] {
        refused(json_at("SendMessage", members), Code::SerializationException, message);
    }
    refused(
        json_at("GetQueueAttributes", "\"AttributeNames\":\"All\""),
        Code::SerializationException,
        "STRING_VALUE cannot be converted to List",
    );
}

#[test]
fn malformed_json_is_a_serialization_error() {
    let deep = format!("{{\"x\":{}1{}}}", "[".repeat(200), "]".repeat(200));
    let wide = format!("{{\"x\":[{}0]}}", "0,".repeat(100_000));
    for body in ["{", "[]", "5", "\"x\"", "{} {}", "{\"a\":1,}", "{'a':1}", "\u{feff}{}", "nul", &deep, &wide] {
        let error = json("ListQueues", body).map_err(|error| error.code);
        assert_eq!(error, Err(Code::SerializationException), "{}", &body[..body.len().min(20)]);
    }
    let head = Head { method: "POST", path: "/", target: Some("AmazonSQS.ListQueues"), ..Head::default() };
    let invalid_utf8 = decode(&head, b"{\"QueueNamePrefix\":\"\xff\"}");
    assert_eq!(invalid_utf8.map_err(|error| error.code), Err(Code::SerializationException));
}

#[test]
fn unknown_members_nulls_and_an_empty_body_are_fine() {
    assert!(json("ListQueues", "").is_ok() && json("ListQueues", " \n").is_ok());
    let members = "\"MessageBody\":\"x\",\"Future\":{\"a\":[1,{}]},\"DelaySeconds\":null,\"MessageAttributes\":null";
    assert_eq!(sent(json_at("SendMessage", members)).delay_seconds, None);
    let repeated = sent(json_at("SendMessage", "\"MessageBody\":\"x\",\"MessageBody\":\"y\",\"DelaySeconds\":20.0"));
    assert_eq!((repeated.body.as_str(), repeated.delay_seconds), ("y", Some(20)));
}

#[test]
fn forms_that_do_not_decode_are_malformed() {
    for body in
        ["Action=ListQueues&x=%", "Action=ListQueues&x=%4", "Action=ListQueues&x=%zz", "Action=%ff", "\u{1}=%80"]
    {
        assert_eq!(form("/", body).map_err(|error| error.code), Err(Code::MalformedQueryString), "{body}");
    }
    let many = format!("Action=ListQueues{}", "&a=b".repeat(100_000));
    refused(form("/", &many), Code::MalformedQueryString, "The request has more than 10000 parameters.");
    assert_eq!(
        form("/", "Action=SendMessage&QueueUrl=q&MessageBody=x&DelaySeconds=abc").map_err(|error| error.message.into()),
        Err("Value abc for parameter DelaySeconds is invalid. Reason: Must be an integer.".to_owned())
    );
}

#[test]
fn a_message_carries_its_digests_and_every_member() {
    let members = r#""MessageBody":"{\"foo\":20}","DelaySeconds":0,"MessageGroupId":"g","MessageDeduplicationId":"d",
        "MessageAttributes":{"blob":{"DataType":"Binary.png","BinaryValue":"AAEC/w=="},
            "a":{"DataType":"String","StringValue":"\u00e9"},"Count":{"DataType":"Number.int","StringValue":"42"}},
        "MessageSystemAttributes":{"AWSTraceHeader":{"DataType":"String",
            "StringValue":"Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"}}"#;
    let parameters = "Action=SendMessage&MessageBody=%7B%22foo%22%3A20%7D&DelaySeconds=0&MessageGroupId=g\
        &MessageDeduplicationId=d&MessageAttribute.1.Name=blob&MessageAttribute.1.Value.DataType=Binary.png\
        &MessageAttribute.1.Value.BinaryValue=AAEC%2Fw%3D%3D&MessageAttribute.10.Name=a\
        &MessageAttribute.10.Value.DataType=String&MessageAttribute.10.Value.StringValue=%C3%A9\
        &MessageAttribute.9.Name=Count&MessageAttribute.9.Value.DataType=Number.int\
        &MessageAttribute.9.Value.StringValue=42&MessageSystemAttribute.1.Name=AWSTraceHeader\
        &MessageSystemAttribute.1.Value.DataType=String&MessageSystemAttribute.1.Value.StringValue=\
        Root%3D1-5759e988-bd862e3fe1be46a994272793%3BParent%3D53995c3f42cd8ad8%3BSampled%3D1";
    let message = sent(json_at("SendMessage", members));
    assert_eq!(message, sent(form_at(parameters)));
    assert_eq!(message.attributes_md5.as_ref().map(md5_text).as_deref(), Some("b304a10c89ca9d80a53b51b7c3a5b46e"));
    let system_md5 = message.system_attributes_md5.as_ref().map(md5_text);
    assert_eq!(system_md5.as_deref(), Some("5ae4d5d7636402d80f4eb6d213245a88"));
    assert_eq!(message.attributes[2].value, AttributeValue::Binary(vec![0, 1, 2, 255]));
    assert_eq!((message.delay_seconds, message.group_id.as_deref()), (Some(0), Some("g")));
    assert_eq!(message.deduplication_id.as_deref(), Some("d"));
    assert!(message.trace_header.is_some_and(|header| header.starts_with("Root=")));
}

#[test]
fn the_trace_header_of_the_request_counts_unless_the_message_has_one() {
    let target = Some("AmazonSQS.SendMessage");
    let head = Head { method: "POST", path: "/", target, trace_header: Some("Root=1"), ..Head::default() };
    let message = sent(decode(&head, b"{\"QueueUrl\":\"q\",\"MessageBody\":\"x\"}"));
    assert_eq!((message.trace_header.as_deref(), message.system_attributes_md5), (Some("Root=1"), None));
}

#[test]
fn unpaired_surrogates_and_other_illegal_characters_are_refused_where_they_stand() {
    let text = crate::text::ILLEGAL_CHARACTERS;
    for body in ["\\ud800", "\\udc00 x", "x\\ud800\\u0041", "\\ufffe", "\\u0000", "\\uffff", "\\ud800\\ud800\\udc00"] {
        refused_later(
            json_at("SendMessage", &format!("\"MessageBody\":\"{body}\"")),
            Code::InvalidMessageContents,
            text,
        );
        let members = format!(
            "\"MessageBody\":\"x\",\"MessageAttributes\":{{\"a\":{{\"DataType\":\"String\",\"StringValue\":\"{body}\"}}}}"
        );
        refused_later(json_at("SendMessage", &members), Code::InvalidParameterValue, text);
    }
    refused_later(form_at("Action=SendMessage&MessageBody=%EF%BF%BE"), Code::InvalidMessageContents, text);
    assert_eq!(sent(json_at("SendMessage", "\"MessageBody\":\"\\ud83d\\ude00\\\\ud800\"")).body, "😀\\ud800");
    assert_eq!(sent(form_at("Action=SendMessage&MessageBody=+")).body, " ");
    assert_eq!(sent(form_at("Action=SendMessage&MessageBody=a%0D%0A%09%7F%C2%85")).body, "a\r\n\t\u{7f}\u{85}");
}

#[test]
fn values_of_a_message_out_of_range_are_refused_later() {
    let delay = "DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900.";
    for (member, parameter, value, message) in [
        ("\"DelaySeconds\":901", "DelaySeconds=901", "901", delay),
        ("\"DelaySeconds\":-1", "DelaySeconds=-1", "-1", delay),
        (
            "\"MessageGroupId\":\"x y\"",
            "MessageGroupId=x+y",
            "x y",
            "MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation \
             characters. 1 to 128 in length.",
        ),
        (
            "\"MessageDeduplicationId\":\"\"",
            "MessageDeduplicationId=",
            "",
            "MessageDeduplicationId is invalid. Reason: MessageDeduplicationId can only include alphanumeric and \
             punctuation characters. 1 to 128 in length.",
        ),
    ] {
        let message = format!("Value {value} for parameter {message}");
        let members = format!("\"MessageBody\":\"x\",{member}");
        refused_later(json_at("SendMessage", &members), Code::InvalidParameterValue, &message);
        let parameters = format!("Action=SendMessage&MessageBody=x&{parameter}");
        refused_later(form_at(&parameters), Code::InvalidParameterValue, &message);
    }
}

#[test]
fn a_batch_is_checked_in_shape_before_its_entries() {
    let entry = |id: &str| format!("{{\"Id\":\"{id}\",\"MessageBody\":\"x\"}}");
    let send = |entries: &[String]| json_at("SendMessageBatch", &format!("\"Entries\":[{}]", entries.join(",")));
    refused_later(
        send(&[]),
        Code::EmptyBatchRequest,
        "There should be at least one SendMessageBatchRequestEntry in the request.",
    );
    let eleven: Vec<_> = (0..11).map(|id| entry(&id.to_string())).collect();
    refused_later(
        send(&eleven),
        Code::TooManyEntriesInBatchRequest,
        "Maximum number of entries per request are 10. You have sent 11.",
    );
    for id in ["", "a.b", "a b", "é", &"x".repeat(81)] {
        refused_later(
            send(&[entry(id)]),
            Code::InvalidBatchEntryId,
            "A batch entry id can only contain alphanumeric characters, hyphens and underscores. \
             It can be at most 80 letters long.",
        );
    }
    refused_later(send(&[entry("a"), entry("b"), entry("a")]), Code::BatchEntryIdsNotDistinct, "Id a repeated.");
    for action in ["DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        let message = format!("There should be at least one {action}RequestEntry in the request.");
        refused_later(form_at(&format!("Action={action}")), Code::EmptyBatchRequest, &message);
    }
    let without_id = json_at("SendMessageBatch", "\"Entries\":[{\"MessageBody\":\"x\"}]");
    let message = "The request must contain the parameter SendMessageBatchRequestEntry.1.Id.";
    refused(without_id, Code::MissingParameter, message);
}

#[test]
fn a_batch_may_hold_one_mebibyte_attributes_included() {
    let half = "x".repeat(524_288);
    let attribute = "\"MessageAttributes\":{\"a\":{\"DataType\":\"Binary\",\"BinaryValue\":\"AA==\"}}";
    let entries = |second: &str| {
        format!(
            "\"Entries\":[{{\"Id\":\"1\",\"MessageBody\":\"{half}\"}},{{\"Id\":\"2\",\"MessageBody\":\"{second}\"}}]"
        )
    };
    assert_eq!(batch(json_at("SendMessageBatch", &entries(&half))).entries.len(), 2);
    refused_later(
        json_at("SendMessageBatch", &entries(&format!("{half}\",{attribute},\"x\":\""))),
        Code::BatchRequestTooLong,
        "Batch requests cannot be longer than 1048576 bytes. You have sent 1048584 bytes.",
    );
}

#[test]
fn a_bad_entry_fails_alone() {
    let entries = batch(form_at(
        "Action=SendMessageBatch&SendMessageBatchRequestEntry.2.Id=b&SendMessageBatchRequestEntry.2.MessageBody=%00\
         &SendMessageBatchRequestEntry.10.Id=c&SendMessageBatchRequestEntry.10.MessageBody=y\
         &SendMessageBatchRequestEntry.1.Id=a&SendMessageBatchRequestEntry.11.Id=d\
         &SendMessageBatchRequestEntry.11.MessageBody=z&SendMessageBatchRequestEntry.11.DelaySeconds=901",
    ));
    let outcomes: Vec<_> =
        entries.entries.into_iter().map(|entry| (entry.id, entry.entry.map_err(|e| e.code))).collect();
    let codes: Vec<_> = outcomes.iter().map(|(id, entry)| (id.as_str(), entry.as_ref().map(|m| &*m.body))).collect();
    assert_eq!(
        codes,
        [
            ("a", Err(&Code::MissingParameter)),
            ("b", Err(&Code::InvalidMessageContents)),
            ("c", Ok("y")),
            ("d", Err(&Code::InvalidParameterValue)),
        ]
    );
}

#[test]
fn a_batch_of_visibility_changes_may_leave_the_timeout_out_at_an_entrys_risk() {
    let envelope = json_at(
        "ChangeMessageVisibilityBatch",
        r#""Entries":[{"Id":"a","ReceiptHandle":"h","VisibilityTimeout":7},{"Id":"b","ReceiptHandle":"h"}]"#,
    );
    let Ok(Request::ChangeMessageVisibilityBatch(batch)) = envelope.expect("a batch").request else { panic!() };
    assert_eq!(batch.entries[0].entry.as_ref().map(|entry| entry.visibility_seconds), Ok(7));
    assert_eq!(batch.entries[1].entry.as_ref().map_err(|error| error.code), Err(Code::InvalidParameterValue));
}

#[test]
fn a_receive_reads_every_member_and_the_union_of_both_lists_of_names() {
    let members = r#""MaxNumberOfMessages":10,"VisibilityTimeout":0,"WaitTimeSeconds":20,"ReceiveRequestAttemptId":"a",
        "AttributeNames":["SentTimestamp","VisibilityTimeout","Nonsense"],"MessageSystemAttributeNames":["SenderId"],
        "MessageAttributeNames":["x","y.*"]"#;
    let parameters = "Action=ReceiveMessage&MaxNumberOfMessages=10&VisibilityTimeout=0&WaitTimeSeconds=20\
        &ReceiveRequestAttemptId=a&AttributeName.1=SentTimestamp&AttributeName.2=Nonsense\
        &MessageSystemAttributeName=SenderId&MessageAttributeName.1=x&MessageAttributeName.2=y.%2A";
    let mut system_attributes = SystemAttributes::default();
    system_attributes.insert(SystemAttribute::SenderId);
    system_attributes.insert(SystemAttribute::SentTimestamp);
    let expected = ReceiveMessage {
        max_messages: 10,
        visibility_seconds: Some(0),
        wait_seconds: Some(20),
        system_attributes,
        message_attributes: vec![NameFilter::Exact("x".into()), NameFilter::Prefix("y".into())],
        attempt_id: Some(Ok("a".into())),
    };
    assert_eq!(received(json_at("ReceiveMessage", members)), expected);
    assert_eq!(received(form_at(parameters)), expected);
    let plain = received(json_at("ReceiveMessage", ""));
    assert_eq!((plain.max_messages, plain.visibility_seconds, plain.wait_seconds), (1, None, None));
    let all = received(form_at("Action=ReceiveMessage&AttributeName=All"));
    assert_eq!(all.system_attributes, SystemAttributes::ALL);
}

#[test]
fn a_receive_out_of_range_is_refused_later() {
    for (member, value, reason) in [
        ("MaxNumberOfMessages", "0", "Must be between 1 and 10, if provided."),
        ("MaxNumberOfMessages", "1000", "Must be between 1 and 10, if provided."),
        ("VisibilityTimeout", "43201", "Must be >= 0 and <= 43200, if provided."),
        ("WaitTimeSeconds", "21", "Must be >= 0 and <= 20, if provided."),
        ("WaitTimeSeconds", "-1", "Must be >= 0 and <= 20, if provided."),
    ] {
        let message = format!("Value {value} for parameter {member} is invalid. Reason: {reason}");
        let code = Code::InvalidParameterValue;
        refused_later(json_at("ReceiveMessage", &format!("\"{member}\":{value}")), code, &message);
        refused_later(form_at(&format!("Action=ReceiveMessage&{member}={value}")), code, &message);
    }
    refused_later(
        json_at("ReceiveMessage", "\"MessageSystemAttributeNames\":[\"Foo\"]"),
        Code::InvalidAttributeName,
        "Unknown Attribute Foo.",
    );
}

fn created(members: &str) -> Result<CreateQueue, (Code, String)> {
    match json("CreateQueue", members).expect("a request that parses").request {
        Ok(Request::CreateQueue(create)) => Ok(create),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err((error.code, error.message.into_owned())),
    }
}

#[test]
fn a_queue_is_created_with_what_was_given_and_nothing_else() {
    let create = created(
        r#"{"QueueName":"q","Attributes":{"VisibilityTimeout":"5","Policy":"","RedrivePolicy":"","KmsMasterKeyId":"",
        "RedriveAllowPolicy":"","DelaySeconds":"1","VisibilityTimeout":"7"},"tags":{"b":"2","a":""}}"#,
    );
    let expected = CreateQueue {
        name: QueueName::new("q").expect("a legal name"),
        attributes: vec![AttributeChange::DelaySeconds(1), AttributeChange::VisibilityTimeout(7)],
        tags: vec![("a".into(), String::new()), ("b".into(), "2".into())],
    };
    assert_eq!(create, Ok(expected.clone()));
    let same = form(
        "/",
        "Action=CreateQueue&QueueName=q&Attribute.1.Name=DelaySeconds&Attribute.1.Value=9&Attribute.2.Name=DelaySeconds\
         &Attribute.2.Value=1&Tag.1.Key=b&Tag.1.Value=2&Tag.2.Key=a&DefaultVisibilityTimeout=7",
    );
    assert_eq!(same.expect("a good request").request, Ok(expected.into()));
}

#[test]
fn a_single_attribute_or_tag_needs_no_number() {
    let set = form_at("Action=SetQueueAttributes&Attribute.Name=DelaySeconds&Attribute.Value=3").expect("a request");
    let Ok(Request::SetQueueAttributes(set)) = set.request else { panic!("{set:?}") };
    assert_eq!(set.attributes, [AttributeChange::DelaySeconds(3)]);
    let tag = form_at("Action=TagQueue&Tag.Key=k&Tag.Value=v").expect("a request");
    let Ok(Request::TagQueue(tag)) = tag.request else { panic!("{tag:?}") };
    assert_eq!(tag.tags, [("k".to_owned(), "v".to_owned())]);
}

#[test]
fn names_and_fifo_attributes_must_agree() {
    let standard = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length";
    let fifo = "The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end \
                with .fifo suffix and be 1 to 80 in length";
    let long = "x".repeat(81);
    for (name, attributes, code, message) in [
        ("", "", Code::InvalidParameterValue, standard),
        ("a b", "", Code::InvalidParameterValue, standard),
        (&long, "", Code::InvalidParameterValue, standard),
        ("q.fifo", "", Code::InvalidParameterValue, standard),
        ("q.fifo", "\"FifoQueue\":\"false\"", Code::InvalidParameterValue, standard),
        ("q", "\"FifoQueue\":\"true\"", Code::InvalidParameterValue, fifo),
        ("q", "\"FifoQueue\":\"false\"", Code::InvalidAttributeName, "Unknown Attribute FifoQueue."),
        (
            "q",
            "\"ContentBasedDeduplication\":\"true\"",
            Code::InvalidAttributeName,
            "Unknown Attribute ContentBasedDeduplication.",
        ),
        (
            "q",
            "\"DeduplicationScope\":\"queue\"",
            Code::InvalidAttributeName,
            "You can specify the DeduplicationScope only when FifoQueue is set to true.",
        ),
        ("q", "\"All\":\"x\"", Code::InvalidAttributeName, "Unknown Attribute All."),
        ("q", "\"QueueArn\":\"x\"", Code::InvalidAttributeName, "Unknown Attribute QueueArn."),
        (
            "q",
            "\"VisibilityTimeout\":\"43201\"",
            Code::InvalidAttributeValue,
            "Invalid value for the parameter VisibilityTimeout.",
        ),
        (
            "q",
            "\"KmsMasterKeyId\":\"alias/x\",\"SqsManagedSseEnabled\":\"true\"",
            Code::InvalidAttributeValue,
            "You can use one type of server-side encryption (SSE) at one time. You can either enable KMS SSE or SQS SSE.",
        ),
    ] {
        let members = format!("{{\"QueueName\":\"{name}\",\"Attributes\":{{{attributes}}}}}");
        assert_eq!(created(&members), Err((code, message.to_owned())), "{members}");
    }
    let fifo = created(r#"{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true"}}"#).expect("a FIFO queue");
    assert_eq!(fifo.attributes, [AttributeChange::FifoQueue(true)]);
}

#[test]
fn tags_follow_their_rules() {
    let tag = |key: &str, value: &str| {
        let members = format!("\"Tags\":{{\"{key}\":\"{value}\"}}");
        json_at("TagQueue", &members).expect("a request").request.map_err(|error| error.message.into_owned())
    };
    for (key, value) in [("a", ""), ("é _.:/=+-@", "Grüße"), (&*"k".repeat(128), &*"v".repeat(256))] {
        assert!(tag(key, value).is_ok(), "{key}={value}");
    }
    let length = Err("Tag keys must be between 1 and 128 characters in length.".to_owned());
    assert_eq!(tag("", "v"), length);
    assert_eq!(tag(&"k".repeat(129), "v"), length);
    for (key, value) in [("k", &*"v".repeat(257)), ("aws:k", "v"), ("k!", "v"), ("k", "v!"), ("k", "\\n")] {
        assert!(tag(key, value).is_err(), "{key}={value}");
    }
    let many: Vec<_> = (0..51).map(|n| format!("\"k{n}\":\"v\"")).collect();
    let members = format!("{{\"QueueName\":\"q\",\"tags\":{{{}}}}}", many.join(","));
    assert_eq!(created(&members), Err((Code::InvalidParameterValue, "Too many tags added for queue q.".to_owned())));
}

#[test]
fn permissions_name_a_label_known_accounts_and_grantable_actions() {
    let add = |label: &str, accounts: &str, actions: &str| {
        let members = format!("\"Label\":\"{label}\",\"AWSAccountIds\":[{accounts}],\"Actions\":[{actions}]");
        json_at("AddPermission", &members).expect("a request").request
    };
    let account = "\"111122223333\"";
    assert!(add("l", account, "\"*\",\"SendMessage\"").is_ok());
    let eight = "\"SendMessage\",".repeat(7) + "\"SendMessage\"";
    for (label, accounts, actions, code, message) in [
        ("l", account, &*eight, Code::OverLimit, "8 Actions were found, maximum allowed is 7."),
        (
            "l",
            account,
            "\"CreateQueue\"",
            Code::InvalidParameterValue,
            "Value SQS:CreateQueue for parameter ActionName is invalid. Reason: Only the queue owner is allowed to \
             invoke this action.",
        ),
        (
            "l",
            account,
            "\"Foo\"",
            Code::InvalidParameterValue,
            "Value SQS:Foo for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a \
             list of valid actions. ",
        ),
        (
            "l",
            "",
            "\"SendMessage\"",
            Code::InvalidParameterValue,
            "Value [] for parameter PrincipalId is invalid. Reason: Unable to verify.",
        ),
        (
            "l",
            "\"12\"",
            "\"SendMessage\"",
            Code::InvalidParameterValue,
            "Value [12] for parameter PrincipalId is invalid. Reason: Unable to verify.",
        ),
    ] {
        assert_eq!(add(label, accounts, actions), Err(Error::new(code, message)));
    }
    assert_eq!(add("a b", account, "\"*\"").map_err(|error| error.code), Err(Code::InvalidParameterValue));
}

#[test]
fn move_tasks_check_arns_rates_and_counts() {
    let arn = "arn:aws:sqs:us-east-1:000000000000:dlq";
    let start = |members: &str| json("StartMessageMoveTask", &format!("{{{members}}}")).expect("a request").request;
    assert!(start(&format!("\"SourceArn\":\"{arn}\",\"MaxNumberOfMessagesPerSecond\":500")).is_ok());
    for (members, code, message) in [
        (
            "\"SourceArn\":\"nonsense\"".to_owned(),
            Code::InvalidParameterValue,
            "You must use this format to specify the SourceArn: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>",
        ),
        (
            "\"SourceArn\":\"arn:aws:sqs:us-east-1:000000000000:no such\"".to_owned(),
            Code::ResourceNotFoundException,
            "The resource that you specified for the SourceArn parameter doesn't exist.",
        ),
        (
            format!("\"SourceArn\":\"{arn}\",\"DestinationArn\":\"x\""),
            Code::InvalidParameterValue,
            "You must use this format to specify the DestinationArn: \
             arn:<partition>:<service>:<region>:<account-id>:<resource-id>",
        ),
        (
            format!("\"SourceArn\":\"{arn}\",\"MaxNumberOfMessagesPerSecond\":501"),
            Code::InvalidParameterValue,
            "Value 501 for parameter MaxNumberOfMessagesPerSecond is invalid. Reason: Must be between 1 and 500, if \
             provided.",
        ),
    ] {
        assert_eq!(start(&members), Err(Error::new(code, message)));
    }
    let same = start(&format!("\"SourceArn\":\"{arn}\",\"DestinationArn\":\"{arn}\""));
    assert_eq!(same.map_err(|error| error.code), Err(Code::InvalidParameterValue));
    let list = |members: &str| json("ListMessageMoveTasks", &format!("{{\"SourceArn\":\"{arn}\"{members}}}"));
    let Ok(Request::ListMessageMoveTasks(one)) = list("").expect("a request").request else { panic!() };
    assert_eq!(one.max_results, 1);
    let message = "Value 11 for parameter MaxResults is invalid. Reason: Must be between 1 and 10, if provided.";
    refused_later(list(",\"MaxResults\":11"), Code::InvalidParameterValue, message);
}

#[test]
fn listings_check_their_page() {
    let message = "Value 1001 for parameter MaxResults is invalid. Reason: Must be between 1 and 1000, if provided.";
    refused_later(json("ListQueues", "{\"MaxResults\":1001}"), Code::InvalidParameterValue, message);
    let message = "Invalid or expired next token.";
    refused_later(json("ListQueues", "{\"NextToken\":\"x\"}"), Code::InvalidParameterValue, message);
    let members = "\"NextToken\":\"x\"";
    refused_later(json_at("ListDeadLetterSourceQueues", members), Code::InvalidParameterValue, message);
}

#[test]
fn attribute_names_are_all_some_or_none() {
    let names = |members: &str| match json_at("GetQueueAttributes", members).expect("a request").request {
        Ok(Request::GetQueueAttributes(GetQueueAttributes { names })) => Ok(names),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.message.into_owned()),
    };
    assert_eq!(names(""), Ok(AttributeNames::Listed(vec![])));
    assert_eq!(names("\"AttributeNames\":[]"), Ok(AttributeNames::Listed(vec![])));
    let arn = vec![AttributeName::QueueArn];
    assert_eq!(names("\"AttributeNames\":[\"QueueArn\"]"), Ok(AttributeNames::Listed(arn)));
    assert_eq!(names("\"AttributeNames\":[\"QueueArn\",\"All\"]"), Ok(AttributeNames::All));
    assert_eq!(names("\"AttributeNames\":[\"X\"]"), Err("Unknown Attribute X.".to_owned()));
}

#[test]
fn a_form_may_name_the_tags_of_a_queue_as_the_java_sdks_do() {
    for form in ["Tag.1.Key=k&Tag.1.Value=v", "Tags.1.Key=k&Tags.1.Value=v", "Tags.Key=k&Tags.Value=v"] {
        let envelope = form_at(&format!("Action=TagQueue&{form}")).expect("a request");
        let Ok(Request::TagQueue(request)) = envelope.request else { panic!("{form}: {envelope:?}") };
        assert_eq!(request.tags, [("k".to_owned(), "v".to_owned())], "{form}");
    }
}
