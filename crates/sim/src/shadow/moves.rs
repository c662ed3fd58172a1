//! Messages that change queues: dead letters and move tasks.

use stanchion_engine::event::TaskEnd;
use stanchion_engine::ids::{MessageKey, QueueId, TaskId};
use stanchion_types::{MessageId, Timestamp, limits};

use super::{Message, Shadow, State, Violation};

impl Shadow {
    /// Lets messages move to a dead-letter queue, if they were received often enough and are visible.
    pub fn dead_letter(
        &mut self,
        from: QueueId,
        to: QueueId,
        moves: &[(MessageKey, MessageKey)],
        now: Timestamp,
    ) -> Result<(), Violation> {
        let queue = self.queues.get(&from).ok_or_else(|| format!("dead letters from {from:?}, which is gone"))?;
        let policy = queue.attributes.redrive_policy.clone().ok_or("dead letters without a redrive policy")?;
        let target = self.queues.get(&to).ok_or_else(|| format!("dead letters to {to:?}, which is gone"))?;
        if target.arn != policy.target {
            return Err(format!("dead letters go to {} instead of {}", target.arn, policy.target));
        }
        let (arn, fifo) = (queue.arn.clone(), target.is_fifo());
        for (here, there) in moves {
            let message = self.leave(from, here.0)?;
            if message.receives < policy.max_receive_count {
                return Err(format!("message {} is a dead letter after {} receives", here.0, message.receives));
            }
            let sent_at = if fifo { now } else { message.sent_at };
            let renamed = message.renamed || fifo;
            let moved =
                Message { revived: false, key: there.0, source: Some(arn.clone()), sent_at, renamed, ..message };
            self.enter(to, moved)?;
        }
        if let Some(queue) = self.queue_mut(from) {
            let before = if queue.departed.0 == now { queue.departed.1 } else { 0 };
            queue.departed = (now, before + moves.len());
        }
        self.advance(now);
        Ok(())
    }

    /// Lets a task move messages, if it runs, they are visible, and they go where they belong.
    pub fn task_moves(
        &mut self,
        id: TaskId,
        from: QueueId,
        to: QueueId,
        moves: &[(MessageKey, MessageKey, MessageId)],
        now: Timestamp,
    ) -> Result<(), Violation> {
        let task = self.tasks.iter().find(|task| task.id == id && task.end.is_none());
        let task = task.ok_or_else(|| format!("{id:?} moves messages and does not run"))?.clone();
        if task.source != from {
            return Err(format!("{id:?} moves messages of {from:?} instead of {:?}", task.source));
        }
        for (here, there, new_id) in moves {
            let message = self.leave(from, here.0)?;
            let target = task.destination.as_ref().or(message.source.as_ref());
            if target.and_then(|arn| self.find(arn)) != Some(to) {
                return Err(format!("{id:?} moves message {} to {to:?} instead of {target:?}", here.0));
            }
            if message.id == *new_id {
                return Err(format!("message {} keeps its id when it is moved by a task", here.0));
            }
            let moved = Message {
                revived: false,
                key: there.0,
                id: *new_id,
                sent_at: now,
                receives: 0,
                source: None,
                ..message
            };
            self.enter(to, moved)?;
        }
        let task = self.tasks.iter_mut().find(|task| task.id == id).expect("the task was just found");
        task.moved += moves.len() as u64;
        if task.moved > task.to_move {
            return Err(format!("{id:?} moved {} of {} messages", task.moved, task.to_move));
        }
        if let Some(rate) = task.rate.map(u64::from) {
            // The first message moves at once; after that each second brings `rate` more.
            let earned = now.millis_since(task.started) * rate / 1000 + 1;
            if task.moved > earned {
                return Err(format!("{id:?} moved {} messages, its rate permits {earned}", task.moved));
            }
        }
        Ok(())
    }

    /// Lets a task end on its own, if there is a reason. `left` counts what is still in its source.
    pub fn task_ends(&mut self, id: TaskId, end: &TaskEnd, left: u64, now: Timestamp) -> Result<(), Violation> {
        let task = self.tasks.iter().find(|task| task.id == id && task.end.is_none());
        let task = task.ok_or_else(|| format!("{id:?} ends and does not run"))?;
        let source = self.queues.get(&task.source);
        let homeless = source.is_some_and(|queue| {
            let mut visible = queue.messages.iter().filter(|message| message.state == State::Visible);
            visible.any(|message| {
                let target = task.destination.as_ref().or(message.source.as_ref()).and_then(|arn| self.find(arn));
                target.is_none_or(|target| target == task.source)
            })
        });
        let permitted = match end {
            TaskEnd::Completed => task.moved >= task.to_move || left == 0 && source.is_some(),
            TaskEnd::Failed(_) => {
                let late = now > task.started.plus_seconds(limits::MOVE_TASK_SECONDS_MAX);
                source.is_none() || homeless || late
            }
            TaskEnd::Cancelled => false,
        };
        if !permitted {
            return Err(format!("{task:?} ends with {end:?} while {left} are left"));
        }
        self.tasks.iter_mut().find(|task| task.id == id).expect("the task was just found").end = Some(end.clone());
        Ok(())
    }

    /// Tells whether a receive has to move a message to the dead-letter queue instead of handing it out.
    ///
    /// In a circle of dead-letter queues, or in a chain without an end, a message that has been moved once stays.
    pub(super) fn is_dead(&self, id: QueueId, key: u64) -> bool {
        let next = |id: QueueId| {
            let policy = self.queues.get(&id)?.attributes.redrive_policy.as_ref()?;
            Some((self.find(&policy.target)?, policy.max_receive_count))
        };
        let Some((target, receives_max)) = next(id) else { return false };
        let Some(message) = self.queues[&id].message(key).filter(|message| message.receives >= receives_max) else {
            return false;
        };
        // There are six queues, so a longer way goes round somewhere.
        let way = std::iter::successors(Some(target), |here| next(*here).map(|(there, _)| there));
        let circle = way.enumerate().take(20).any(|(count, here)| here == id || count > 8);
        message.source.is_none() || !circle
    }

    /// Takes a message out that moves to another queue; it has to be receivable.
    fn leave(&mut self, id: QueueId, key: u64) -> Result<Message, Violation> {
        let queue = self.queue_mut(id).ok_or_else(|| format!("a move out of {id:?}, which is gone"))?;
        let index = queue.place(key);
        let index = index.ok_or_else(|| format!("message {key} moves and does not exist"))?;
        let message = &queue.messages[index];
        if message.state != State::Visible || queue.is_locked(message.group) {
            return Err(format!("message {key} moves while {:?} or locked", message.state));
        }
        Ok(queue.messages.remove(index))
    }

    fn enter(&mut self, id: QueueId, message: Message) -> Result<(), Violation> {
        if message.key <= self.last_key {
            return Err(format!("key {} is given after {}", message.key, self.last_key));
        }
        self.last_key = message.key;
        let queue = self.queue_mut(id).ok_or_else(|| format!("a move into {id:?}, which is gone"))?;
        // The delay of a FIFO queue spares what is moved in, unless that would overtake what is still delayed.
        let held = queue.is_fifo() && queue.messages.iter().any(|other| matches!(other.state, State::Delayed(_)));
        let state = if held { State::Delayed(None) } else { State::Visible };
        queue.messages.push(Message { state, ..message });
        Ok(())
    }
}
