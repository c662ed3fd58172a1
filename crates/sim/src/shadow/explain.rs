//! Commands other than receives: what each should do and answer, compared with what happened.

use std::collections::BTreeSet;
use std::sync::Arc;

use stanchion_engine::command::{Accepted, Command, Description, Receipt, ReceiptFault, Reply, Submission};
use stanchion_engine::event::{Event, TaskEnd};
use stanchion_engine::ids::{DeduplicationHash, QueueId};
use stanchion_types::attributes::{AttributeChange, DeduplicationScope, QueueAttributes};
use stanchion_types::response::{MoveStatus, MoveTask, SequenceNumber};
use stanchion_types::{Code, Error, QueueArn, Timestamp, limits};

use super::{Conduct, Message, Original, Queue, Shadow, State, Task};
use crate::layout::Layout;

/// How a command fits a point of a turn.
#[derive(Debug)]
pub enum Explanation {
    /// At this point it changes nothing and any of these is its answer.
    Answer(Vec<Reply>),
    /// These many of the events that follow are its doing, they have happened here too, and this is its answer.
    Happened(usize, Reply),
    /// It should do something, and the events that follow are something else.
    Mismatch,
}

use Explanation::{Answer, Happened, Mismatch};

fn refused(code: Code) -> Reply {
    Reply::Refused(Error::new(code, ""))
}

fn answer(reply: Reply) -> Explanation {
    Answer(vec![reply])
}

impl Shadow {
    /// Compares a command with the events that follow a point of a turn.
    pub fn explain(&mut self, command: &Command, events: &[Event], layout: &Layout, now: Timestamp) -> Explanation {
        match command {
            Command::CreateQueue { arn, attributes, tags } => self.create(arn, attributes, tags, events, now),
            Command::Send { queue, messages } => self.send(*queue, messages, events, now),
            Command::Import { queue, messages } => self.import(*queue, messages, events, now),
            Command::Delete { queue, receipts } => self.delete(*queue, receipts, events, layout, now),
            Command::ChangeVisibility { queue, changes } => self.change(*queue, changes, events, layout, now),
            Command::GiveBack { queue, receipts, attempt } => self.give_back(*queue, receipts, *attempt, events),
            Command::Receive(_) => unreachable!("receives are explained by what was handed out"),
            Command::StartMoveTask { source, destination, rate } => {
                self.start(source, destination.as_ref(), *rate, events, layout, now)
            }
            Command::CancelMoveTask { task } => {
                let Some(known) = self.tasks.iter_mut().find(|known| known.id == *task && known.end.is_none()) else {
                    return answer(refused(Code::ResourceNotFoundException));
                };
                match events.first() {
                    Some(Event::TaskEnded { task: ended, end: TaskEnd::Cancelled }) if ended == task => {
                        known.end = Some(TaskEnd::Cancelled);
                        Happened(1, Reply::TaskCancelled { moved: known.moved })
                    }
                    _ => Mismatch,
                }
            }
            Command::ListMoveTasks { source, limit } => answer(self.list_tasks(source, *limit)),
            Command::ListQueues { prefix, after, limit, .. } => {
                let names = self.queues.values().map(|queue| queue.arn.clone());
                let after = after.as_deref().unwrap_or("");
                answer(page(names.filter(|arn| arn.name.as_str().starts_with(prefix.as_str())), after, *limit))
            }
            Command::DeleteQueue { queue }
            | Command::SetQueueAttributes { queue, .. }
            | Command::ChangeTags { queue, .. }
            | Command::DescribeQueue { queue }
            | Command::ListSources { queue, .. }
            | Command::Purge { queue } => {
                if !self.has(*queue) {
                    return answer(refused(Code::QueueDoesNotExist));
                }
                self.explain_existing(*queue, command, events, layout, now)
            }
        }
    }

    fn explain_existing(
        &mut self,
        id: QueueId,
        command: &Command,
        events: &[Event],
        layout: &Layout,
        now: Timestamp,
    ) -> Explanation {
        let rest = self.bounds.rest_seconds;
        let done = Happened(1, Reply::Done);
        match command {
            Command::DeleteQueue { .. } => {
                if events.first() != Some(&Event::QueueDeleted { queue: id }) {
                    return Mismatch;
                }
                let gone = self.queues.remove(&id).expect("the queue exists");
                self.deleted.insert(gone.arn.clone(), now);
                done
            }
            Command::SetQueueAttributes { attributes: changes, .. } => {
                let queue = &self.queues[&id];
                match self.changed(&queue.arn, &queue.attributes, changes) {
                    Err(code) => answer(refused(code)),
                    Ok(after) => {
                        let event = Event::AttributesSet { queue: id, attributes: Box::new(after.clone()) };
                        if events.first() != Some(&event) {
                            return Mismatch;
                        }
                        let queue = self.queue(id);
                        (queue.attributes, queue.modified) = (after, now);
                        let left = queue.leftovers.extract_if(.., |message| layout.is_cold(id, message.key));
                        queue.messages.extend(left.map(|message| Message { revived: true, ..message }));
                        queue.messages.sort_by_key(|message| message.key);
                        self.advance(now);
                        done
                    }
                }
            }
            Command::ChangeTags { set, remove, .. } => {
                let event = Event::TagsChanged { queue: id, set: set.clone(), removed: remove.clone() };
                if events.first() != Some(&event) {
                    return Mismatch;
                }
                let tags = &mut self.queue(id).tags;
                tags.extend(set.iter().cloned());
                remove.iter().for_each(|key| drop(tags.remove(key)));
                done
            }
            Command::DescribeQueue { .. } => {
                let (queue, mut counters) = (&self.queues[&id], self.counters(id));
                let (visible, delayed) = layout.leftovers(self, id);
                counters.visible += visible;
                counters.delayed += delayed;
                answer(Reply::Description(Box::new(Description {
                    arn: queue.arn.clone(),
                    attributes: queue.attributes.clone(),
                    tags: queue.tags.clone().into_iter().collect(),
                    created: queue.created,
                    modified: queue.modified,
                    counters,
                })))
            }
            Command::ListSources { after, limit, .. } => {
                let target = &self.queues[&id].arn;
                let sources = self.queues.values().filter(|queue| {
                    queue.attributes.redrive_policy.as_ref().is_some_and(|policy| policy.target == *target)
                });
                answer(page(sources.map(|queue| queue.arn.clone()), after.as_deref().unwrap_or(""), *limit))
            }
            Command::Purge { .. } => {
                let queue = self.queue(id);
                if queue.purged.is_some_and(|at| now < at.plus_seconds(rest)) {
                    return answer(refused(Code::PurgeQueueInProgress));
                }
                if events.first() != Some(&Event::Purged { queue: id }) {
                    return Mismatch;
                }
                queue.messages.clear();
                queue.leftovers.clear();
                queue.conduct = Conduct::default();
                queue.purged = Some(now);
                done
            }
            other => unreachable!("{other:?} is explained elsewhere"),
        }
    }

    fn queue(&mut self, id: QueueId) -> &mut Queue {
        self.queue_mut(id).expect("the queue exists")
    }

    fn create(
        &mut self,
        arn: &QueueArn,
        changes: &[AttributeChange],
        tags: &[(String, String)],
        events: &[Event],
        now: Timestamp,
    ) -> Explanation {
        if let Some(id) = self.find(arn) {
            let existing = &self.queues[&id].attributes;
            for change in changes {
                // Whether a change would be granted does not matter here, only whether it would change anything.
                let trial = match change {
                    AttributeChange::RedrivePolicy(policy) => {
                        let same = existing.redrive_policy == *policy;
                        if same { Ok(existing.clone()) } else { Err(Code::QueueNameExists) }
                    }
                    _ => self.changed(arn, existing, std::slice::from_ref(change)),
                };
                match trial {
                    Err(Code::InvalidAttributeName) => return answer(refused(Code::InvalidAttributeName)),
                    Ok(after) if after == *existing => {}
                    _ => return answer(refused(Code::QueueNameExists)),
                }
            }
            return answer(Reply::Queue(id));
        }
        let rest = self.bounds.rest_seconds;
        if self.deleted.get(arn).is_some_and(|at| now < at.plus_seconds(rest)) {
            return answer(refused(Code::QueueDeletedRecently));
        }
        let attributes = match self.changed(arn, &QueueAttributes::new(arn.name.is_fifo()), changes) {
            Ok(attributes) => attributes,
            Err(code) => return answer(refused(code)),
        };
        let id = QueueId(self.last_queue + 1);
        let event = Event::QueueCreated {
            queue: id,
            arn: arn.clone(),
            attributes: Box::new(attributes.clone()),
            tags: tags.to_vec(),
        };
        if events.first() != Some(&event) {
            return Mismatch;
        }
        self.last_queue += 1;
        let queue = Queue {
            arn: arn.clone(),
            attributes,
            tags: tags.iter().cloned().collect(),
            created: now,
            modified: now,
            purged: None,
            messages: Vec::new(),
            leftovers: Vec::new(),
            originals: Vec::new(),
            attempts: Vec::new(),
            conduct: Conduct::default(),
            departed: (Timestamp::ZERO, 0),
        };
        self.queues.insert(id, Arc::new(queue));
        Happened(1, Reply::Queue(id))
    }

    fn send(&mut self, id: QueueId, messages: &[Submission], events: &[Event], now: Timestamp) -> Explanation {
        if !self.has(id) {
            return answer(refused(Code::QueueDoesNotExist));
        }
        let before = (self.queues[&id].messages.len(), self.queues[&id].originals.len(), self.last_key);
        let (mut outcomes, mut taken) = (Vec::new(), 0);
        for submission in messages {
            let event = events.get(taken);
            match self.submit(id, submission, event, now) {
                Some(outcome) => {
                    taken += usize::from(outcome.as_ref().is_ok_and(|accepted| !accepted.duplicate));
                    outcomes.push(outcome);
                }
                None => {
                    // Nothing of this may stay.
                    let queue = self.queue(id);
                    queue.messages.truncate(before.0);
                    queue.originals.truncate(before.1);
                    self.last_key = before.2;
                    return Mismatch;
                }
            }
        }
        let reply = Reply::Sent(outcomes);
        if taken == 0 { answer(reply) } else { Happened(taken, reply) }
    }

    /// Tells what becomes of one message; `None` if it should be stored and the event says otherwise.
    fn submit(
        &mut self,
        id: QueueId,
        submission: &Submission,
        event: Option<&Event>,
        now: Timestamp,
    ) -> Option<Result<Accepted, Error>> {
        let last_key = self.last_key;
        let queue = self.queue(id);
        let refuse = Some(Err(Error::new(Code::InvalidParameterValue, "")));
        if submission.size > queue.attributes.message_bytes_max as usize {
            return refuse;
        }
        let mut remember = None;
        if let (Some(fifo), Some(deduplication)) = (queue.attributes.fifo, submission.deduplication) {
            if !deduplication.explicit && !fifo.content_based_deduplication {
                return refuse;
            }
            let scoped = fifo.deduplication_scope == DeduplicationScope::MessageGroup;
            let group = submission.group.filter(|_| scoped);
            let original = queue.originals.iter().find(|original| {
                original.hash == deduplication.hash
                    && original.group == group
                    && now < original.at.plus_seconds(limits::DEDUPLICATION_SECONDS)
            });
            if let Some(original) = original {
                let sequence_number = Some(SequenceNumber(original.key));
                return Some(Ok(Accepted { id: original.id, sequence_number, duplicate: true }));
            }
            remember = Some((deduplication.hash, group));
        }
        let Some(Event::Sent { queue: to, key, id: message, group, content, .. }) = event else { return None };
        if *to != id || *group != submission.group || *content != submission.content || key.0 <= last_key {
            return None;
        }
        let delay = match submission.delay_seconds {
            Some(seconds) if !queue.is_fifo() => seconds,
            _ => queue.attributes.delay_seconds,
        };
        let state = match delay {
            0 => State::Visible,
            _ if queue.is_fifo() => State::Delayed(None),
            seconds => State::Delayed(Some(now.plus_seconds(seconds))),
        };
        if let Some((hash, group)) = remember {
            queue.originals.push(Original { hash, group, at: now, id: *message, key: key.0 });
        }
        queue.messages.push(Message {
            key: key.0,
            id: *message,
            group: submission.group,
            content: submission.content.clone(),
            sent_at: now,
            receives: 0,
            first_received_at: Timestamp::ZERO,
            last_received_at: Timestamp::ZERO,
            source: None,
            renamed: false,
            revived: false,
            state,
        });
        let sequence_number = queue.is_fifo().then_some(SequenceNumber(key.0));
        self.last_key = key.0;
        Some(Ok(Accepted { id: *message, sequence_number, duplicate: false }))
    }

    fn delete(
        &mut self,
        id: QueueId,
        receipts: &[Receipt],
        events: &[Event],
        layout: &Layout,
        now: Timestamp,
    ) -> Explanation {
        let Some(queue) = self.queue_mut(id) else { return answer(refused(Code::QueueDoesNotExist)) };
        let (mut wanted, mut outcomes, mut others) = (BTreeSet::new(), Vec::new(), Vec::new());
        for receipt in receipts {
            let too_old = now.millis_since(receipt.received_at) > u64::from(limits::HANDLE_SECONDS) * 1000;
            let message = queue.message(receipt.key.0);
            let current = message.filter(|message| message.receives == receipt.receive_count);
            let in_flight = current.is_some_and(|message| matches!(message.state, State::InFlight(_)));
            let outcome = match message {
                _ if too_old => Err(ReceiptFault::Expired),
                None => Ok(()),
                // It was given back, so that nobody has a receipt.
                Some(message) if message.receives == 0 => Ok(()),
                Some(_) if queue.is_fifo() && !in_flight => Err(ReceiptFault::Expired),
                Some(_) => Ok(()),
            };
            if outcome.is_ok() && current.is_some() {
                wanted.insert(receipt.key.0);
            }
            // A message that is too old may still be found on its page, and be taken for a visible one.
            let leftover = message.is_none() && layout.is_cold(id, receipt.key.0) && queue.is_fifo() && !too_old;
            others.push(if leftover { Err(ReceiptFault::Expired) } else { outcome });
            outcomes.push(outcome);
        }
        if wanted.is_empty() {
            return Answer(vec![Reply::Handled(outcomes), Reply::Handled(others)]);
        }
        let mut removed = BTreeSet::new();
        for (index, event) in events.iter().enumerate() {
            match event {
                Event::Deleted { queue, keys } if *queue == id => removed.extend(keys.iter().map(|key| key.0)),
                Event::Repaged { queue: repaged, page, messages } if *repaged == id => {
                    let before = removed.len();
                    let gone = layout.missing(id, *page, messages).into_iter();
                    removed.extend(gone.filter(|key| queue.message(*key).is_some()));
                    // A page from which only time took something is not this command's doing.
                    if removed.len() == before {
                        return Mismatch;
                    }
                }
                _ => return Mismatch,
            }
            if removed == wanted {
                queue.messages.retain(|message| !wanted.contains(&message.key));
                return Happened(index + 1, Reply::Handled(outcomes));
            }
        }
        Mismatch
    }

    fn change(
        &mut self,
        id: QueueId,
        changes: &[(Receipt, u32)],
        events: &[Event],
        layout: &Layout,
        now: Timestamp,
    ) -> Explanation {
        if !self.has(id) {
            return answer(refused(Code::QueueDoesNotExist));
        }
        let saved = self.queues[&id].messages.clone();
        let queue = self.queue(id);
        let fifo = queue.is_fifo();
        let (mut outcomes, mut others, mut taken) = (Vec::new(), Vec::new(), 0);
        for (receipt, seconds) in changes {
            let key = receipt.key.0;
            let outcome = match queue.message_mut(key) {
                Some(message) if message.receives == receipt.receive_count => match message.state {
                    State::InFlight(_) => {
                        let elapsed = now.millis_since(receipt.received_at).max(1);
                        let total = u64::from(limits::VISIBILITY_SECONDS_MAX) * 1000;
                        if elapsed + u64::from(*seconds) * 1000 > total {
                            Err(ReceiptFault::BeyondTotal)
                        } else {
                            let until = now.plus_seconds(*seconds);
                            message.state = if *seconds == 0 { State::Visible } else { State::InFlight(until) };
                            let fits = match events.get(taken) {
                                Some(Event::Released { queue, messages }) if *seconds == 0 => {
                                    *queue == id && messages.len() == 1 && messages[0].0.0 == key
                                }
                                Some(Event::VisibilityChanged { queue, key: changed, until: at }) if *seconds > 0 => {
                                    *queue == id && changed.0 == key && *at == until
                                }
                                _ => false,
                            };
                            if !fits {
                                queue.messages = saved;
                                return Mismatch;
                            }
                            taken += 1;
                            Ok(())
                        }
                    }
                    _ if fifo => Err(ReceiptFault::Expired),
                    _ => Err(ReceiptFault::NotInFlight),
                },
                _ => Err(ReceiptFault::NotAvailable),
            };
            // A message that is too old may still be found on its page, and be taken for a visible one.
            let leftover = !saved.iter().any(|message| message.key == key) && layout.is_cold(id, key);
            let visible = Err(if fifo { ReceiptFault::Expired } else { ReceiptFault::NotInFlight });
            others.push(if leftover && layout.receives(id, key) == receipt.receive_count { visible } else { outcome });
            outcomes.push(outcome);
        }
        if taken == 0 {
            return Answer(vec![Reply::Handled(outcomes), Reply::Handled(others)]);
        }
        Happened(taken, Reply::Handled(outcomes))
    }

    fn give_back(
        &mut self,
        id: QueueId,
        receipts: &[Receipt],
        attempt: Option<DeduplicationHash>,
        events: &[Event],
    ) -> Explanation {
        if !self.has(id) {
            return answer(refused(Code::QueueDoesNotExist));
        }
        let mut given: Vec<u64> = Vec::new();
        let mut outcomes = Vec::new();
        for receipt in receipts {
            let message = self.queues[&id].message(receipt.key.0);
            let fits = message.is_some_and(|message| {
                message.receives == receipt.receive_count && matches!(message.state, State::InFlight(_))
            });
            if fits && !given.contains(&receipt.key.0) {
                given.push(receipt.key.0);
                outcomes.push(Ok(()));
            } else {
                outcomes.push(Err(ReceiptFault::NotAvailable));
            }
        }
        if given.is_empty() {
            return answer(Reply::Handled(outcomes));
        }
        match events.first() {
            Some(Event::GivenBack { queue, attempt: of, messages })
                if *queue == id
                    && *of == attempt
                    && messages.iter().map(|(key, _)| key.0).eq(given.iter().copied()) => {}
            _ => return Mismatch,
        }
        let queue = self.queue(id);
        for key in &given {
            let message = queue.message_mut(*key).expect("the message was just found");
            message.receives -= 1;
            message.state = State::Visible;
        }
        for known in queue.attempts.iter_mut().filter(|known| Some(known.hash) == attempt) {
            known.messages.retain(|(key, _)| !given.contains(key));
        }
        queue.attempts.retain(|known| !known.messages.is_empty());
        Happened(1, Reply::Handled(outcomes))
    }

    fn start(
        &mut self,
        source: &QueueArn,
        destination: Option<&QueueArn>,
        rate: Option<u32>,
        events: &[Event],
        layout: &Layout,
        now: Timestamp,
    ) -> Explanation {
        let Some(id) = self.find(source) else { return answer(refused(Code::ResourceNotFoundException)) };
        let mut policies = self.queues.values().filter_map(|queue| queue.attributes.redrive_policy.as_ref());
        if !policies.any(|policy| policy.target == *source) {
            return answer(refused(Code::InvalidParameterValue));
        }
        if let Some(destination) = destination {
            let Some(target) = self.find(destination) else {
                return answer(refused(Code::ResourceNotFoundException));
            };
            if target == id || self.queues[&target].is_fifo() != self.queues[&id].is_fifo() {
                return answer(refused(Code::InvalidParameterValue));
            }
        }
        if self.tasks.iter().any(|task| task.source == id && task.end.is_none()) {
            return answer(refused(Code::InvalidParameterValue));
        }
        let (visible, delayed) = layout.leftovers(self, id);
        let count = self.queues[&id].messages.len() as u64 + visible + delayed;
        match events.first() {
            Some(Event::TaskStarted { task, source: from, source_arn, destination: to, rate: pace, to_move })
                if *from == id
                    && source_arn == source
                    && to.as_ref() == destination
                    && *pace == rate
                    && *to_move == count
                    && self.tasks.iter().all(|known| known.id != *task) =>
            {
                let (task, source) = (*task, source.clone());
                self.tasks.push(Task {
                    id: task,
                    source: id,
                    source_arn: source,
                    destination: destination.cloned(),
                    rate,
                    to_move: count,
                    moved: 0,
                    started: now,
                    end: None,
                });
                Happened(1, Reply::TaskStarted(task))
            }
            _ => Mismatch,
        }
    }

    fn list_tasks(&self, source: &QueueArn, limit: usize) -> Reply {
        let Some(id) = self.find(source) else { return refused(Code::ResourceNotFoundException) };
        let tasks = self.tasks.iter().rev().filter(|task| task.source == id);
        let tasks = tasks.take(limit.min(limits::MOVE_TASKS_LISTED_MAX as usize));
        let describe = |task: &Task| {
            let (status, failure) = match &task.end {
                None => (MoveStatus::Running, None),
                Some(TaskEnd::Completed) => (MoveStatus::Completed, None),
                Some(TaskEnd::Cancelled) => (MoveStatus::Cancelled, None),
                Some(TaskEnd::Failed(reason)) => (MoveStatus::Failed, Some(reason.clone())),
            };
            let task_described = MoveTask {
                task_handle: None,
                status,
                source: task.source_arn.clone(),
                destination: task.destination.clone(),
                rate: task.rate,
                moved: task.moved,
                to_move: task.to_move,
                failure,
                started: task.started,
            };
            (task.id, task_described)
        };
        Reply::Tasks(tasks.map(describe).collect())
    }
}

/// Cuts a page out of a list of queues.
fn page(queues: impl Iterator<Item = QueueArn>, after: &str, limit: usize) -> Reply {
    let mut queues: Vec<QueueArn> = queues.filter(|arn| arn.name.as_str() > after).collect();
    queues.sort_by(|one, two| one.name.as_str().cmp(two.name.as_str()));
    let more = queues.len() > limit;
    queues.truncate(limit);
    Reply::Queues { queues, more }
}
