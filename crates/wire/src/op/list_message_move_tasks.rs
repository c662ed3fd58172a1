use stanchion_types::Error;
use stanchion_types::limits::MOVE_TASKS_LISTED_MAX;
use stanchion_types::request::ListMessageMoveTasks;
use stanchion_types::response::MoveTask;

use crate::fields::{Fields, Name, required};
use crate::op::page::check_max_results;
use crate::op::start_message_move_task::check_arn;
use crate::op::{Checked, DESTINATION_ARN, MAX_RESULTS, MOVED, RATE, SOURCE_ARN, TASK_HANDLE};
use crate::writer::Writer;

/// How many tasks are listed unless the client asks for more.
const MAX_RESULTS_DEFAULT: i32 = 1;

const RESULTS: Name = Name::new("Results", "ListMessageMoveTasksResultEntry");
const STATUS: Name = Name::same("Status");
const TO_MOVE: Name = Name::same("ApproximateNumberOfMessagesToMove");
const FAILURE: Name = Name::same("FailureReason");
const STARTED: Name = Name::same("StartedTimestamp");

pub(super) fn decode<'t>(fields: impl Fields<'t>) -> Result<Checked, Error> {
    let source = required(fields, SOURCE_ARN)?;
    let max_results = fields.integer(MAX_RESULTS)?.unwrap_or(MAX_RESULTS_DEFAULT);
    Ok(check(source, max_results).map(Into::into))
}

fn check(source: &str, max_results: i32) -> Result<ListMessageMoveTasks, Error> {
    let source = check_arn(source, SOURCE_ARN)?;
    let max_results = check_max_results(max_results, MOVE_TASKS_LISTED_MAX)?;
    Ok(ListMessageMoveTasks { source, max_results })
}

pub(super) fn encode<W: Writer>(writer: &mut W, tasks: &[MoveTask]) {
    writer.list(RESULTS, tasks.iter(), |writer, task| {
        if let Some(handle) = &task.task_handle {
            writer.text(TASK_HANDLE, handle);
        }
        writer.text(STATUS, task.status.name());
        writer.text(SOURCE_ARN, &task.source.to_string());
        if let Some(destination) = &task.destination {
            writer.text(DESTINATION_ARN, &destination.to_string());
        }
        if let Some(rate) = task.rate {
            writer.number(RATE, rate.into());
        }
        writer.number(MOVED, task.moved);
        writer.number(TO_MOVE, task.to_move);
        if let Some(reason) = &task.failure {
            writer.text(FAILURE, reason);
        }
        writer.number(STARTED, task.started.millis());
    });
}
