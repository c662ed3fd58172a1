use proptest::prelude::*;

use super::*;

fn handle() -> Handle {
    Handle {
        shard: ShardId(3),
        queue: QueueId(41),
        receipt: Receipt {
            key: MessageKey(1 << 40),
            receive_count: 7,
            received_at: Timestamp::from_millis(1_800_000_000_123),
        },
    }
}

fn sealer() -> Sealer {
    Sealer::new(&Secret::random().unwrap())
}

#[test]
fn a_handle_reads_back_and_looks_like_the_services() {
    let sealer = sealer();
    let text = sealer.issue(&handle());
    assert!(text.starts_with("AQEB") && text.len() <= 1024, "{text}");
    assert_eq!(sealer.open(&text), Some(handle()));
}

#[test]
fn a_handle_of_another_server_is_not_recognised() {
    assert_eq!(sealer().open(&sealer().issue(&handle())), None);
}

#[test]
fn a_changed_byte_anywhere_breaks_the_seal() {
    let sealer = sealer();
    let bytes = BASE64.decode(sealer.issue(&handle()).as_bytes()).unwrap();
    for index in 0..bytes.len() {
        let mut changed = bytes.clone();
        changed[index] ^= 1;
        assert_eq!(sealer.open(&BASE64.encode(&changed)), None, "byte {index}");
    }
}

#[test]
fn texts_that_are_no_handles_are_not_recognised() {
    let sealer = sealer();
    let text = sealer.issue(&handle());
    let long = "A".repeat(1 << 20);
    for wrong in
        ["", "abc", "AQEB", "é", &text[1..], &text[..text.len() - 1], &format!("{text}="), &format!(" {text}"), &long]
    {
        assert_eq!(sealer.open(wrong), None);
    }
}

#[test]
fn a_task_handle_reads_back_and_is_base64_of_json() {
    let source = QueueArn::parse("arn:aws:sqs:us-east-1:000000000000:dead").unwrap();
    let text = issue_task(TaskId(0x1234 << 64), &source);
    assert_eq!(open_task(&text), Some((Some(TaskId(0x1234 << 64)), source)));
    let json = String::from_utf8(BASE64.decode(text.as_bytes()).unwrap()).unwrap();
    assert_eq!(
        json,
        r#"{"taskId":"00000000-0000-1234-0000-000000000000","sourceArn":"arn:aws:sqs:us-east-1:000000000000:dead"}"#
    );
}

#[test]
fn texts_that_are_no_task_handles_are_not_recognised() {
    let encode = |text: &str| BASE64.encode(text.as_bytes());
    for wrong in [
        "not base64".to_owned(),
        encode("not json"),
        encode("[]"),
        encode(r#"{"taskId":"00000000-0000-1234-0000-000000000000","sourceArn":"dead"}"#),
        encode(r#"{"taskId":"00000000-0000-1234-0000-000000000000"}"#),
    ] {
        assert_eq!(open_task(&wrong), None, "{wrong}");
    }
}

#[test]
fn a_task_handle_with_an_id_of_another_form_is_one_of_no_task() {
    let source = "arn:aws:sqs:us-east-1:000000000000:dead";
    let text = BASE64.encode(format!(r#"{{"taskId":"zz","sourceArn":"{source}"}}"#).as_bytes());
    assert_eq!(open_task(&text), Some((None, QueueArn::parse(source).unwrap())));
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in ".{0,120}") {
        let _ = sealer().open(&text);
        let _ = open_task(&text);
    }
}
