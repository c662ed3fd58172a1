//! Actions on message move tasks.

use stanchion_engine::command::{Command, Reply};
use stanchion_types::request::{CancelMessageMoveTask, ListMessageMoveTasks, StartMessageMoveTask};
use stanchion_types::response::{MoveStatus, Response};
use stanchion_types::{Code, Error};

use super::unexpected;
use crate::broker::Broker;
use crate::handles;

impl Broker {
    pub(super) async fn start_move_task(&self, request: StartMessageMoveTask) -> Result<Response, Error> {
        let StartMessageMoveTask { source, destination, rate } = request;
        let driver = self.owner(&source);
        let command = Command::StartMoveTask { source: source.clone(), destination, rate };
        match driver.ask(command, None).await? {
            Reply::TaskStarted(task) => Ok(Response::TaskStarted { task_handle: handles::issue_task(task, &source) }),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn cancel_move_task(&self, request: &CancelMessageMoveTask) -> Result<Response, Error> {
        let Some((task, source)) = handles::open_task(&request.task_handle) else {
            return Err(Error::invalid_parameter("Value for parameter TaskHandle is invalid."));
        };
        let task = task.ok_or_else(|| Error::new(Code::ResourceNotFoundException, "Task does not exist."))?;
        match self.owner(&source).ask(Command::CancelMoveTask { task }, None).await? {
            Reply::TaskCancelled { moved } => Ok(Response::TaskCancelled { moved }),
            reply => Err(unexpected(&reply)),
        }
    }

    pub(super) async fn list_move_tasks(&self, request: ListMessageMoveTasks) -> Result<Response, Error> {
        let driver = self.owner(&request.source);
        let command = Command::ListMoveTasks { source: request.source, limit: request.max_results as usize };
        let tasks = match driver.ask(command, None).await? {
            Reply::Tasks(tasks) => tasks,
            reply => return Err(unexpected(&reply)),
        };
        let with_handle = tasks.into_iter().map(|(id, mut task)| {
            // Only a task that runs can be cancelled, so only then does a listing show its handle.
            let running = task.status == MoveStatus::Running;
            task.task_handle = running.then(|| handles::issue_task(id, &task.source));
            task
        });
        Ok(Response::Tasks(with_handle.collect()))
    }
}
