//! What the clients do while the power is on: one request after the other, at times some at once.

use stanchion_journal::local::simulated::{Operation, Simulated};
use std::time::Duration;

use stanchion_types::Error;
use stanchion_types::attributes::AttributeChange;
use stanchion_types::request::{
    BatchEntry, ChangeMessageVisibility, ChangeMessageVisibilityBatch, DeleteMessage, DeleteMessageBatch, DeleteQueue,
    PurgeQueue, SendMessage, SendMessageBatch, SetQueueAttributes, TagQueue,
};
use stanchion_types::response::{Response, Sent};

use crate::chance::Chance;
use crate::judge::{Rule, Violation};
use crate::ledger::{Flight, Ledger, Message, Presence, Queue};
use crate::server::{self, HIDDEN_SECONDS, Server};

const PLAIN: &str = "plain";
pub(crate) const FIFO: &str = "order.fifo";
/// Those that come and go.
const PASSING: [&str; 2] = ["passing-1", "passing-2"];
const GROUPS: [&str; 3] = ["a", "b", "c"];
/// A queue with more messages than this gets no more.
const MESSAGES_MAX: usize = 40;

/// Why a life ended before its time.
pub(crate) enum Stop {
    /// The power is off, or the journal has no space left.
    Off,
    /// The disk is full: what was asked for has not happened.
    Refused,
    Broken(Violation),
}

/// The clients of one life of a server.
pub(crate) struct Clients<'a> {
    pub(crate) server: &'a Server,
    pub(crate) disk: &'a Simulated,
    pub(crate) ledger: &'a mut Ledger,
    pub(crate) chance: &'a mut Chance,
    /// Messages that were sent again and recognized.
    pub(crate) recognized: u64,
    /// The disk may become full.
    pub(crate) is_limited: bool,
    /// Requests that were refused because it was.
    pub(crate) refused: u64,
}

impl Clients<'_> {
    /// Asks for so many things, or until the power is off.
    pub(crate) async fn live(&mut self, requests: usize) -> Result<(), Stop> {
        for queue in [PLAIN, FIFO] {
            let created = self.create(queue).await;
            self.refusals_count(created)?;
        }
        let sent = self.send_unanswered_again().await;
        self.refusals_count(sent)?;
        for _ in 0..requests {
            if self.is_over() {
                return Err(Stop::Off);
            }
            let asked = self.ask().await;
            self.refusals_count(asked)?;
        }
        Ok(())
    }

    /// Tells whether nothing can be stored any more.
    fn is_over(&self) -> bool {
        self.disk.is_off() || (self.is_limited && !self.server.is_serving())
    }

    fn refusals_count(&mut self, asked: Result<(), Stop>) -> Result<(), Stop> {
        if matches!(asked, Err(Stop::Refused)) {
            self.refused += 1;
            return Ok(());
        }
        asked
    }

    async fn ask(&mut self) -> Result<(), Stop> {
        let queues: Vec<_> = self.ledger.queues.iter().filter(|(_, queue)| queue.presence == Presence::There).collect();
        let mut names: Vec<&'static str> = queues.into_iter().map(|(name, _)| *name).collect();
        names.extend([PLAIN, FIFO]);
        names.retain(|name| self.is_there(name));
        if names.is_empty() {
            return self.create(PLAIN).await;
        }
        let queue = *self.chance.pick(&names);
        match self.chance.below(100) {
            0..30 => self.send(queue).await,
            30..42 => self.send_batch(queue).await,
            42..60 => self.receive(queue).await,
            60..68 => self.delete(queue).await,
            68..76 => self.delete_batch(queue).await,
            76..80 => self.change_visibility(queue).await,
            80..84 => self.change_visibility_batch(queue).await,
            84..89 if self.is_there(PLAIN) => self.burst().await,
            89..92 => self.send_known_again().await,
            92..94 => self.purge(queue).await,
            94..96 => self.set_attributes(queue).await,
            96..98 => self.tag(queue).await,
            _ => {
                let passing = *self.chance.pick(&PASSING);
                match self.is_there(passing) {
                    true => self.delete_queue(passing).await,
                    false => self.create(passing).await,
                }
            }
        }
    }

    fn is_there(&self, queue: &str) -> bool {
        self.ledger.queues.get(queue).is_some_and(|queue| queue.presence == Presence::There)
    }

    /// Returns an answer. Without one, the power has to be off or the disk full.
    fn answered<T>(&self, what: &str, answer: Result<T, Error>) -> Result<T, Stop> {
        match answer {
            Ok(answer) => Ok(answer),
            Err(error) if self.is_limited && error.message.contains("disk of the server is full") => Err(Stop::Refused),
            Err(_) if self.is_over() => Err(Stop::Off),
            Err(error) => Err(Stop::Broken(Violation::new(Rule::Served, format!("{what}: {error:?}")))),
        }
    }

    async fn create(&mut self, name: &'static str) -> Result<(), Stop> {
        if self.is_there(name) {
            return Ok(());
        }
        let queue = Queue { presence: Presence::Unsure, visibility: vec![30], tag: vec![String::new()] };
        self.ledger.queues.insert(name, queue);
        let answer = self.server.create(name).await;
        self.answered("create", answer)?;
        self.ledger.queue(name).presence = Presence::There;
        Ok(())
    }

    async fn delete_queue(&mut self, name: &'static str) -> Result<(), Stop> {
        self.ledger.queue(name).presence = Presence::Leaving;
        self.ledger.emptying(name);
        let answer = self.server.call(name, DeleteQueue).await;
        self.answered("delete a queue", answer)?;
        self.ledger.queue(name).presence = Presence::Gone;
        self.ledger.left(name);
        Ok(())
    }

    /// Makes up a message and notes that it is about to be sent.
    fn draft(&mut self, queue: &'static str) -> u64 {
        let fifo = queue == FIFO;
        let number = self.ledger.last + 1;
        let length = *self.chance.pick(&[0, 20, 20, 300, 300, 1500, 5000]);
        let delayed = !fifo && self.chance.percent(10);
        self.ledger.sending(Message {
            queue,
            body: format!("{number:06} {}", "x".repeat(length)),
            group: fifo.then(|| *self.chance.pick(&GROUPS)),
            deduplication_id: fifo.then(|| format!("once-{number}")),
            id: None,
            presence: Presence::Unsure,
            flight: if delayed { Flight::Delayed } else { Flight::Visible },
        })
    }

    async fn try_send(&self, number: u64) -> Result<Sent, Error> {
        let message = &self.ledger.messages[&number];
        let new = server::new_message(message, message.flight == Flight::Delayed);
        match self.server.call(message.queue, SendMessage { message: new }).await? {
            Response::Sent(sent) => Ok(sent),
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, queue: &'static str) -> Result<(), Stop> {
        if self.ledger.those(queue, |_| true).len() > MESSAGES_MAX {
            return Ok(());
        }
        let number = self.draft(queue);
        let answer = self.try_send(number).await;
        self.note_sent("send", number, answer)
    }

    /// Notes the answer to a send.
    fn note_sent(&mut self, what: &str, number: u64, answer: Result<Sent, Error>) -> Result<(), Stop> {
        match self.answered(what, answer) {
            Ok(sent) => self.ledger.sent(number, sent.message_id),
            Err(stop) => {
                if matches!(stop, Stop::Refused) {
                    self.ledger.message(number).presence = Presence::Gone;
                }
                return Err(stop);
            }
        }
        Ok(())
    }

    async fn send_batch(&mut self, queue: &'static str) -> Result<(), Stop> {
        if self.ledger.those(queue, |_| true).len() > MESSAGES_MAX {
            return Ok(());
        }
        let count = 1 + self.chance.below(10);
        let numbers: Vec<u64> = (0..count).map(|_| self.draft(queue)).collect();
        let entry = |number: &u64| {
            let message = &self.ledger.messages[number];
            let new = server::new_message(message, message.flight == Flight::Delayed);
            BatchEntry { id: number.to_string(), entry: Ok(new) }
        };
        let entries = numbers.iter().map(entry).collect();
        let answer = self.server.call(queue, SendMessageBatch { entries }).await;
        let answer = self.answered("send a batch", answer);
        if matches!(answer, Err(Stop::Refused)) {
            numbers.iter().for_each(|number| self.ledger.message(*number).presence = Presence::Gone);
        }
        let Response::SentBatch(results) = answer? else { panic!("another answer") };
        assert_eq!(results.len(), numbers.len());
        for result in results {
            let sent = self.answered("send in a batch", result.outcome)?;
            self.ledger.sent(result.id.parse().expect("a number"), sent.message_id);
        }
        Ok(())
    }

    /// Sends a message again of which the clients know that it was taken.
    async fn send_known_again(&mut self) -> Result<(), Stop> {
        let known: Vec<u64> = known_originals(self.ledger);
        let Some(number) = (!known.is_empty()).then(|| *self.chance.pick(&known)) else { return Ok(()) };
        let answer = self.try_send(number).await;
        let sent = self.answered("send again", answer)?;
        let id = self.ledger.messages[&number].id;
        if id != Some(sent.message_id) {
            let text = format!("number {number} was {id:?} and is now {}", sent.message_id);
            return Err(Stop::Broken(Violation::new(Rule::Recognized, text)));
        }
        self.recognized += 1;
        Ok(())
    }

    /// Sends messages again of which a restart has shown that they were not taken.
    async fn send_unanswered_again(&mut self) -> Result<(), Stop> {
        if !self.is_there(FIFO) {
            return Ok(());
        }
        let lost = |(_, message): &(&u64, &Message)| message.queue == FIFO && message.id.is_none();
        let lost: Vec<u64> = self.ledger.messages.iter().filter(lost).map(|(number, _)| *number).collect();
        for number in lost {
            let message = self.ledger.messages.remove(&number).expect("it was just there");
            let message = Message { presence: Presence::Unsure, flight: Flight::Visible, ..message };
            let number = self.ledger.sending(message);
            let answer = self.try_send(number).await;
            self.note_sent("send once more", number, answer)?;
        }
        Ok(())
    }

    async fn receive(&mut self, queue: &'static str) -> Result<(), Stop> {
        let most = 1 + self.chance.below(10) as u32;
        let answer = self.server.receive(queue, most).await;
        let received = match self.answered("receive", answer) {
            Ok(received) => received,
            Err(Stop::Off) => {
                self.ledger.received_by_nobody(queue);
                return Err(Stop::Off);
            }
            Err(stop) => return Err(stop),
        };
        for received in received {
            let known = self.ledger.find(queue, &received.body);
            let Some(number) = known.filter(|number| self.ledger.message(*number).presence == Presence::There) else {
                let text = format!("received from {queue}: {:.20}..", received.body);
                return Err(Stop::Broken(Violation::new(Rule::Gone, text)));
            };
            let message = self.ledger.message(number);
            if !matches!(message.flight, Flight::Visible | Flight::Unsure) || message.id != Some(received.message_id) {
                let text = format!("number {number} was received as {}: {message:?}", received.message_id);
                return Err(Stop::Broken(Violation::new(Rule::Hidden, text)));
            }
            message.flight = Flight::Hidden(Some(received.receipt_handle));
        }
        Ok(())
    }

    async fn delete(&mut self, queue: &'static str) -> Result<(), Stop> {
        let handles = self.ledger.handles(queue);
        let Some((number, receipt_handle)) = (!handles.is_empty()).then(|| self.chance.pick(&handles).clone()) else {
            return Ok(());
        };
        self.ledger.deleting(&[number]);
        let answer = self.server.call(queue, DeleteMessage { receipt_handle }).await;
        self.answered("delete", answer)?;
        self.ledger.message(number).presence = Presence::Gone;
        Ok(())
    }

    async fn delete_batch(&mut self, queue: &'static str) -> Result<(), Stop> {
        let (numbers, entries) = self.some_handles(queue);
        if numbers.is_empty() {
            return Ok(());
        }
        self.ledger.deleting(&numbers);
        let entry = |(id, receipt_handle)| BatchEntry { id, entry: Ok(DeleteMessage { receipt_handle }) };
        let request = DeleteMessageBatch { entries: entries.into_iter().map(entry).collect() };
        let answer = self.server.call(queue, request).await;
        let done = self.batch_done("delete a batch", answer)?;
        done.into_iter().for_each(|number| self.ledger.message(number).presence = Presence::Gone);
        Ok(())
    }

    /// Picks up to ten messages whose handles are known: their numbers, and numbers as text with handles.
    fn some_handles(&mut self, queue: &str) -> (Vec<u64>, Vec<(String, String)>) {
        let handles = self.ledger.handles(queue);
        let places: Vec<usize> = (0..handles.len()).collect();
        let most = 1 + self.chance.below(10);
        let picked: Vec<_> = self.chance.some(&places, most).into_iter().map(|at| handles[at].clone()).collect();
        let numbers = picked.iter().map(|(number, _)| *number).collect();
        (numbers, picked.into_iter().map(|(number, handle)| (number.to_string(), handle)).collect())
    }

    fn batch_done(&self, what: &str, answer: Result<Response, Error>) -> Result<Vec<u64>, Stop> {
        let Response::Batch(results) = self.answered(what, answer)? else { panic!("another answer") };
        let number = |id: String| id.parse().expect("a number");
        results.into_iter().map(|result| self.answered(what, result.outcome).map(|()| number(result.id))).collect()
    }

    async fn change_visibility(&mut self, queue: &'static str) -> Result<(), Stop> {
        let handles = self.ledger.handles(queue);
        let Some((number, handle)) = (!handles.is_empty()).then(|| self.chance.pick(&handles).clone()) else {
            return Ok(());
        };
        let visibility_seconds = *self.chance.pick(&[0, 0, HIDDEN_SECONDS - 1000]);
        self.ledger.message(number).flight = Flight::Unsure;
        let request = ChangeMessageVisibility { receipt_handle: handle.clone(), visibility_seconds };
        let answer = self.server.call(queue, request).await;
        self.answered("change visibility", answer)?;
        self.changed(number, handle, visibility_seconds);
        Ok(())
    }

    async fn change_visibility_batch(&mut self, queue: &'static str) -> Result<(), Stop> {
        let (numbers, entries) = self.some_handles(queue);
        if numbers.is_empty() {
            return Ok(());
        }
        let visibility_seconds = *self.chance.pick(&[0, HIDDEN_SECONDS - 2000]);
        numbers.iter().for_each(|number| self.ledger.message(*number).flight = Flight::Unsure);
        let entry = |(id, receipt_handle): (String, String)| BatchEntry {
            id,
            entry: Ok(ChangeMessageVisibility { receipt_handle, visibility_seconds }),
        };
        let request = ChangeMessageVisibilityBatch { entries: entries.iter().cloned().map(entry).collect() };
        let answer = self.server.call(queue, request).await;
        for number in self.batch_done("change visibility in a batch", answer)? {
            let (_, handle) = entries.iter().find(|(id, _)| *id == number.to_string()).expect("it was asked for");
            self.changed(number, handle.clone(), visibility_seconds);
        }
        Ok(())
    }

    fn changed(&mut self, number: u64, handle: String, seconds: u32) {
        self.ledger.message(number).flight = if seconds == 0 { Flight::Visible } else { Flight::Hidden(Some(handle)) };
    }

    /// Three requests at once, so that their records share a group.
    async fn burst(&mut self) -> Result<(), Stop> {
        let sent = [self.draft(PLAIN), self.draft(PLAIN)];
        let gone = self.ledger.handles(PLAIN).into_iter().next();
        if let Some((number, _)) = gone {
            self.ledger.deleting(&[number]);
        }
        let delete = async {
            let Some((_, receipt_handle)) = gone.clone() else { return Ok(Response::Done) };
            self.server.call(PLAIN, DeleteMessage { receipt_handle }).await
        };
        let (one, two, deleted) = tokio::join!(self.try_send(sent[0]), self.try_send(sent[1]), delete);
        let mut stopped = Ok(());
        for (number, answer) in sent.into_iter().zip([one, two]) {
            if let Err(stop) = self.note_sent("send at once", number, answer) {
                stopped = Err(stop);
            }
        }
        match (self.answered("delete at once", deleted), gone) {
            (Ok(_), Some((number, _))) => self.ledger.message(number).presence = Presence::Gone,
            (Ok(_), None) => {}
            (Err(stop), _) => stopped = Err(stop),
        }
        // Of several ends the last is told; a refusal is none.
        stopped
    }

    /// Asks for several things at once while the disk is so slow that none of them becomes durable, and cuts the power some
    /// milliseconds later. What does not wait for that goes on meanwhile: snapshots, trims, segments.
    pub(crate) async fn be_cut_off(&mut self) -> Stop {
        if !self.is_there(PLAIN) || !self.is_there(FIFO) {
            self.disk.turn_off_after(0);
            return Stop::Off;
        }
        let stall = self.disk.stall(Operation::Sync, ".segment");
        let purges = self.chance.percent(50);
        if purges {
            self.ledger.emptying(PLAIN);
        }
        let sent = [self.draft(PLAIN), self.draft(FIFO)];
        let gone: Vec<(u64, String)> = self.ledger.handles(FIFO).into_iter().take(10).collect();
        self.ledger.deleting(&gone.iter().map(|(number, _)| *number).collect::<Vec<_>>());
        let delay = Duration::from_millis(self.chance.below(5) as u64);
        let purge = async {
            if !purges {
                return Ok(Response::Done);
            }
            self.server.call(PLAIN, PurgeQueue).await
        };
        let delete = async {
            let entry = |(number, receipt_handle): &(u64, String)| BatchEntry {
                id: number.to_string(),
                entry: Ok(DeleteMessage { receipt_handle: receipt_handle.clone() }),
            };
            if gone.is_empty() {
                return Ok(Response::Batch(Vec::new()));
            }
            self.server.call(FIFO, DeleteMessageBatch { entries: gone.iter().map(entry).collect() }).await
        };
        let cut = async {
            tokio::time::sleep(delay).await;
            self.disk.turn_off_after(0);
            drop(stall);
        };
        let (first, purged, deleted, last, ()) =
            tokio::join!(self.try_send(sent[0]), purge, delete, self.try_send(sent[1]), cut);
        for (number, answer) in sent.into_iter().zip([first, last]) {
            // The purge may come after the message or before it, so that stays unsure.
            if let (Ok(answer), false) = (answer, purges && number == sent[0]) {
                self.ledger.sent(number, answer.message_id);
            }
        }
        if purged.is_ok() && purges {
            self.ledger.left(PLAIN);
        }
        if deleted.is_ok() {
            gone.iter().for_each(|(number, _)| self.ledger.message(*number).presence = Presence::Gone);
        }
        Stop::Off
    }

    async fn purge(&mut self, queue: &'static str) -> Result<(), Stop> {
        self.ledger.emptying(queue);
        let answer = self.server.call(queue, PurgeQueue).await;
        self.answered("purge", answer)?;
        self.ledger.left(queue);
        Ok(())
    }

    async fn set_attributes(&mut self, queue: &'static str) -> Result<(), Stop> {
        let seconds = 100 + self.chance.below(1000) as u32;
        self.ledger.queue(queue).visibility.push(seconds);
        let attributes = vec![AttributeChange::VisibilityTimeout(seconds)];
        let answer = self.server.call(queue, SetQueueAttributes { attributes }).await;
        self.answered("set attributes", answer)?;
        self.ledger.queue(queue).visibility = vec![seconds];
        Ok(())
    }

    async fn tag(&mut self, queue: &'static str) -> Result<(), Stop> {
        let value = format!("value-{}", self.chance.below(1000));
        self.ledger.queue(queue).tag.push(value.clone());
        let tags = vec![(server::TAG.to_owned(), value.clone())];
        let answer = self.server.call(queue, TagQueue { tags }).await;
        self.answered("tag", answer)?;
        self.ledger.queue(queue).tag = vec![value];
        Ok(())
    }
}

/// Lists the messages of which a copy that is sent again has to be recognized.
pub(crate) fn known_originals(ledger: &Ledger) -> Vec<u64> {
    let known = |message: &Message| message.deduplication_id.is_some() && message.id.is_some();
    ledger.messages.iter().filter(|(_, message)| known(message)).map(|(number, _)| *number).collect()
}
