//! Answers as they leave the shard: in order, true, once, and not before what they tell of is durable.

use stanchion_engine::command::{Delivery, Receive, Reply};
use stanchion_engine::ids::ContentAddress;
use stanchion_shard::Ticket;

use super::{Awaited, Oracle};
use crate::journal::Store;
use crate::shadow::{Handout, Violation};

impl Oracle {
    /// Judges an answer that leaves the shard.
    pub fn heard(&mut self, ticket: Ticket, reply: &Reply, journal: &impl Store) -> Result<(), Violation> {
        // Answers decided at the same position may leave in any order.
        let first = self.gate.front().ok_or_else(|| format!("{ticket:?} hears {reply:?} and asked nothing"))?.position;
        let mut abreast = self.gate.iter().take_while(|awaited| awaited.position == first);
        let index = abreast.position(|awaited| awaited.ticket == ticket);
        let index = index.ok_or_else(|| format!("{ticket:?} hears {reply:?} out of turn"))?;
        let awaited = self.gate.remove(index).expect("the answer was just found");
        if awaited.position > journal.durable() {
            return Err(format!(
                "{ticket:?} hears of record {} while only {} are durable",
                awaited.position,
                journal.durable()
            ));
        }
        if let (Reply::Received(deliveries), Some(receive)) = (reply, &awaited.receive)
            && !deliveries.is_empty()
        {
            return self.received(&awaited, receive, reply, journal);
        }
        if awaited.permitted.iter().any(|permitted| alike(permitted, reply)) {
            self.coverage.reply(&awaited.command, reply);
            if awaited.looked_up {
                self.coverage.looked_up(reply);
            }
            return Ok(());
        }
        let Awaited { position, decided_at, permitted, .. } = awaited;
        Err(format!(
            "{ticket:?} hears {reply:?} instead of one of {permitted:?}, decided at {decided_at} and {position}"
        ))
    }

    fn received(
        &mut self,
        awaited: &Awaited,
        receive: &Receive,
        reply: &Reply,
        journal: &impl Store,
    ) -> Result<(), Violation> {
        let Reply::Received(deliveries) = reply else { unreachable!("the caller looked") };
        let handouts = self.handouts.entry(awaited.position).or_default();
        let told: Vec<_> = deliveries
            .iter()
            .map(|delivery| Delivery {
                content: ContentAddress { position: 0, offset: 0, length: 0 },
                ..delivery.clone()
            })
            .collect();
        let fits = |handout: &Handout| {
            handout.queue == receive.queue
                && handout.deliveries == told
                && awaited.untils.contains(&handout.until)
                && (handout.repeated || told.len() <= receive.max_messages)
        };
        // The same attempt may have been received and repeated within a turn; and what was given back without its attempt
        // may be handed out to a stranger, and to the attempt as well, which does not know of it.
        let order = |handout: &Handout| (handout.attempt != receive.attempt, handout.repeated);
        let fitting = (0..handouts.len()).filter(|index| fits(&handouts[*index]));
        let Some(index) = fitting.min_by_key(|index| order(&handouts[*index])) else {
            return Err(format!("{:?} hears {reply:?}; handed out were {handouts:?}", awaited.ticket));
        };
        let handout = handouts.swap_remove(index);
        let keeps = handout.attempt.is_some() || handout.until <= awaited.decided_at;
        if receive.attempt.is_some() && (!keeps || handout.attempt.is_some_and(|hash| Some(hash) != receive.attempt)) {
            return Err(format!("the attempt of {:?} is not remembered", awaited.ticket));
        }
        for (delivery, content) in deliveries.iter().zip(&handout.contents) {
            if journal.read(delivery.content)? != *content {
                return Err(format!("message {} has the content of another", delivery.id));
            }
        }
        self.coverage.handout(&handout, awaited.decided_at);
        Ok(())
    }

    /// Checks that everybody has heard who may hear, after the shard was told of a watermark.
    pub fn durable(&mut self, position: u64) -> Result<(), Violation> {
        self.durable = self.durable.max(position);
        if let Some(late) = self.gate.front().filter(|awaited| awaited.position <= self.durable) {
            return Err(format!("{:?} has not heard of record {}", late.ticket, late.position));
        }
        while self.history.get(1).is_some_and(|(at, _)| *at <= self.durable) {
            self.history.pop_front();
        }
        let nobody = self.handouts.range(..=self.durable).find(|(_, handouts)| !handouts.is_empty());
        if let Some((at, handouts)) = nobody {
            return Err(format!("nobody heard of {handouts:?} in record {at}"));
        }
        self.handouts = self.handouts.split_off(&(self.durable + 1));
        Ok(())
    }
}

/// Compares answers; of a refusal only its code counts.
fn alike(one: &Reply, two: &Reply) -> bool {
    match (one, two) {
        (Reply::Refused(one), Reply::Refused(two)) => one.code == two.code,
        (Reply::Imported(Err((at, one))), Reply::Imported(Err((index, two)))) => at == index && one.code == two.code,
        (Reply::Sent(one), Reply::Sent(two)) => {
            one.len() == two.len()
                && one.iter().zip(two).all(|pair| match pair {
                    (Err(one), Err(two)) => one.code == two.code,
                    (one, two) => one == two,
                })
        }
        (one, two) => one == two,
    }
}
