//! The bounds of the service model, and the words for what breaks them.

use super::*;

#[test]
fn what_breaks_a_bound_is_named_and_all_of_it_at_once() {
    let authenticator = authenticator();
    let anna = key("AKIAANNA");
    let long_name = "n".repeat(65);
    let start = "failed to satisfy constraint: Member must";
    for (form, expected) in [
        (
            vec![("RoleSessionName", "s1")],
            format!("1 validation error detected: Value null at 'roleArn' {start} not be null"),
        ),
        (
            vec![],
            format!(
                "2 validation errors detected: Value null at 'roleArn' {start} not be null; \
                 Value null at 'roleSessionName' {start} not be null"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s")],
            format!(
                "1 validation error detected: Value 's' at 'roleSessionName' {start} have length greater than or equal to 2"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", long_name.as_str())],
            format!(
                "1 validation error detected: Value '{long_name}' at 'roleSessionName' {start} have length less than or equal to 64"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "a b")],
            format!(
                "1 validation error detected: Value 'a b' at 'roleSessionName' {start} satisfy regular expression pattern: \
                 [\\w+=,.@-]*"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s1"), ("DurationSeconds", "899")],
            format!(
                "1 validation error detected: Value '899' at 'durationSeconds' {start} have value greater than or equal to 900"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s1"), ("DurationSeconds", "43201")],
            format!(
                "1 validation error detected: Value '43201' at 'durationSeconds' {start} have value less than or equal to 43200"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s1"), ("Tags.member.1.Key", "k")],
            format!("1 validation error detected: Value null at 'tags.1.member.value' {start} not be null"),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s1"), ("ExternalId", "x")],
            format!(
                "1 validation error detected: Value 'x' at 'externalId' {start} have length greater than or equal to 2"
            ),
        ),
        (
            vec![("RoleArn", WORKER), ("RoleSessionName", "s1"), ("TokenCode", "12345")],
            format!(
                "1 validation error detected: Value '12345' at 'tokenCode' {start} have length greater than or equal to 6"
            ),
        ),
    ] {
        let form = [vec![("Action", "AssumeRole")], form].concat();
        assert_eq!(refused(ask(&authenticator, &anna, &form), 400, "ValidationError"), expected);
    }
    for seconds in ["899", "129601"] {
        let form = [("Action", "GetSessionToken"), ("DurationSeconds", seconds)];
        refused(ask(&authenticator, &anna, &form), 400, "ValidationError");
    }
}

#[test]
fn lists_have_their_bounds_as_well() {
    let authenticator = authenticator();
    let numbered = |count: usize, name: &str, value: &str| -> Vec<(String, String)> {
        (1..=count)
            .map(|number| (name.replace('#', &number.to_string()), value.replace('#', &number.to_string())))
            .collect()
    };
    let tags =
        |count| [numbered(count, "Tags.member.#.Key", "k#"), numbered(count, "Tags.member.#.Value", "v")].concat();
    let arns = |count| numbered(count, "PolicyArns.member.#.arn", "arn:aws:iam::111122223333:policy/assume");
    for (more, expected) in [
        (tags(50), None),
        (tags(51), Some("ValidationError")),
        (arns(10), None),
        (arns(11), Some("ValidationError")),
        (tags(1001), Some("MalformedInput")),
    ] {
        let more: Vec<(&str, &str)> = more.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let (status, xml) = assume(&authenticator, &key("AKIAANNA"), WORKER, &more);
        assert_eq!((status == 200, element(&xml, "Code")), (expected.is_none(), expected), "{xml}");
    }
}

#[test]
fn what_is_no_role_no_number_or_no_action_is_refused() {
    let authenticator = authenticator();
    let anna = key("AKIAANNA");
    for arn in ["arn:aws:iam::111122223333:user/anna", "arn:aws:iam::1111:role/worker", "xxxxxxxxxxxxxxxxxxxxxxxx"] {
        let text = refused(assume(&authenticator, &anna, arn, &[]), 400, "ValidationError");
        assert_eq!(text, format!("{arn} is invalid"));
    }
    for seconds in ["soon", "-1", "1e3", "99999999999999999999"] {
        refused(assume(&authenticator, &anna, WORKER, &[("DurationSeconds", seconds)]), 400, "MalformedInput");
    }
    let text = refused(ask(&authenticator, &anna, &[("Action", "AssumeRoleWithSAML")]), 400, "InvalidAction");
    assert_eq!(text, "Could not find operation AssumeRoleWithSAML for version 2011-06-15");
    refused(ask(&authenticator, &anna, &[]), 400, "MissingAction");
    let factor = [("SerialNumber", "arn:aws:iam::111122223333:mfa/anna"), ("TokenCode", "123456")];
    refused(assume(&authenticator, &anna, WORKER, &factor), 403, "AccessDenied");
    refused(
        assume(&authenticator, &anna, WORKER, &[("ProvidedContexts.member.1.ProviderArn", "x")]),
        400,
        "InvalidParameterValue",
    );
}

#[test]
fn a_caller_who_could_not_be_told_is_refused_as_this_service_does() {
    use stanchion_types::{Code, Error};
    for (code, status, expected) in [
        (Code::InvalidClientTokenId, 403, "InvalidClientTokenId"),
        (Code::ExpiredToken, 403, "ExpiredToken"),
        (Code::SignatureDoesNotMatch, 403, "SignatureDoesNotMatch"),
        (Code::RequestThrottled, 400, "Throttling"),
        (Code::ServiceUnavailable, 503, "ServiceUnavailable"),
    ] {
        let reply = encode_error(&Error::new(code, "a <text>"), &RequestId([0; 16]));
        let xml = String::from_utf8(reply.body).expect("text");
        assert_eq!((reply.status, element(&xml, "Code")), (status, Some(expected)));
        assert_eq!(element(&xml, "Message"), Some("a &lt;text&gt;"));
        assert!(xml.contains("<ErrorResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">"), "{xml}");
    }
}
