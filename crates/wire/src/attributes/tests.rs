use stanchion_types::attributes::{Document, RedrivePermission};

use super::*;

const DLQ: &str = "arn:aws:sqs:us-east-1:000000000000:dlq";

fn error(name: &str, text: &str) -> (Code, String) {
    let error = parse(name, text).expect_err(text);
    (error.code, error.message.into_owned())
}

#[test]
fn numbers_are_accepted_up_to_their_bounds_and_not_beyond() {
    for (name, low, high) in [
        ("DelaySeconds", 0, 900),
        ("MaximumMessageSize", 1024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43_200),
        ("KmsDataKeyReusePeriodSeconds", 60, 86_400),
    ] {
        let refusal = (Code::InvalidAttributeValue, format!("Invalid value for the parameter {name}."));
        for good in [low, high] {
            let change = parse(name, &good.to_string()).expect(name);
            assert_eq!(change.name().name(), name);
        }
        for bad in [low - 1, high + 1] {
            assert_eq!(error(name, &bad.to_string()), refusal);
        }
        for bad in ["", "x", "1.0", "+60", " 60", "99999999999999999999", "1e2"] {
            assert_eq!(error(name, bad), refusal, "{bad}");
        }
    }
}

#[test]
fn truth_values_and_words_are_taken_literally() {
    for name in ["SqsManagedSseEnabled", "FifoQueue", "ContentBasedDeduplication"] {
        assert!(parse(name, "true").is_ok() && parse(name, "false").is_ok());
        assert_eq!(error(name, "True").0, Code::InvalidAttributeValue);
    }
    let scope = AttributeChange::DeduplicationScope(DeduplicationScope::MessageGroup);
    assert_eq!(parse("DeduplicationScope", "messageGroup"), Ok(scope));
    assert_eq!(error("DeduplicationScope", "group").0, Code::InvalidAttributeValue);
    assert_eq!(error("FifoThroughputLimit", "").0, Code::InvalidAttributeValue);
}

#[test]
fn names_that_do_not_exist_or_cannot_be_set_are_unknown() {
    for name in ["Foo", "All", "QueueArn", "ApproximateNumberOfMessages", "CreatedTimestamp", "delaySeconds"] {
        assert_eq!(error(name, "1"), (Code::InvalidAttributeName, format!("Unknown Attribute {name}.")));
    }
}

#[test]
fn an_empty_value_removes_what_can_be_removed() {
    assert_eq!(parse("Policy", ""), Ok(AttributeChange::Policy(None)));
    assert_eq!(parse("RedrivePolicy", ""), Ok(AttributeChange::RedrivePolicy(None)));
    assert_eq!(parse("RedriveAllowPolicy", ""), Ok(AttributeChange::RedriveAllowPolicy(None)));
    assert_eq!(parse("KmsMasterKeyId", ""), Ok(AttributeChange::KmsMasterKeyId(None)));
    let key = Some("alias/aws/sqs".to_owned());
    assert_eq!(parse("KmsMasterKeyId", "alias/aws/sqs"), Ok(AttributeChange::KmsMasterKeyId(key)));
    assert_eq!(error("KmsMasterKeyId", "a key").0, Code::InvalidAttributeValue);
}

#[test]
fn a_redrive_policy_returns_compact_in_the_order_given_with_a_number() {
    for (given, returned) in [
        (
            format!("{{ \"maxReceiveCount\" : \"5\", \"deadLetterTargetArn\": \"{DLQ}\" }}"),
            format!("{{\"maxReceiveCount\":5,\"deadLetterTargetArn\":\"{DLQ}\"}}"),
        ),
        (
            format!("{{\"deadLetterTargetArn\":\"{DLQ}\",\"maxReceiveCount\":1000}}"),
            format!("{{\"deadLetterTargetArn\":\"{DLQ}\",\"maxReceiveCount\":1000}}"),
        ),
    ] {
        let Ok(AttributeChange::RedrivePolicy(Some(policy))) = parse("RedrivePolicy", &given) else {
            panic!("{given}")
        };
        assert_eq!((policy.text, policy.given), (returned, given));
        assert_eq!(policy.target.to_string(), DLQ);
    }
}

#[test]
fn a_bad_redrive_policy_is_refused_in_the_services_words() {
    let map = "Redrive policy is not a valid JSON map.";
    let count = |found: &str| {
        format!("Invalid value for maxReceiveCount: {found}, valid values are from 1 to 1000 both inclusive.")
    };
    let with_count = |count: &str| format!("{{\"deadLetterTargetArn\":\"{DLQ}\",\"maxReceiveCount\":{count}}}");
    for (text, reason) in [
        ("x".to_owned(), map.to_owned()),
        ("[]".to_owned(), map.to_owned()),
        ("{\"deadLetterTargetArn\":5,\"maxReceiveCount\":5}".to_owned(), map.to_owned()),
        (
            "{\"maxReceiveCount\":5}".to_owned(),
            "Redrive policy does not contain mandatory attribute: deadLetterTargetArn.".to_owned(),
        ),
        (
            format!("{{\"deadLetterTargetArn\":\"{DLQ}\"}}"),
            "Redrive policy does not contain mandatory attribute: maxReceiveCount.".to_owned(),
        ),
        (with_count("0"), count("0")),
        (with_count("1001"), count("1001")),
        (with_count("\"x\""), count("x")),
        (with_count("1.5"), count("1.5")),
        (
            "{\"deadLetterTargetArn\":\"x\",\"maxReceiveCount\":5}".to_owned(),
            "Invalid value for deadLetterTargetArn.".to_owned(),
        ),
    ] {
        let message = format!("Value {text} for parameter RedrivePolicy is invalid. Reason: {reason}");
        assert_eq!(error("RedrivePolicy", &text), (Code::InvalidParameterValue, message));
    }
}

#[test]
fn a_redrive_allow_policy_names_sources_exactly_when_it_permits_by_queue() {
    let by_queue = |count: usize| {
        let sources: Vec<_> = (0..count).map(|n| format!("\"arn:aws:sqs:us-east-1:000000000000:q{n}\"")).collect();
        format!("{{\"redrivePermission\": \"byQueue\", \"sourceQueueArns\": [{}]}}", sources.join(","))
    };
    let good = |text: &str| match parse("RedriveAllowPolicy", text) {
        Ok(AttributeChange::RedriveAllowPolicy(Some(policy))) => policy,
        other => panic!("{other:?}"),
    };
    assert_eq!(good("{\"redrivePermission\": \"denyAll\"}").text, "{\"redrivePermission\":\"denyAll\"}");
    let allow_all = good("{\"redrivePermission\":\"allowAll\",\"sourceQueueArns\":[]}");
    assert_eq!(allow_all.permission, RedrivePermission::AllowAll);
    let RedrivePermission::ByQueue(sources) = good(&by_queue(10)).permission else { panic!() };
    assert_eq!(sources.len(), 10);
    for bad in [
        "x",
        "{}",
        "{\"redrivePermission\":\"all\"}",
        "{\"redrivePermission\":\"byQueue\"}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":[\"x\"]}",
        "{\"redrivePermission\":\"byQueue\",\"sourceQueueArns\":\"x\"}",
        &by_queue(0),
        &by_queue(11),
        &by_queue(1).replace("byQueue", "denyAll"),
    ] {
        assert_eq!(error("RedriveAllowPolicy", bad).0, Code::InvalidParameterValue, "{bad}");
    }
}

fn policy(statement: &str) -> String {
    format!("{{\"Version\":\"2012-10-17\",\"Statement\":[{statement}]}}")
}

const STATEMENT: &str = r#"{"Effect":"Allow","Principal":"*","Action":"sqs:SendMessage","Resource":"*"}"#;

#[test]
fn a_policy_is_returned_as_it_came_and_compared_by_meaning() {
    let document = |text: &str| match parse("Policy", text) {
        Ok(AttributeChange::Policy(Some(document))) => document,
        other => panic!("{other:?}"),
    };
    let text = policy(STATEMENT);
    let spaced = text.replace(',', " , ");
    assert_eq!(document(&spaced).text, spaced);
    assert_eq!(document(&spaced), document(&text));
    let turned = r#"{"Statement":[{"Resource":"*","Action":"sqs:SendMessage","Principal":"*","Effect":"Allow"}],
        "Version":"2012-10-17"}"#;
    assert_eq!(document(turned), document(&text));
    assert_ne!(document(&text.replace("Allow", "Deny")), document(&text));
    let Document { canonical, .. } = document(&format!("{{\"Statement\":{STATEMENT},\"Id\":\"\\u00e9\\n\"}}"));
    assert!(canonical.starts_with("{\"Id\":\"é\\n\",\"Statement\":{\"Action\":"), "{canonical}");
}

#[test]
fn the_canonical_form_of_a_policy_reads_back_as_itself() {
    // Found by fuzzing: a parser that rounds fractions carelessly gives another number each time.
    let digits = format!("55554444.5500{}", "5".repeat(106));
    let text =
        policy(&STATEMENT.replace(
            "\"Resource\":\"*\"",
            &format!("\"Condition\":{{\"NumericEquals\":{{\"aws:EpochTime\":{digits}}}}}"),
        ));
    let Ok(AttributeChange::Policy(Some(document))) = parse("Policy", &text) else { panic!("{text}") };
    assert_eq!(parse("Policy", &document.canonical), Ok(AttributeChange::Policy(Some(document))));
}

#[test]
fn what_is_no_policy_is_refused() {
    for bad in [
        "x".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        policy(""),
        policy("5"),
        policy(&STATEMENT.replace("Allow", "Permit")),
        policy(&STATEMENT.replace("\"Principal\":\"*\",", "")),
        policy(&STATEMENT.replace("\"Principal\":\"*\"", "\"Principal\":\"x\"")),
        policy(&STATEMENT.replace("\"Principal\":\"*\"", "\"Principal\":{\"AWS\":5}")),
        policy(&STATEMENT.replace("\"Action\":\"sqs:SendMessage\",", "")),
        policy(&STATEMENT.replace("\"Resource\":\"*\"", "\"Resource\":5")),
        policy(&STATEMENT.replace("\"Resource\":\"*\"", "\"Condition\":{\"Bool\":true}")),
        policy(STATEMENT).replace("2012-10-17", "2020-01-01"),
        "[".repeat(8000),
    ] {
        let refusal = (Code::InvalidAttributeValue, "Invalid value for the parameter Policy.".to_owned());
        assert_eq!(error("Policy", &bad), refusal);
    }
}

#[test]
fn a_policy_keeps_within_its_quotas() {
    let many = |what: &str, count: usize| vec![what; count].join(",");
    let actions =
        |count| STATEMENT.replace("\"sqs:SendMessage\"", &format!("[{}]", many("\"sqs:SendMessage\"", count)));
    let principals =
        |count| STATEMENT.replace(":\"*\",\"Action", &format!(":{{\"AWS\":[{}]}},\"Action", many("\"1\"", count)));
    let conditions = |count: usize| {
        let keys: Vec<_> = (0..count).map(|n| format!("\"k{n}\":\"v\"")).collect();
        STATEMENT
            .replace("\"Resource\"", &format!("\"Condition\":{{\"StringEquals\":{{{}}}}},\"Resource\"", keys.join(",")))
    };
    let long = |len: usize| {
        let text = policy(STATEMENT);
        text.replace("2012-10-17\"", &format!("2012-10-17\"{}", " ".repeat(len - text.len())))
    };
    for (within, beyond) in [
        (policy(&many(STATEMENT, 20)), policy(&many(STATEMENT, 21))),
        (policy(&actions(7)), policy(&actions(8))),
        (policy(&principals(50)), policy(&principals(51))),
        (policy(&conditions(10)), policy(&conditions(11))),
        (long(8192), long(8193)),
    ] {
        assert!(parse("Policy", &within).is_ok(), "{within}");
        assert_eq!(error("Policy", &beyond).0, Code::OverLimit, "{beyond}");
    }
}

#[test]
fn what_is_rendered_reads_back_the_same() {
    let mut attributes = QueueAttributes::new(true);
    attributes.kms_key = Some("alias/x".into());
    attributes.managed_encryption = false;
    let rendered = render(&attributes);
    assert_eq!(rendered.len(), 12);
    for (name, text) in &rendered {
        assert_eq!(parse(name.name(), text).map(|change| change.name()), Ok(*name));
    }
    let standard: Vec<_> = render(&QueueAttributes::new(false)).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        standard,
        [
            AttributeName::VisibilityTimeout,
            AttributeName::MaximumMessageSize,
            AttributeName::MessageRetentionPeriod,
            AttributeName::DelaySeconds,
            AttributeName::ReceiveMessageWaitTimeSeconds,
            AttributeName::SqsManagedSseEnabled,
        ]
    );
}

#[test]
fn a_change_is_written_as_it_was_read() {
    for (name, text) in [
        ("DelaySeconds", "5"),
        ("MaximumMessageSize", "2048"),
        ("SqsManagedSseEnabled", "false"),
        ("KmsMasterKeyId", "alias/x"),
        ("KmsMasterKeyId", ""),
        ("DeduplicationScope", "messageGroup"),
        ("FifoThroughputLimit", "perMessageGroupId"),
        ("Policy", ""),
        ("RedriveAllowPolicy", r#"{"redrivePermission":"denyAll"}"#),
    ] {
        assert_eq!(render_change(&parse(name, text).unwrap()), text, "{name}");
    }
}
