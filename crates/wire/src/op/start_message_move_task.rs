use stanchion_types::limits::MOVE_RATE_MAX;
use stanchion_types::request::StartMessageMoveTask;
use stanchion_types::{Code, Error, QueueArn};

use crate::choices;
use crate::fields::{Fields, Name, required};
use crate::op::{Checked, DESTINATION_ARN, RATE, SOURCE_ARN};

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let source = required(fields, SOURCE_ARN)?;
    let destination = fields.text(DESTINATION_ARN)?.filter(|arn| !arn.is_empty());
    let rate = fields.integer(RATE)?;
    Ok(check(source, destination, rate).map(Into::into))
}

fn check(source: &str, destination: Option<&str>, rate: Option<i32>) -> Result<StartMessageMoveTask, Error> {
    let source = check_arn(source, SOURCE_ARN)?;
    let destination = destination.map(|arn| check_arn(arn, DESTINATION_ARN)).transpose()?;
    if destination.as_ref() == Some(&source) {
        return Err(Error::move_to_source(&source));
    }
    let rate = rate.map(check_rate).transpose()?;
    Ok(StartMessageMoveTask { source, destination, rate })
}

fn check_rate(rate: i32) -> Result<u32, Error> {
    let checked = u32::try_from(rate).ok().filter(|rate| (1..=MOVE_RATE_MAX).contains(rate));
    checked.ok_or_else(|| choices::out_of_range(rate, RATE.json, 1, MOVE_RATE_MAX))
}

/// Reads the ARN of a queue. One that is well formed and cannot be a queue's names nothing that exists.
pub(super) fn check_arn(arn: &str, name: Name) -> Result<QueueArn, Error> {
    if let Some(queue) = QueueArn::parse(arn) {
        return Ok(queue);
    }
    let name = name.json;
    let mut parts = arn.splitn(6, ':');
    if parts.next() == Some("arn") && parts.filter(|part| !part.is_empty()).count() == 5 {
        let message = format!("The resource that you specified for the {name} parameter doesn't exist.");
        return Err(Error::new(Code::ResourceNotFoundException, message));
    }
    Err(Error::invalid_parameter(format!(
        "You must use this format to specify the {name}: \
         arn:<partition>:<service>:<region>:<account-id>:<resource-id>"
    )))
}
