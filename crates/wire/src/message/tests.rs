use super::*;
use crate::fields::json::Document;

/// Checks a message whose attributes are given as JSON; answers the error's text.
fn check(attributes: &str) -> Result<NewMessage, String> {
    let text = format!("{{\"MessageBody\":\"x\",\"MessageAttributes\":{{{attributes}}}}}");
    let document = Document::parse(text.as_bytes()).expect("JSON");
    let message = read(document.members()).and_then(|message| message.check(None));
    message.map_err(|error| {
        assert_eq!(error.code, Code::InvalidParameterValue);
        error.message.into_owned()
    })
}

fn attribute(name: &str, data_type: &str, member: &str) -> String {
    format!("\"{name}\":{{\"DataType\":\"{data_type}\",{member}}}")
}

const TEXT: &str = "\"StringValue\":\"v\"";

#[test]
fn at_most_ten_attributes_are_accepted() {
    let attributes = |count: usize| {
        let all: Vec<_> = (0..count).map(|n| attribute(&format!("a{n}"), "String", TEXT)).collect();
        all.join(",")
    };
    assert_eq!(check(&attributes(10)).map(|message| message.attributes.len()), Ok(10));
    let message = "Number of message attributes [11] exceeds the allowed maximum [10].";
    assert_eq!(check(&attributes(11)), Err(message.to_owned()));
}

#[test]
fn attribute_names_follow_their_rules() {
    for good in ["a", "A-z_0.9", "__AmazonSQSVirtualQueuesClient.QueueName", "Amazon", "AWSx", &"x".repeat(256)] {
        assert!(check(&attribute(good, "String", TEXT)).is_ok(), "{good}");
    }
    let long = "Message (user) attribute names must be shorter than 256 Bytes";
    let characters = "Message (user) attributes name can only contain upper and lower score characters, digits, \
                      periods, hyphens and underscores. ";
    let reserved = "You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are \
                    reserved for internal use. Additionally, they cannot start or end with '.'.";
    for (bad, message) in [
        (&*"x".repeat(257), long),
        ("", characters),
        ("a b", characters),
        ("é", characters),
        ("aws.x", reserved),
        ("AMAZON.x", reserved),
        (".a", reserved),
        ("a.", reserved),
        ("a..b", reserved),
    ] {
        assert_eq!(check(&attribute(bad, "String", TEXT)), Err(message.to_owned()), "{bad}");
    }
}

#[test]
fn data_types_have_a_kind_and_perhaps_a_label() {
    for good in ["String", "String.uuid", "String.a.b", &format!("String.{}", "x".repeat(249))] {
        assert!(check(&attribute("a", good, TEXT)).is_ok(), "{good}");
    }
    assert_eq!(check(&attribute("a", "", TEXT)), Err("Missing required parameter DataType".to_owned()));
    assert_eq!(check(&format!("\"a\":{{{TEXT}}}")), Err("Missing required parameter DataType".to_owned()));
    for bad in ["Foo", "string", "StringX", "String.", &format!("String.{}", "x".repeat(250))] {
        let message = format!(
            "Type for parameter MessageAttributes.Attribute_name.DataType must be prefixed with \"String\", \
             \"Binary\", or \"Number\", but was: {bad}"
        );
        assert_eq!(check(&attribute("a", bad, TEXT)), Err(message));
    }
}

#[test]
fn values_must_be_there_and_agree_with_their_type() {
    for (data_type, member, message) in [
        (
            "String",
            "\"StringValue\":\"\"",
            "Message (user) attribute 'a' must contain a non-empty value of type 'String'.",
        ),
        ("Number", "\"x\":\"\"", "Message (user) attribute 'a' must contain a non-empty value of type 'Number'."),
        (
            "Binary.png",
            "\"BinaryValue\":\"\"",
            "Message (user) attribute 'a' must contain a non-empty value of type 'Binary'.",
        ),
        ("Number", "\"StringValue\":\"x\"", "Can't cast the value of message (user) attribute 'a' to a number."),
        ("Binary", TEXT, "The message attribute 'a' with type 'Binary' must use field 'Binary'."),
        ("String", "\"BinaryValue\":\"AAAA\"", "The message attribute 'a' with type 'String' must use field 'String'."),
        ("Number", "\"BinaryValue\":\"AAAA\"", "The message attribute 'a' with type 'Number' must use field 'String'."),
    ] {
        assert_eq!(check(&attribute("a", data_type, member)), Err(message.to_owned()));
    }
    let lists = format!("{TEXT},\"StringListValues\":[],\"BinaryListValues\":[]");
    assert!(check(&attribute("a", "String", &lists)).is_ok());
    assert!(check(&attribute("a", "String", "\"StringListValues\":[\"x\"]")).is_err());
}

#[test]
fn attributes_are_sorted_by_name() {
    let both = format!("{},{}", attribute("b", "String", TEXT), attribute("B", "String", TEXT));
    let names = check(&both).map(|message| message.attributes.into_iter().map(|a| a.name).collect::<Vec<_>>());
    assert_eq!(names, Ok(vec!["B".to_owned(), "b".to_owned()]));
}

#[test]
fn only_a_trace_header_of_type_string_is_a_system_attribute() {
    let system = |attributes: &str| {
        let text = format!("{{\"MessageBody\":\"x\",\"MessageSystemAttributes\":{{{attributes}}}}}");
        let document = Document::parse(text.as_bytes()).expect("JSON");
        read(document.members()).and_then(|message| message.check(Some("from HTTP")))
    };
    let message = system(&attribute("AWSTraceHeader", "String", TEXT)).expect("a trace header");
    assert_eq!(message.trace_header.as_deref(), Some("v"));
    assert!(message.system_attributes_md5.is_some());
    for bad in [
        attribute("Other", "String", TEXT),
        attribute("AWSTraceHeader", "Number", "\"StringValue\":\"1\""),
        attribute("AWSTraceHeader", "Binary", "\"BinaryValue\":\"AAAA\""),
    ] {
        assert_eq!(system(&bad).map_err(|error| error.code), Err(Code::InvalidParameterValue), "{bad}");
    }
}
