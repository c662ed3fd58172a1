use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn message(text: &str) -> Result<Carried, String> {
    match Line::read(text)? {
        Line::Message(message) => message.carried(NOW),
        Line::Queue(_) => Err("is a queue".to_owned()),
    }
}

#[test]
fn a_message_reads_back_as_it_was_written() {
    let text = r#"{"QueueName":"q.fifo","MessageId":"01234567-89ab-4def-8123-456789abcdef","Body":"b \"\n","MessageAttributes":{"n":{"DataType":"Number.int","StringValue":"1"},"x":{"DataType":"Binary","BinaryValue":"AP8="}},"Attributes":{"AWSTraceHeader":"Root=1","ApproximateFirstReceiveTimestamp":"1600000000001","ApproximateReceiveCount":"3","DeadLetterQueueSourceArn":"arn:aws:sqs:us-east-1:000000000000:s.fifo","MessageDeduplicationId":"d","MessageGroupId":"g","SenderId":"me","SentTimestamp":"1600000000000"},"State":"in-flight","VisibleTimestamp":1700000000001}"#;
    let carried = message(text).expect("a good line");
    assert_eq!(carried.receive_count, 3);
    assert_eq!(carried.standing, Standing::InFlight { until: Timestamp::from_millis(1_700_000_000_001) });
    let queue = QueueName::new("q.fifo").expect("a name");
    assert_eq!(serde_json::to_string(&MessageLine::new(&queue, &carried)).expect("JSON"), text);
}

#[test]
fn a_body_alone_is_a_message_sent_now() {
    let carried = message(r#"{"QueueName":"q","Body":"x"}"#).expect("a good line");
    assert_eq!((carried.sent_at, carried.receive_count, carried.standing), (NOW, 0, Standing::Visible));
    assert_eq!((carried.id, carried.sender_id), (None, None));
}

#[test]
fn a_bad_line_is_refused_with_what_is_wrong() {
    let long_sender = format!(r#"{{"QueueName":"q","Body":"x","Attributes":{{"SenderId":"{}"}}}}"#, "a".repeat(257));
    for (text, words) in [
        ("", "EOF"),
        ("[]", "invalid"),
        (r#"{"QueueName":"q","Body":"x","Bodies":1}"#, "unknown field `Bodies`"),
        (r#"{"Body":"x"}"#, "missing field `QueueName`"),
        (r#"{"QueueName":"q","Body":""}"#, "MessageBody"),
        (r#"{"QueueName":"q","Body":"x","State":"gone"}"#, "unknown variant"),
        (r#"{"QueueName":"q","Body":"x","State":"delayed"}"#, "VisibleTimestamp"),
        (r#"{"QueueName":"q","Body":"x","MessageId":"7"}"#, "MessageId is no UUID"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"SentTimestamp":"soon"}}"#, "SentTimestamp is no number"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"ApproximateReceiveCount":"4000000000"}}"#, "too large"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"SenderId":"a\u0001"}}"#, "SenderId"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"SenderId":""}}"#, "SenderId"),
        (&long_sender, "SenderId"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"Colour":"red"}}"#, "no system attribute Colour"),
        (r#"{"QueueName":"q","Body":"x","Attributes":{"DeadLetterQueueSourceArn":"q"}}"#, "no ARN"),
        (r#"{"QueueName":"q","Body":"x","MessageAttributes":{"n":{"DataType":"Number","StringValue":"x"}}}"#, "n"),
    ] {
        let error = message(text).expect_err(text);
        assert!(error.contains(words), "{text}: {error}");
    }
}

#[test]
fn a_queue_comes_home_to_the_server_that_takes_it() {
    let text = r#"{"QueueName":"q","QueueArn":"arn:aws:sqs:us-east-1:111122223333:q","Attributes":{"CreatedTimestamp":"1","DelaySeconds":"5","RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:us-east-1:111122223333:d\",\"maxReceiveCount\":3}"},"Tags":{"a":"b"}}"#;
    let Ok(Line::Queue(line)) = Line::read(text) else { panic!("a queue") };
    let home = QueueArn::parse("arn:aws:sqs:eu-west-1:000000000000:any").expect("an ARN");
    let (request, redrive) = line.request(&home).expect("a request");
    assert_eq!((request.name.as_str(), request.attributes.len(), request.tags.len()), ("q", 1, 1));
    let redrive = redrive.expect("a redrive policy");
    assert!(redrive.contains("arn:aws:sqs:eu-west-1:000000000000:d"), "{redrive}");
}

#[test]
fn a_queue_with_a_bad_attribute_is_refused() {
    let home = QueueArn::parse("arn:aws:sqs:eu-west-1:000000000000:any").expect("an ARN");
    for text in [r#"{"QueueName":"q","Attributes":{"DelaySeconds":"901"}}"#, r#"{"QueueName":"?"}"#] {
        let Ok(Line::Queue(line)) = Line::read(text) else { panic!("a queue") };
        line.request(&home).expect_err(text);
    }
}
