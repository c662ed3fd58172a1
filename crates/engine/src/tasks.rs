//! Message move tasks: what is known of each.

use std::collections::BTreeMap;

use stanchion_types::response::{MoveStatus, MoveTask};
use stanchion_types::{QueueArn, Timestamp, limits};

use crate::event::TaskEnd;
use crate::ids::{QueueId, TaskId};

/// A message move task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Task {
    /// Number in order of starting.
    pub(crate) number: u64,
    /// The queue to empty.
    pub(crate) source: QueueId,
    /// Its name.
    pub(crate) source_arn: QueueArn,
    /// Where to; `None` is back to where each message came from.
    pub(crate) destination: Option<QueueArn>,
    /// Messages per second, if limited.
    pub(crate) rate: Option<u32>,
    /// Messages in the source at the start.
    pub(crate) to_move: u64,
    /// Messages moved so far.
    pub(crate) moved: u64,
    /// When it started.
    pub(crate) started: Timestamp,
    /// How it ended; `None` while it runs.
    pub(crate) end: Option<TaskEnd>,
}

impl Task {
    /// Describes the task for a listing; without handle.
    pub(crate) fn describe(&self) -> MoveTask {
        let (status, failure) = match &self.end {
            None => (MoveStatus::Running, None),
            Some(TaskEnd::Completed) => (MoveStatus::Completed, None),
            Some(TaskEnd::Cancelled) => (MoveStatus::Cancelled, None),
            Some(TaskEnd::Failed(reason)) => (MoveStatus::Failed, Some(reason.clone())),
        };
        MoveTask {
            task_handle: None,
            status,
            source: self.source_arn.clone(),
            destination: self.destination.clone(),
            rate: self.rate,
            moved: self.moved,
            to_move: self.to_move,
            failure,
            started: self.started,
        }
    }
}

/// The tasks of an engine: those that run, and the last that ended for each source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks {
    all: BTreeMap<TaskId, Task>,
    last_number: u64,
    /// When each running task moves on; not part of the state, for pace is no promise.
    wake: BTreeMap<TaskId, Timestamp>,
}

impl Tasks {
    /// Returns a task.
    pub(crate) fn get(&self, id: TaskId) -> Option<&Task> {
        self.all.get(&id)
    }

    /// Lists the tasks that run.
    pub(crate) fn running(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.all.iter().filter(|(_, task)| task.end.is_none()).map(|(id, task)| (*id, task))
    }

    /// Lists the tasks of a source, newest first.
    pub(crate) fn of_source(&self, source: QueueId) -> Vec<(TaskId, &Task)> {
        let mut tasks: Vec<_> = self.iter().filter(|(_, task)| task.source == source).collect();
        tasks.sort_by_key(|(_, task)| std::cmp::Reverse(task.number));
        tasks
    }

    /// Lists all tasks.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (TaskId, &Task)> {
        self.all.iter().map(|(id, task)| (*id, task))
    }

    /// Returns when the next task moves on.
    pub(crate) fn next_deadline(&self) -> Timestamp {
        self.wake.values().min().copied().unwrap_or(Timestamp::NEVER)
    }

    /// Returns a running task that is to move on now.
    pub(crate) fn due(&self, now: Timestamp) -> Option<TaskId> {
        self.wake.iter().find(|(_, at)| **at <= now).map(|(id, _)| *id)
    }

    /// Sets when a running task moves on.
    pub(crate) fn sleep(&mut self, id: TaskId, until: Timestamp) {
        if self.wake.contains_key(&id) {
            self.wake.insert(id, until);
        }
    }

    /// Lets the running tasks of a source rest.
    pub(crate) fn rest(&mut self, source: QueueId, until: Timestamp) {
        for (id, at) in &mut self.wake {
            if self.all[id].source == source {
                *at = until;
            }
        }
    }

    /// Begins a task.
    #[allow(clippy::too_many_arguments, reason = "they are the fields of the event that starts a task")]
    pub(crate) fn start(
        &mut self,
        id: TaskId,
        source: QueueId,
        source_arn: &QueueArn,
        destination: Option<&QueueArn>,
        rate: Option<u32>,
        to_move: u64,
        now: Timestamp,
    ) {
        let task = Task {
            number: self.last_number + 1,
            source,
            source_arn: source_arn.clone(),
            destination: destination.cloned(),
            rate,
            to_move,
            moved: 0,
            started: now,
            end: None,
        };
        self.restore(id, task);
        let old: Vec<TaskId> =
            self.of_source(source).iter().skip(limits::MOVE_TASKS_LISTED_MAX as usize).map(|(id, _)| *id).collect();
        for id in old {
            self.all.remove(&id);
        }
    }

    /// Puts a task where a snapshot found it.
    pub(crate) fn restore(&mut self, id: TaskId, task: Task) {
        self.last_number = self.last_number.max(task.number);
        if task.end.is_none() {
            self.wake.insert(id, Timestamp::ZERO);
        }
        self.all.insert(id, task);
    }

    /// Counts messages that a task moved.
    pub(crate) fn moved(&mut self, id: TaskId, messages: u64) {
        self.all.get_mut(&id).expect("a task that moves messages is known").moved += messages;
    }

    /// Ends a task.
    pub(crate) fn end(&mut self, id: TaskId, end: &TaskEnd) {
        self.all.get_mut(&id).expect("a task that ends is known").end = Some(end.clone());
        self.wake.remove(&id);
    }
}
