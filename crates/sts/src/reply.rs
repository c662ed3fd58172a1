//! Answers.

use stanchion_auth::Issued;
use stanchion_policy::Principal;
use stanchion_types::RequestId;
use stanchion_types::calendar::Date;
use stanchion_wire::{Reply, XmlWriter};

use crate::VERSION;

pub(crate) const CONTENT_TYPE: &str = "text/xml";

/// What an action answers: its name, and the members of its result.
pub(crate) struct Answer {
    pub(crate) action: &'static str,
    pub(crate) members: XmlMembers,
}

/// Members of a result, one after the other: an element with text, or one with members.
pub(crate) type XmlMembers = Vec<(&'static str, Value)>;

/// What a member is.
pub(crate) enum Value {
    Text(String),
    Members(XmlMembers),
}

pub(crate) fn text(name: &'static str, value: impl Into<String>) -> (&'static str, Value) {
    (name, Value::Text(value.into()))
}

/// Answers who the caller is.
pub(crate) fn caller_identity(principal: &Principal) -> Answer {
    Answer {
        action: "GetCallerIdentity",
        members: vec![
            text("Arn", &*principal.arn),
            text("UserId", &*principal.id),
            text("Account", principal.account.as_str()),
        ],
    }
}

/// Returns credentials as a member of an answer; `expires` is in seconds since 1970.
pub(crate) fn credentials(issued: &Issued, expires: u64) -> (&'static str, Value) {
    let members = vec![
        text("AccessKeyId", issued.access_key.as_str()),
        text("SecretAccessKey", issued.secret.reveal()),
        text("SessionToken", issued.token.as_str()),
        text("Expiration", Date::of(expires).extended()),
    ];
    ("Credentials", Value::Members(members))
}

/// Begins the outermost element.
pub(crate) fn open(writer: &mut XmlWriter, name: &str) {
    writer.open(&format!("{name} xmlns=\"https://sts.amazonaws.com/doc/{VERSION}/\""));
}

pub(crate) fn encode(answer: Answer, id: &RequestId) -> Reply {
    let (response, result) = (format!("{}Response", answer.action), format!("{}Result", answer.action));
    let mut writer = XmlWriter::new(2048);
    open(&mut writer, &response);
    writer.open(&result);
    write(&mut writer, &answer.members);
    writer.close(&result);
    writer.open("ResponseMetadata");
    writer.element("RequestId", &id.to_string());
    writer.close("ResponseMetadata");
    writer.close(&response);
    Reply { status: 200, content_type: CONTENT_TYPE, query_error: None, body: writer.finish() }
}

fn write(writer: &mut XmlWriter, members: &XmlMembers) {
    for (name, value) in members {
        match value {
            Value::Text(text) => writer.element(name, text),
            Value::Members(members) => {
                writer.open(name);
                write(writer, members);
                writer.close(name);
            }
        }
    }
}
