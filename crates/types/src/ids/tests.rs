use super::*;

#[test]
fn a_queue_name_has_80_legal_characters_at_most() {
    for good in ["a", "A-b_9", &"x".repeat(80), "orders.fifo", &format!("{}.fifo", "x".repeat(75))] {
        assert!(QueueName::new(good).is_some(), "{good}");
    }
    for bad in ["", ".fifo", "a.b", "a b", "é", &"x".repeat(81), &format!("{}.fifo", "x".repeat(76)), "a.fifo.fifo"] {
        assert!(QueueName::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn only_the_suffix_makes_a_fifo_name() {
    assert!(QueueName::new("a.fifo").unwrap().is_fifo());
    assert!(!QueueName::new("fifo").unwrap().is_fifo());
}

#[test]
fn an_arn_reads_back_what_it_prints() {
    let text = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo";
    assert_eq!(QueueArn::parse(text).unwrap().to_string(), text);
    for bad in [
        "",
        "arn",
        "arn:aws:sqs:eu-west-1:123:orders",
        "arn:aws:sns:eu-west-1:123456789012:orders",
        "arn:aws:sqs:eu-west-1:123456789012:a:b",
        "urn:aws:sqs:eu-west-1:123456789012:orders",
    ] {
        assert!(QueueArn::parse(bad).is_none(), "{bad}");
    }
}

#[test]
fn an_account_is_twelve_digits() {
    assert_eq!(AccountId::new("123456789012").unwrap().as_str(), "123456789012");
    for bad in ["", "12345678901", "1234567890123", "12345678901a"] {
        assert!(AccountId::new(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_uuid_is_lower_case_and_marked_as_random() {
    let id = MessageId(uuid_v4([0xff; 16]));
    assert_eq!(id.to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_eq!(MessageId(uuid_v4([0; 16])).to_string(), "00000000-0000-4000-8000-000000000000");
}
