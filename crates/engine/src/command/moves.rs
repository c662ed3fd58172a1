//! Message move tasks: starting, stopping, listing, and the steps in between.

use std::collections::BTreeMap;

use stanchion_types::ids::uuid_v4;
use stanchion_types::{Code, Error, MessageId, QueueArn, Timestamp, limits};

use crate::command::Reply;
use crate::decide::{Decision, PageWish, Purpose};
use crate::engine::Engine;
use crate::event::{Event, TaskEnd};
use crate::ids::{Entropy, MessageKey, QueueId, TaskId};
use crate::tasks::Task;

/// Most messages that a task moves in one step.
const STEP_MAX: u64 = 256;
/// How long a task without a rate of its own rests between steps, so that others get their turn.
const STEP_REST_MS: u64 = 5;
/// How long a task waits before it looks again for messages that are in flight or delayed.
const LOOK_REST_MS: u64 = 200;

/// What a task does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// These events, then rest until then.
    Move(Vec<Event>, Timestamp),
    /// Nothing to move before then.
    Rest(Timestamp),
    /// A page must be read first.
    Load(PageWish),
}

impl Engine {
    pub(crate) fn start_move_task(
        &self,
        source: &QueueArn,
        destination: Option<&QueueArn>,
        rate: Option<u32>,
        entropy: Entropy,
    ) -> Result<Decision, Error> {
        let queue = self.find(source).ok_or_else(|| missing("SourceArn"))?;
        if self.sources(source).next().is_none() {
            return Err(Error::invalid_parameter("Source queue must be configured as a Dead Letter Queue."));
        }
        if let Some(destination) = destination {
            let target = self.find(destination).ok_or_else(|| missing("DestinationArn"))?;
            if target.id == queue.id {
                return Err(Error::move_to_source(destination));
            }
            if target.is_fifo() != queue.is_fifo() {
                return Err(Error::invalid_parameter("Source queue and destination queue must be of the same type."));
            }
        }
        if self.tasks.running().any(|(_, task)| task.source == queue.id) {
            return Err(Error::invalid_parameter(
                "There is already a task running. Only one active task is allowed for a source queue arn at a given time.",
            ));
        }
        let active = self.tasks.running().filter(|(_, task)| task.source_arn.account == source.account).count();
        if active >= limits::MOVE_TASKS_ACTIVE_MAX {
            return Err(Error::invalid_parameter("There are 100 active tasks in this account already."));
        }
        let counters = queue.counters();
        let task = TaskId(entropy.draw(0));
        let event = Event::TaskStarted {
            task,
            source: queue.id,
            source_arn: source.clone(),
            destination: destination.cloned(),
            rate,
            to_move: counters.visible + counters.in_flight + counters.delayed,
        };
        Ok(Decision::Commit { events: vec![event], reply: Reply::TaskStarted(task) })
    }

    pub(crate) fn cancel_move_task(&self, id: TaskId) -> Result<Decision, Error> {
        let task = self
            .task(id)
            .filter(|task| task.end.is_none())
            .ok_or_else(|| Error::new(Code::ResourceNotFoundException, "Task does not exist."))?;
        let event = Event::TaskEnded { task: id, end: TaskEnd::Cancelled };
        Ok(Decision::Commit { events: vec![event], reply: Reply::TaskCancelled { moved: task.moved } })
    }

    pub(crate) fn list_move_tasks(&self, source: &QueueArn, limit: usize) -> Result<Decision, Error> {
        let queue = self.find(source).ok_or_else(|| missing("SourceArn"))?;
        let tasks = self.tasks.of_source(queue.id).into_iter().take(limit);
        Ok(Decision::answer(Reply::Tasks(tasks.map(|(id, task)| (id, task.describe())).collect())))
    }

    /// Decides what a running task does at a moment.
    pub(crate) fn step(&self, id: TaskId, now: Timestamp, entropy: Entropy) -> Step {
        let task = self.task(id).expect("a running task is known");
        let end = |end| Step::Move(vec![Event::TaskEnded { task: id, end }], Timestamp::NEVER);
        let Some(source) = self.queue(task.source) else {
            return end(TaskEnd::Failed("AWS.SimpleQueueService.NonExistentQueue".to_owned()));
        };
        let counters = source.counters();
        let left = counters.visible + counters.in_flight + counters.delayed;
        if task.moved >= task.to_move || left == 0 {
            return end(TaskEnd::Completed);
        }
        if now > task.started.plus_seconds(limits::MOVE_TASK_SECONDS_MAX) {
            return end(TaskEnd::Failed("Timeout".to_owned()));
        }
        let (allowed, rest_until) = pace(task, now);
        let wanted = allowed.min(STEP_MAX).min(task.to_move - task.moved) as usize;
        if wanted == 0 {
            return Step::Rest(rest_until);
        }
        let keys: Vec<MessageKey> = source.lanes.next().take(wanted).collect();
        if keys.len() < wanted
            && let Some((page, listed)) = source.next_page(now)
        {
            return Step::Load(PageWish { queue: source.id, page, list: listed.list, purpose: Purpose::Thaw });
        }
        if keys.is_empty() {
            return Step::Rest(now.plus_millis(LOOK_REST_MS));
        }
        let mut moves: BTreeMap<QueueId, Vec<(MessageKey, MessageKey, MessageId)>> = BTreeMap::new();
        let mut failure = None;
        for key in keys {
            match self.target(task, source.message(key).source.as_deref()) {
                Ok(target) => moves.entry(target).or_default().push((key, MessageKey(0), MessageId([0; 16]))),
                Err(reason) => {
                    failure = Some(reason);
                    break;
                }
            }
        }
        // Keys are given in the order in which the events will happen.
        for (number, moved) in (0..).zip(moves.values_mut().flatten()) {
            moved.1 = MessageKey(self.last_key + 1 + number);
            moved.2 = MessageId(uuid_v4(entropy.draw(number).to_be_bytes()));
        }
        let moved = |(target, moves)| Event::TaskMoved { task: id, queue: source.id, target, moves };
        let mut events: Vec<Event> = moves.into_iter().map(moved).collect();
        if let Some(reason) = failure {
            events.push(Event::TaskEnded { task: id, end: TaskEnd::Failed(reason) });
        }
        Step::Move(events, rest_until)
    }

    /// Returns the queue that a message goes to.
    fn target(&self, task: &Task, source: Option<&QueueArn>) -> Result<QueueId, String> {
        let Some(arn) = task.destination.as_ref().or(source) else {
            return Err("CouldNotDetermineMessageSource".to_owned());
        };
        let target = self.find(arn).filter(|target| target.id != task.source);
        target.map(|target| target.id).ok_or_else(|| "AWS.SimpleQueueService.NonExistentQueue".to_owned())
    }
}

/// Returns how many messages a task may move now, and when it may move on after that.
fn pace(task: &Task, now: Timestamp) -> (u64, Timestamp) {
    let Some(rate) = task.rate.map(u64::from) else { return (STEP_MAX, now.plus_millis(STEP_REST_MS)) };
    // The n-th message may go n/rate seconds after the start; what was missed is not made up for beyond a second.
    let earned = now.millis_since(task.started) * rate / 1000 + 1;
    let allowed = earned.saturating_sub(task.moved).min(rate);
    (allowed, now.plus_millis((1000 / rate).max(STEP_REST_MS)))
}

fn missing(parameter: &str) -> Error {
    let message = format!("The resource that you specified for the {parameter} parameter doesn't exist.");
    Error::new(Code::ResourceNotFoundException, message)
}
