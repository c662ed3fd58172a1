use super::{Call, FifoIds, Head, Malformed, Outgoing, Queue};
use crate::Protocol::{self, Json, Query};
use crate::http::Endpoint;

/// The request's head and body as text, its length checked.
fn encoded(protocol: Protocol, call: &Call<'_>) -> (String, String) {
    let endpoint = Endpoint::parse("http://127.0.0.1:9324").expect("endpoint");
    let head = Head::new(&endpoint, &["x-extra: 1".to_owned()], None);
    let mut buffer = b"left over".to_vec();
    protocol.encode(&head, call, &mut buffer);
    let text = String::from_utf8(buffer).expect("text");
    let (head, body) = text.split_once("\r\n\r\n").expect("an empty line");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:")).expect("a length");
    assert_eq!(length.trim(), body.len().to_string());
    assert!(head.contains("\r\nhost: 127.0.0.1:9324\r\nx-extra: 1\r\n"), "{head}");
    (head.to_owned(), body.to_owned())
}

fn queue() -> Queue {
    Queue::new("http://elsewhere:1/000000000000/q.fifo".to_owned())
}

#[test]
fn every_call_is_the_json_request_that_the_service_documents() {
    let queue = queue();
    let fifo = Some(FifoIds { group: "g", deduplication: "d" });
    let message = Outgoing { body: b"hello", fifo: None, delay_seconds: None };
    let handles = ["a+/=".to_owned(), "\"".to_owned()];
    for (call, target, expected) in [
        (Call::CreateQueue { name: "q", fifo: false, policy: None }, "CreateQueue", r#"{"QueueName":"q"}"#),
        (
            Call::CreateQueue { name: "q.fifo", fifo: true, policy: None },
            "CreateQueue",
            r#"{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true"}}"#,
        ),
        (
            Call::CreateQueue { name: "q", fifo: false, policy: Some(r#"{"a":1}"#) },
            "CreateQueue",
            r#"{"QueueName":"q","Attributes":{"Policy":"{\"a\":1}"}}"#,
        ),
        (
            Call::CreateQueue { name: "q.fifo", fifo: true, policy: Some("{}") },
            "CreateQueue",
            r#"{"QueueName":"q.fifo","Attributes":{"FifoQueue":"true","Policy":"{}"}}"#,
        ),
        (Call::DeleteQueue { queue: &queue }, "DeleteQueue", r#"{"QueueUrl":"URL"}"#),
        (Call::PurgeQueue { queue: &queue }, "PurgeQueue", r#"{"QueueUrl":"URL"}"#),
        (Call::Send { queue: &queue, message }, "SendMessage", r#"{"QueueUrl":"URL","MessageBody":"hello"}"#),
        (
            Call::SendBatch { queue: &queue, messages: &[message, Outgoing { fifo, ..message }] },
            "SendMessageBatch",
            r#"{"QueueUrl":"URL","Entries":[{"Id":"0","MessageBody":"hello"},{"Id":"1","MessageGroupId":"g","MessageDeduplicationId":"d","MessageBody":"hello"}]}"#,
        ),
        (
            Call::Receive { queue: &queue, messages_max: 10, wait_seconds: 20, visibility_seconds: None },
            "ReceiveMessage",
            r#"{"QueueUrl":"URL","MaxNumberOfMessages":10,"WaitTimeSeconds":20}"#,
        ),
        (
            Call::Receive { queue: &queue, messages_max: 1, wait_seconds: 0, visibility_seconds: Some(7) },
            "ReceiveMessage",
            r#"{"QueueUrl":"URL","MaxNumberOfMessages":1,"WaitTimeSeconds":0,"VisibilityTimeout":7}"#,
        ),
        (
            Call::Send { queue: &queue, message: Outgoing { delay_seconds: Some(9), ..message } },
            "SendMessage",
            r#"{"QueueUrl":"URL","DelaySeconds":9,"MessageBody":"hello"}"#,
        ),
        (
            Call::Delete { queue: &queue, handle: "a\"b" },
            "DeleteMessage",
            r#"{"QueueUrl":"URL","ReceiptHandle":"a\"b"}"#,
        ),
        (
            Call::DeleteBatch { queue: &queue, handles: &handles },
            "DeleteMessageBatch",
            r#"{"QueueUrl":"URL","Entries":[{"Id":"0","ReceiptHandle":"a+/="},{"Id":"1","ReceiptHandle":"\""}]}"#,
        ),
    ] {
        let (head, body) = encoded(Json, &call);
        assert!(head.starts_with("POST / HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("x-amz-target: AmazonSQS.{target}\r\n")), "{head}");
        assert!(head.contains("content-type: application/x-amz-json-1.0\r\n"), "{head}");
        assert_eq!(body, expected.replace("URL", &queue.url));
    }
}

#[test]
fn every_call_is_the_form_that_the_service_documents() {
    let queue = queue();
    let fifo = Some(FifoIds { group: "g", deduplication: "d" });
    let message = Outgoing { body: b"hello", fifo, delay_seconds: Some(9) };
    let handles = ["a+/=".to_owned()];
    for (call, path, expected) in [
        (
            Call::CreateQueue { name: "q.fifo", fifo: true, policy: None },
            "/",
            "Action=CreateQueue&Version=2012-11-05&QueueName=q%2Efifo&Attribute.1.Name=FifoQueue&Attribute.1.Value=true",
        ),
        (
            Call::CreateQueue { name: "q", fifo: false, policy: Some("{}") },
            "/",
            "Action=CreateQueue&Version=2012-11-05&QueueName=q&Attribute.1.Name=Policy&Attribute.1.Value=%7B%7D",
        ),
        (
            Call::Send { queue: &queue, message },
            "/000000000000/q.fifo",
            "Action=SendMessage&Version=2012-11-05&MessageGroupId=g&MessageDeduplicationId=d&DelaySeconds=9&MessageBody=hello",
        ),
        (
            Call::SendBatch { queue: &queue, messages: &[message] },
            "/000000000000/q.fifo",
            "Action=SendMessageBatch&Version=2012-11-05&SendMessageBatchRequestEntry.1.Id=0&SendMessageBatchRequestEntry.1.MessageGroupId=g&SendMessageBatchRequestEntry.1.MessageDeduplicationId=d&SendMessageBatchRequestEntry.1.DelaySeconds=9&SendMessageBatchRequestEntry.1.MessageBody=hello",
        ),
        (
            Call::Receive { queue: &queue, messages_max: 1, wait_seconds: 0, visibility_seconds: Some(7) },
            "/000000000000/q.fifo",
            "Action=ReceiveMessage&Version=2012-11-05&MaxNumberOfMessages=1&WaitTimeSeconds=0&VisibilityTimeout=7",
        ),
        (
            Call::Delete { queue: &queue, handle: "a+/=" },
            "/000000000000/q.fifo",
            "Action=DeleteMessage&Version=2012-11-05&ReceiptHandle=a%2B%2F%3D",
        ),
        (
            Call::DeleteBatch { queue: &queue, handles: &handles },
            "/000000000000/q.fifo",
            "Action=DeleteMessageBatch&Version=2012-11-05&DeleteMessageBatchRequestEntry.1.Id=0&DeleteMessageBatchRequestEntry.1.ReceiptHandle=a%2B%2F%3D",
        ),
        (Call::DeleteQueue { queue: &queue }, "/000000000000/q.fifo", "Action=DeleteQueue&Version=2012-11-05"),
        (Call::PurgeQueue { queue: &queue }, "/000000000000/q.fifo", "Action=PurgeQueue&Version=2012-11-05"),
    ] {
        let (head, body) = encoded(Query, &call);
        assert!(head.starts_with(&format!("POST {path} HTTP/1.1\r\n")), "{head}");
        assert!(head.contains("content-type: application/x-www-form-urlencoded\r\n"), "{head}");
        assert_eq!(body, expected);
    }
}

fn received(protocol: Protocol, body: &str) -> Result<Vec<(String, String)>, Malformed> {
    let mut messages = Vec::new();
    let count = protocol.messages(body.as_bytes(), |handle, body| {
        messages.push((handle.to_owned(), String::from_utf8_lossy(body).into_owned()));
    })?;
    assert_eq!(count, messages.len());
    Ok(messages)
}

#[test]
fn messages_are_found_in_order_with_their_escapes_resolved() {
    let expected = [("h1".to_owned(), "a\"b\n".to_owned()), ("h&2".to_owned(), "plain".to_owned())];
    let json = r#"{"Messages":[{"Body":"a\"b\n","MD5OfBody":"x","ReceiptHandle":"h1","Attributes":{"Body":"no"}},{"ReceiptHandle":"h\u00262","Body":"plain"}]}"#;
    assert_eq!(received(Json, json).as_deref(), Ok(&expected[..]));
    let xml = "<?xml version=\"1.0\"?><ReceiveMessageResponse><ReceiveMessageResult><Message><Body>a&quot;b&#xA;</Body>\
        <ReceiptHandle>h1</ReceiptHandle></Message><Message><ReceiptHandle>h&amp;2</ReceiptHandle><Body>plain</Body></Message>\
        </ReceiveMessageResult></ReceiveMessageResponse>";
    assert_eq!(received(Query, xml).as_deref(), Ok(&expected[..]));
}

#[test]
fn an_empty_receive_is_empty_in_every_form_that_servers_send() {
    for json in ["{}", r#"{"Messages":[]}"#, r#"{"Messages":null}"#] {
        assert_eq!(received(Json, json), Ok(Vec::new()), "{json}");
    }
    let xml = "<ReceiveMessageResponse><ReceiveMessageResult/></ReceiveMessageResponse>";
    assert_eq!(received(Query, xml), Ok(Vec::new()));
}

#[test]
fn an_answer_of_another_form_is_malformed_and_not_empty() {
    for json in ["", "[", "[]", r#"{"Messages":[{"Body":"x"}]}"#, r#"{"Messages":"x"}"#] {
        assert_eq!(received(Json, json), Err(Malformed), "{json}");
    }
    for xml in [
        "",
        "<html/>",
        "<ReceiveMessageResponse><Message><Body>x</Body></Message></ReceiveMessageResponse>",
        "<ReceiveMessageResponse><Message><ReceiptHandle>x",
        "<ReceiveMessageResponse><Message><ReceiptHandle>&bad;</ReceiptHandle><Body>x</Body></Message>",
    ] {
        assert_eq!(received(Query, xml), Err(Malformed), "{xml}");
    }
}

#[test]
fn refused_entries_of_a_batch_are_named_by_their_position() {
    let json = br#"{"Failed":[{"Id":"3","SenderFault":true,"Code":"InvalidParameterValue"}],"Successful":[]}"#;
    assert_eq!(Json.failed_entries(json), Ok(vec![(3, "InvalidParameterValue".to_owned())]));
    assert_eq!(Json.failed_entries(br#"{"Successful":[]}"#), Ok(Vec::new()));
    assert_eq!(Json.failed_entries(br#"{"Failed":[],"Successful":[]}"#), Ok(Vec::new()));
    assert_eq!(Json.failed_entries(br#"{"Failed":[{}]}"#), Err(Malformed));
    let xml = b"<R><BatchResultErrorEntry><Id>3</Id><SenderFault>true</SenderFault><Code>InvalidParameterValue</Code></BatchResultErrorEntry></R>";
    assert_eq!(Query.failed_entries(xml), Ok(vec![(3, "InvalidParameterValue".to_owned())]));
    assert_eq!(Query.failed_entries(b"<R/>"), Ok(Vec::new()));
}

#[test]
fn a_refusal_is_counted_under_the_service_s_own_code() {
    let json = br#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"gone"}"#;
    assert_eq!(Json.error_code(json).as_deref(), Some("QueueDoesNotExist"));
    assert_eq!(Json.error_code(b"<html>"), None);
    let xml = b"<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code></Error></ErrorResponse>";
    assert_eq!(Query.error_code(xml).as_deref(), Some("InvalidAction"));
    assert_eq!(Query.error_code(b"oops"), None);
}

#[test]
fn the_path_of_a_queue_url_is_taken_for_the_query_protocol() {
    assert_eq!(queue().path, "/000000000000/q.fifo");
    assert_eq!(Queue::new("http://host".to_owned()).path, "/");
    let xml = b"<R><QueueUrl>http://h/1/q?a&amp;b</QueueUrl></R>";
    assert_eq!(Query.queue_url(xml).as_deref(), Ok("http://h/1/q?a&b"));
    assert_eq!(Json.queue_url(br#"{"QueueUrl":"http://h/1/q"}"#).as_deref(), Ok("http://h/1/q"));
    assert_eq!(Json.queue_url(b"{}"), Err(Malformed));
}
