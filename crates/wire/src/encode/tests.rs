use stanchion_types::attributes::AttributeName;
use stanchion_types::message::{AttributeValue, Md5, MessageAttribute, SystemAttribute};
use stanchion_types::response::{BatchResult, Queues, ReceivedMessage, Sent};
use stanchion_types::{Code, MessageId, QueueName};

use super::*;

const ID: RequestId = RequestId([0x11; 16]);
const ID_TEXT: &str = "11111111-1111-1111-1111-111111111111";

fn arn(name: &str) -> QueueArn {
    QueueArn::parse(&format!("arn:aws:sqs:us-east-1:000000000000:{name}")).expect("a legal ARN")
}

/// Asserts what an answer looks like in both protocols; of the XML, what stands inside the root element.
fn check(action: Action, response: Response, json: &str, xml: &str) {
    let origin = || Origin::new("http://localhost:9324/");
    let reply = encode(Protocol::Json, action, &response, origin, &ID);
    assert_eq!((reply.status, reply.content_type, reply.query_error), (200, "application/x-amz-json-1.0", None));
    assert_eq!(String::from_utf8(reply.body).expect("text"), json);
    let reply = encode(Protocol::Query, action, &response, origin, &ID);
    assert_eq!((reply.status, reply.content_type, reply.query_error), (200, "text/xml", None));
    let name = action.name();
    let expected = format!(
        "<?xml version=\"1.0\"?><{name}Response xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\">{xml}\
         <ResponseMetadata><RequestId>{ID_TEXT}</RequestId></ResponseMetadata></{name}Response>"
    );
    assert_eq!(String::from_utf8(reply.body).expect("text"), expected);
}

/// Asserts what a refusal looks like: the JSON header and body, and the inside of the XML element `Error`.
fn check_error(error: Error, status: u16, header: &str, json: &str, xml: &str) {
    let reply = encode_error(Some(Protocol::Json), &error, &ID);
    assert_eq!((reply.status, reply.content_type), (status, "application/x-amz-json-1.0"));
    assert_eq!(reply.query_error.as_deref(), Some(header));
    assert_eq!(String::from_utf8(reply.body).expect("text"), json);
    let expected = format!(
        "<?xml version=\"1.0\"?><ErrorResponse xmlns=\"http://queue.amazonaws.com/doc/2012-11-05/\"><Error>{xml}\
         <Detail/></Error><RequestId>{ID_TEXT}</RequestId></ErrorResponse>"
    );
    for protocol in [Some(Protocol::Query), None] {
        let reply = encode_error(protocol, &error, &ID);
        assert_eq!((reply.status, reply.content_type, reply.query_error), (status, "text/xml", None));
        assert_eq!(String::from_utf8(reply.body).expect("text"), expected);
    }
}

#[test]
fn void_actions_answer_with_nothing() {
    check(Action::DeleteMessage, Response::Done, "", "");
    check(Action::TagQueue, Response::Done, "", "");
}

#[test]
fn queue_urls_are_built_on_the_origin() {
    let url = "http://localhost:9324/000000000000/a";
    let json = format!("{{\"QueueUrl\":\"{url}\"}}");
    let xml = format!("<CreateQueueResult><QueueUrl>{url}</QueueUrl></CreateQueueResult>");
    check(Action::CreateQueue, Response::Queue(arn("a")), &json, &xml);
}

#[test]
fn an_empty_answer_is_an_empty_object_or_element() {
    check(Action::ReceiveMessage, Response::Messages(vec![]), "{}", "<ReceiveMessageResult/>");
    check(Action::ListQueues, Response::Queues(Queues::default()), "{}", "<ListQueuesResult/>");
    check(Action::GetQueueAttributes, Response::Attributes(vec![]), "{}", "<GetQueueAttributesResult/>");
    check(Action::ListQueueTags, Response::Tags(vec![]), "{}", "<ListQueueTagsResult/>");
    check(Action::ListMessageMoveTasks, Response::Tasks(vec![]), "{}", "<ListMessageMoveTasksResult/>");
}

#[test]
fn the_list_of_dead_letter_sources_is_there_even_if_empty() {
    let xml = "<ListDeadLetterSourceQueuesResult/>";
    check(Action::ListDeadLetterSourceQueues, Response::Queues(Queues::default()), "{\"queueUrls\":[]}", xml);
}

#[test]
fn a_page_with_more_behind_it_has_a_token_that_continues_it() {
    let response = Response::Queues(Queues { queues: vec![arn("a"), arn("b")], more: true });
    let reply = encode(Protocol::Json, Action::ListQueues, &response, || Origin::new("http://h"), &ID);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("JSON");
    assert_eq!(body["QueueUrls"], serde_json::json!(["http://h/000000000000/a", "http://h/000000000000/b"]));
    let token = body["NextToken"].as_str().expect("a token");
    let after = crate::token::decode(crate::token::Listing::Queues, "", token);
    assert_eq!(after, Ok(QueueName::new("b").expect("a legal name")));
}

#[test]
fn a_batch_leaves_out_the_list_that_is_empty() {
    let done = |id: &str| BatchResult { id: id.into(), outcome: Ok(()) };
    let failed = |id: &str, error| BatchResult { id: id.into(), outcome: Err(error) };
    check(
        Action::DeleteMessageBatch,
        Response::Batch(vec![done("a")]),
        r#"{"Successful":[{"Id":"a"}]}"#,
        "<DeleteMessageBatchResult><DeleteMessageBatchResultEntry><Id>a</Id></DeleteMessageBatchResultEntry>\
         </DeleteMessageBatchResult>",
    );
    check(
        Action::ChangeMessageVisibilityBatch,
        Response::Batch(vec![failed("a", Error::invalid_handle("x")), failed("b", Error::internal("oops"))]),
        concat!(
            r#"{"Failed":[{"Id":"a","SenderFault":true,"Code":"ReceiptHandleIsInvalid","#,
            r#""Message":"The input receipt handle \"x\" is not a valid receipt handle."},"#,
            r#"{"Id":"b","SenderFault":false,"Code":"InternalError","Message":"oops"}]}"#
        ),
        "<ChangeMessageVisibilityBatchResult><BatchResultErrorEntry><Id>a</Id><SenderFault>true</SenderFault>\
         <Code>ReceiptHandleIsInvalid</Code>\
         <Message>The input receipt handle &quot;x&quot; is not a valid receipt handle.</Message></BatchResultErrorEntry>\
         <BatchResultErrorEntry><Id>b</Id><SenderFault>false</SenderFault><Code>InternalError</Code>\
         <Message>oops</Message></BatchResultErrorEntry></ChangeMessageVisibilityBatchResult>",
    );
}

#[test]
fn a_message_is_written_with_the_digest_of_the_attributes_that_it_shows() {
    let message = ReceivedMessage {
        message_id: MessageId([0x22; 16]),
        receipt_handle: "h+/=".into(),
        body: "a\r\n<\"&é".into(),
        body_md5: Md5([0xab; 16]),
        system_attributes: vec![(SystemAttribute::SentTimestamp, "1".into())],
        attributes: vec![MessageAttribute {
            name: "my_attribute_name_1".into(),
            data_type: "String".into(),
            value: AttributeValue::Text("my_attribute_value_1".into()),
        }],
    };
    check(
        Action::ReceiveMessage,
        Response::Messages(vec![message]),
        concat!(
            r#"{"Messages":[{"MessageId":"22222222-2222-2222-2222-222222222222","ReceiptHandle":"h+/=","#,
            r#""MD5OfBody":"abababababababababababababababab","Body":"a\r\n<\"&é","#,
            r#""Attributes":{"SentTimestamp":"1"},"MD5OfMessageAttributes":"8ef4d60dbc8efda9f260e1dfd09d29f3","#,
            r#""MessageAttributes":{"my_attribute_name_1":{"StringValue":"my_attribute_value_1","#,
            r#""DataType":"String"}}}]}"#
        ),
        "<ReceiveMessageResult><Message><MessageId>22222222-2222-2222-2222-222222222222</MessageId>\
         <ReceiptHandle>h+/=</ReceiptHandle><MD5OfBody>abababababababababababababababab</MD5OfBody>\
         <Body>a&#xD;\n&lt;&quot;&amp;é</Body><Attribute><Name>SentTimestamp</Name><Value>1</Value></Attribute>\
         <MD5OfMessageAttributes>8ef4d60dbc8efda9f260e1dfd09d29f3</MD5OfMessageAttributes><MessageAttribute>\
         <Name>my_attribute_name_1</Name><Value><StringValue>my_attribute_value_1</StringValue>\
         <DataType>String</DataType></Value></MessageAttribute></Message></ReceiveMessageResult>",
    );
}

#[test]
fn a_plain_send_answers_without_what_it_did_not_have() {
    let sent = Sent {
        message_id: MessageId([0x22; 16]),
        body_md5: Md5([0; 16]),
        attributes_md5: None,
        system_attributes_md5: None,
        sequence_number: None,
    };
    check(
        Action::SendMessage,
        Response::Sent(sent),
        concat!(
            r#"{"MessageId":"22222222-2222-2222-2222-222222222222","#,
            r#""MD5OfMessageBody":"00000000000000000000000000000000"}"#
        ),
        "<SendMessageResult><MessageId>22222222-2222-2222-2222-222222222222</MessageId>\
         <MD5OfMessageBody>00000000000000000000000000000000</MD5OfMessageBody></SendMessageResult>",
    );
}

#[test]
fn attributes_and_tags_are_maps_or_pairs() {
    check(
        Action::GetQueueAttributes,
        Response::Attributes(vec![(AttributeName::DelaySeconds, "0".into())]),
        r#"{"Attributes":{"DelaySeconds":"0"}}"#,
        "<GetQueueAttributesResult><Attribute><Name>DelaySeconds</Name><Value>0</Value></Attribute>\
         </GetQueueAttributesResult>",
    );
    check(
        Action::ListQueueTags,
        Response::Tags(vec![("k".into(), "v".into())]),
        r#"{"Tags":{"k":"v"}}"#,
        "<ListQueueTagsResult><Tag><Key>k</Key><Value>v</Value></Tag></ListQueueTagsResult>",
    );
}

#[test]
fn errors_say_the_same_in_header_type_and_code() {
    check_error(
        Error::no_such_queue(),
        400,
        "AWS.SimpleQueueService.NonExistentQueue;Sender",
        r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}"#,
        "<Type>Sender</Type><Code>AWS.SimpleQueueService.NonExistentQueue</Code>\
         <Message>The specified queue does not exist for this wsdl version.</Message>",
    );
    check_error(
        Error::missing_parameter("MessageBody"),
        400,
        "MissingParameter;Sender",
        concat!(
            r#"{"__type":"com.amazon.coral.service#MissingRequiredParameterException","#,
            r#""message":"The request must contain the parameter MessageBody."}"#
        ),
        "<Type>Sender</Type><Code>MissingParameter</Code>\
         <Message>The request must contain the parameter MessageBody.</Message>",
    );
    check_error(
        Error::internal("a\0<b"),
        500,
        "InternalFailure;Receiver",
        r#"{"__type":"com.amazon.coral.service#InternalFailure","message":"a\u0000<b"}"#,
        "<Type>Receiver</Type><Code>InternalFailure</Code><Message>a\u{fffd}&lt;b</Message>",
    );
    let too_large = encode_error(None, &Error::new(Code::RequestTooLarge, "too large"), &ID);
    assert_eq!(too_large.status, 413);
    assert_eq!(encode_error(None, &Error::invalid_handle("x"), &ID).status, 404);
}
