//! Who sent what and who saw it: the book that `produce-consume` keeps.
//!
//! A send is acknowledged, refused or of unknown outcome (its connection
//! broke). At the end every acknowledged message must have been seen, nothing
//! refused may have been, and on a FIFO queue each group's messages of one
//! producer must have been seen first in the order in which they were sent,
//! and each of them once.

use crate::payload::{self, Number};
use crate::report::Verification;

/// How a send ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    Acknowledged,
    Refused,
    Unknown,
}

/// The book of one run.
#[derive(Debug)]
pub(crate) struct Ledger {
    run: u64,
    fifo: bool,
    producers: Vec<Producer>,
    missing: u64,
    foreign: u64,
    corrupt: u64,
    duplicates: u64,
    resurrected: u64,
}

#[derive(Debug)]
struct Producer {
    /// One byte of flags for each sequence number.
    messages: Vec<u8>,
    /// By group: one past the highest sequence number seen so far.
    high_water: Vec<u64>,
    overtaken: Vec<u64>,
}

const ACKNOWLEDGED: u8 = 1;
const REFUSED: u8 = 2;
const UNKNOWN: u8 = 4;
const SEEN: u8 = 8;
const DELETED: u8 = 16;

impl Ledger {
    /// This function opens the book of run `run`.
    pub(crate) fn new(run: u64, fifo: bool, producers: usize, groups: u32) -> Self {
        let producer = || Producer {
            messages: Vec::new(),
            high_water: vec![0; if fifo { groups as usize } else { 0 }],
            overtaken: Vec::new(),
        };
        Self {
            run,
            fifo,
            producers: std::iter::repeat_with(producer).take(producers).collect(),
            missing: 0,
            foreign: 0,
            corrupt: 0,
            duplicates: 0,
            resurrected: 0,
        }
    }

    /// This function enters how the send of a message ended.
    pub(crate) fn sent(&mut self, producer: u32, sequence: u64, sent: Sent) {
        let flags = self.producers[producer as usize].flags(sequence);
        *flags |= match sent {
            Sent::Acknowledged => ACKNOWLEDGED,
            Sent::Refused => REFUSED,
            Sent::Unknown => UNKNOWN,
        };
        if sent == Sent::Acknowledged && *flags & SEEN == 0 {
            self.missing += 1;
        }
    }

    /// This function enters a delivery and returns the message's number, or
    /// `None` if the body is not one of this run.
    pub(crate) fn received(&mut self, body: &[u8]) -> Option<Number> {
        let Some(number) = payload::read(body) else {
            self.corrupt += 1;
            return None;
        };
        let producer = self.producers.get_mut(number.producer as usize);
        let Some(producer) = producer.filter(|_| number.run == self.run) else {
            self.foreign += 1;
            return None;
        };
        let flags = producer.flags(number.sequence);
        if *flags & SEEN != 0 {
            self.duplicates += 1;
            self.resurrected += u64::from(*flags & DELETED != 0);
            return Some(number);
        }
        *flags |= SEEN;
        self.missing -= u64::from(*flags & ACKNOWLEDGED != 0);
        if let Some(high_water) = producer.high_water.get_mut(number.group as usize) {
            if number.sequence < *high_water {
                producer.overtaken.push(number.sequence);
            }
            *high_water = (*high_water).max(number.sequence + 1);
        }
        Some(number)
    }

    /// This function enters that the deletion of a message was acknowledged.
    pub(crate) fn deleted(&mut self, number: Number) {
        *self.producers[number.producer as usize].flags(number.sequence) |= DELETED;
    }

    /// This function counts what was acknowledged and not seen so far.
    pub(crate) fn missing(&self) -> u64 {
        self.missing
    }

    /// This function closes the book. `complete` says whether the consumers
    /// had their chance to see everything; an interrupted run loses nothing.
    pub(crate) fn verdict(&self, complete: bool) -> Verification {
        let count = |flag: u8, of: u8| -> u64 {
            let flags = self.producers.iter().flat_map(|producer| &producer.messages);
            flags.filter(|flags| **flags & of == flag).count() as u64
        };
        // A send whose connection broke may have been carried out later than
        // the ones made after it.
        let reordered = |producer: &Producer| {
            let known = |sequence: &&u64| producer.messages[**sequence as usize] & UNKNOWN == 0;
            producer.overtaken.iter().filter(known).count() as u64
        };
        Verification {
            complete,
            fifo: self.fifo,
            acknowledged: count(ACKNOWLEDGED, ACKNOWLEDGED),
            unknown_outcome: count(UNKNOWN, UNKNOWN),
            missing: self.missing,
            refused_but_delivered: count(REFUSED | SEEN, REFUSED | SEEN),
            corrupt: self.corrupt,
            foreign: self.foreign,
            duplicates: self.duplicates,
            delivered_after_deletion: self.resurrected,
            reordered: self.producers.iter().map(reordered).sum(),
        }
    }
}

impl Producer {
    fn flags(&mut self, sequence: u64) -> &mut u8 {
        let at = usize::try_from(sequence).expect("sequence numbers count what fits in memory");
        if at >= self.messages.len() {
            self.messages.resize(at + 1, 0);
        }
        &mut self.messages[at]
    }
}

#[cfg(test)]
mod tests;
