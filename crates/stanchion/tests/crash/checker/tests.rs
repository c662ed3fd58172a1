//! Each rule is fed a history that breaks it, and one beside it that does not.

use super::{QueueRules, Redrive, Rule, check};
use crate::history::{Delivery, Event, Micros, Outcome, Send, Stored, What};

const Q: &str = "q";
const FIFO: &str = "q.fifo";
const SOURCE: &str = "source";
const DEAD: &str = "dead";
const QUEUES: [QueueRules; 4] = [
    QueueRules { name: Q, fifo: false, redrive: None },
    QueueRules { name: FIFO, fifo: true, redrive: None },
    QueueRules { name: SOURCE, fifo: false, redrive: Some(Redrive { dead_letters: DEAD, receives_max: 2 }) },
    QueueRules { name: DEAD, fifo: false, redrive: None },
];

/// A history being written. Each call takes 10 ms of its own, one millisecond
/// after the other; `at` jumps to a moment.
#[derive(Default)]
struct Story {
    now: Micros,
    events: Vec<Event>,
    sequence: u128,
}

impl Story {
    fn at(&mut self, millis: u64) -> &mut Self {
        assert!(millis * 1000 >= self.now, "a story goes forward");
        self.now = millis * 1000;
        self
    }

    fn note(&mut self, what: What) -> &mut Self {
        let invoked = self.now;
        self.now += 10_000;
        self.events.push(Event { client: 0, invoked, returned: self.now, what });
        self.now += 1000;
        self
    }

    fn send_with(&mut self, queue: &'static str, label: &str, delay_ms: u64, outcome: Outcome<Stored>) -> &mut Self {
        let group = (queue == FIFO).then(|| "g".to_owned());
        self.note(What::Send(Send { queue, label: label.into(), group, delay_ms, outcome }))
    }

    fn stored(&mut self, queue: &str, label: &str) -> Outcome<Stored> {
        self.sequence += 1;
        let sequence = (queue == FIFO).then_some(self.sequence);
        Outcome::Acknowledged(Stored { message_id: format!("id-{label}"), sequence })
    }

    fn send(&mut self, queue: &'static str, label: &str) -> &mut Self {
        let outcome = self.stored(queue, label);
        self.send_with(queue, label, 0, outcome)
    }

    /// A receive with a visibility timeout of one second; `label#2` is the
    /// second receive of a message.
    fn receive(&mut self, queue: &'static str, messages: &[&str]) -> &mut Self {
        let deliveries = messages.iter().map(|message| delivery(queue, message)).collect();
        self.note(What::Receive { queue, visibility_ms: 1000, outcome: Outcome::Acknowledged(deliveries) })
    }

    fn receive_lost(&mut self, queue: &'static str) -> &mut Self {
        self.note(What::Receive { queue, visibility_ms: 1000, outcome: Outcome::Unknown })
    }

    fn delete(&mut self, queue: &'static str, message: &str) -> &mut Self {
        self.delete_with(queue, message, Outcome::Acknowledged(()))
    }

    fn delete_with(&mut self, queue: &'static str, message: &str, outcome: Outcome<()>) -> &mut Self {
        let Delivery { label, handle, .. } = delivery(queue, message);
        self.note(What::Delete { queue, label, handle, outcome })
    }

    fn change(&mut self, message: &str, timeout_ms: u64, outcome: Outcome<()>) -> &mut Self {
        let Delivery { label, handle, .. } = delivery(Q, message);
        self.note(What::ChangeVisibility { queue: Q, label, handle, timeout_ms, outcome })
    }

    fn purge(&mut self, outcome: Outcome<()>) -> &mut Self {
        self.note(What::Purge { queue: Q, outcome })
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = check(&QUEUES, &self.events).into_iter().map(|found| found.rule).collect();
        rules.sort();
        rules.dedup();
        rules
    }
}

/// `label#count`; the id follows from the label and the handle from all three.
fn delivery(queue: &str, message: &str) -> Delivery {
    let (label, count) = message.split_once('#').unwrap_or((message, "1"));
    Delivery {
        label: label.into(),
        message_id: format!("id-{label}"),
        handle: format!("{queue}/{label}/{count}"),
        receive_count: count.parse().expect("a count"),
        group: (queue == FIFO).then(|| "g".into()),
        sequence: None,
        first_received: 7,
    }
}

/// Tells a story and lists the rules it breaks.
fn broken(tell: impl FnOnce(&mut Story)) -> Vec<Rule> {
    let mut story = Story::default();
    tell(&mut story);
    story.rules()
}

const NONE: [Rule; 0] = [];
const YES: Outcome<()> = Outcome::Acknowledged(());

#[test]
fn a_life_without_fault_breaks_nothing() {
    let rules = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).delete(Q, "a");
        story.send(FIFO, "b").send(FIFO, "c").receive(FIFO, &["b", "c"]).delete(FIFO, "b").delete(FIFO, "c");
        story.send(Q, "d").receive(Q, &["d"]).at(2000).receive(Q, &["d#2"]).delete(Q, "d#2");
    });
    assert_eq!(rules, NONE);
}

#[test]
fn a_lost_message_is_seen() {
    assert_eq!(
        broken(|story| {
            story.send(Q, "a");
        }),
        [Rule::Lost]
    );
    let received_only = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]);
    });
    assert_eq!(received_only, [Rule::Lost]);
    let refused = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).delete_with(Q, "a", Outcome::Refused("late".into()));
    });
    assert_eq!(refused, [Rule::Lost]);
}

#[test]
fn a_message_may_be_gone_when_its_send_delete_or_purge_has_no_answer() {
    assert_eq!(
        broken(|story| {
            story.send_with(Q, "a", 0, Outcome::Unknown);
        }),
        NONE
    );
    let deleted = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).delete_with(Q, "a", Outcome::Unknown);
    });
    assert_eq!(deleted, NONE);
    assert_eq!(
        broken(|story| {
            story.send(Q, "a").purge(Outcome::Unknown);
        }),
        NONE
    );
    let purged_before = broken(|story| {
        story.purge(YES).send(Q, "a");
    });
    assert_eq!(purged_before, [Rule::Lost]);
}

#[test]
fn a_resurrected_message_is_seen() {
    for queue in [Q, FIFO] {
        let rules = broken(|story| {
            story.send(queue, "a").receive(queue, &["a"]).delete(queue, "a").at(5000).receive(queue, &["a#2"]);
        });
        assert_eq!(rules, [Rule::Resurrected], "{queue}");
    }
    let purged = broken(|story| {
        story.send(Q, "a").purge(YES).receive(Q, &["a"]);
    });
    assert_eq!(purged, [Rule::Resurrected]);
}

#[test]
fn a_delete_with_a_stale_handle_need_not_delete_on_a_standard_queue() {
    let seen = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).at(2000).receive(Q, &["a#2"]).delete(Q, "a");
        story.at(4000).receive(Q, &["a#3"]).delete(Q, "a#3");
    });
    assert_eq!(seen, NONE);
    let unseen = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).at(2000).receive_lost(Q).delete(Q, "a");
        story.at(4000).receive(Q, &["a#3"]).delete(Q, "a#3");
    });
    assert_eq!(unseen, NONE);
    // While it was invisible, nobody else can have received it.
    let in_flight = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).receive_lost(Q).delete(Q, "a").at(4000).receive(Q, &["a#3"]);
    });
    assert_eq!(in_flight, [Rule::Resurrected]);
}

#[test]
fn a_message_that_nobody_sent_is_seen() {
    assert_eq!(
        broken(|story| {
            story.receive(Q, &["a"]).delete(Q, "a");
        }),
        [Rule::NeverSent]
    );
    let refused = broken(|story| {
        story.send_with(Q, "a", 0, Outcome::Refused("no".into())).receive(Q, &["a"]).delete(Q, "a");
    });
    assert_eq!(refused, [Rule::NeverSent, Rule::Refused]);
}

#[test]
fn a_fifo_reorder_is_seen() {
    let overtaken = broken(|story| {
        story.send(FIFO, "a").send(FIFO, "b").receive(FIFO, &["b"]).delete(FIFO, "b");
        story.receive(FIFO, &["a"]).delete(FIFO, "a");
    });
    assert_eq!(overtaken, [Rule::FifoOrder]);
    let within_a_reply = broken(|story| {
        story.send(FIFO, "a").send(FIFO, "b").receive(FIFO, &["b", "a"]).delete(FIFO, "a").delete(FIFO, "b");
    });
    assert_eq!(within_a_reply, [Rule::FifoOrder]);
    let group_not_locked = broken(|story| {
        story.send(FIFO, "a").send(FIFO, "b").receive(FIFO, &["a"]).receive(FIFO, &["b"]);
        story.delete(FIFO, "a").delete(FIFO, "b");
    });
    assert_eq!(group_not_locked, [Rule::FifoOrder]);
    let third_overtakes = broken(|story| {
        story.send(FIFO, "a").send(FIFO, "b").send(FIFO, "c").receive(FIFO, &["a"]).delete(FIFO, "a");
        story.receive(FIFO, &["c"]).delete(FIFO, "c").receive(FIFO, &["b"]).delete(FIFO, "b");
    });
    assert_eq!(third_overtakes, [Rule::FifoOrder]);
}

#[test]
fn a_repeated_send_keeps_the_place_of_its_first_attempt() {
    let rules = broken(|story| {
        story.send_with(FIFO, "a", 0, Outcome::Unknown);
        let answer = story.stored(FIFO, "a");
        story.send_with(FIFO, "a", 0, answer.clone()).send(FIFO, "b").send_with(FIFO, "a", 0, answer);
        story.receive(FIFO, &["a", "b"]).delete(FIFO, "a").delete(FIFO, "b");
    });
    assert_eq!(rules, NONE);
}

#[test]
fn a_duplicate_fifo_delivery_is_seen() {
    let rules = broken(|story| {
        story.send(FIFO, "a").receive(FIFO, &["a"]).receive(FIFO, &["a#2"]).delete(FIFO, "a#2");
    });
    assert_eq!(rules, [Rule::DeliveredWhileInvisible]);
}

#[test]
fn a_receive_count_that_went_back_is_seen() {
    let back = broken(|story| {
        story.send(Q, "a").receive(Q, &["a#1"]).at(2000).receive(Q, &["a#2"]).at(4000).receive(Q, &["a#1"]);
        story.delete(Q, "a#1");
    });
    assert_eq!(back, [Rule::ReceiveCountWentBack]);
    let same = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).at(2000).receive(Q, &["a"]).delete(Q, "a");
    });
    assert_eq!(same, [Rule::ReceiveCountWentBack]);
}

#[test]
fn a_receive_count_may_skip_only_receives_without_a_reply() {
    let skipped = broken(|story| {
        story.send(Q, "a").receive_lost(Q).at(2000).receive(Q, &["a#2"]).delete(Q, "a#2");
    });
    assert_eq!(skipped, NONE);
    let invented = broken(|story| {
        story.send(Q, "a").receive(Q, &["a#2"]).delete(Q, "a#2");
    });
    assert_eq!(invented, [Rule::ReceiveCountTooHigh]);
}

#[test]
fn a_message_before_its_delay_is_seen() {
    for (at, rules) in [(900, vec![Rule::DelayedTooShort]), (1000, vec![])] {
        let found = broken(|story| {
            let outcome = story.stored(Q, "a");
            story.send_with(Q, "a", 1000, outcome).at(at).receive(Q, &["a"]).delete(Q, "a");
        });
        assert_eq!(found, rules, "delivered at {at}");
    }
}

#[test]
fn a_message_while_it_was_invisible_is_seen() {
    for (at, rules) in [(900, vec![Rule::DeliveredWhileInvisible]), (1010, vec![])] {
        let found = broken(|story| {
            story.send(Q, "a").receive(Q, &["a"]).at(at).receive(Q, &["a#2"]).delete(Q, "a#2");
        });
        assert_eq!(found, rules, "delivered at {at}");
    }
}

#[test]
fn a_changed_visibility_counts_from_the_change() {
    let story = |timeout: u64, outcome: Outcome<()>, again_at: u64| {
        broken(|story| {
            story.send(Q, "a").receive(Q, &["a"]).change("a", timeout, outcome);
            story.at(again_at).receive(Q, &["a#2"]).delete(Q, "a#2");
        })
    };
    assert_eq!(story(0, YES, 100), NONE);
    assert_eq!(story(0, Outcome::Unknown, 100), NONE);
    assert_eq!(story(0, Outcome::Refused("late".into()), 100), [Rule::DeliveredWhileInvisible]);
    assert_eq!(story(5000, YES, 2000), [Rule::DeliveredWhileInvisible]);
    assert_eq!(story(5000, Outcome::Unknown, 2000), NONE);
    assert_eq!(story(5000, YES, 5100), NONE);
}

#[test]
fn a_change_that_may_have_come_too_late_promises_nothing() {
    for (at, rules) in [(900, vec![Rule::DeliveredWhileInvisible]), (995, vec![])] {
        let found = broken(|story| {
            story.send(Q, "a").receive(Q, &["a"]).at(at).change("a", 5000, YES);
            story.at(1500).receive(Q, &["a#2"]).delete(Q, "a#2");
        });
        assert_eq!(found, rules, "changed at {at}");
    }
}

#[test]
fn a_dedup_id_accepted_twice_is_seen() {
    let answered = broken(|story| {
        let first = story.stored(FIFO, "a");
        let second = Outcome::Acknowledged(Stored { message_id: "id-other".into(), sequence: Some(9) });
        story.send_with(FIFO, "a", 0, first).send_with(FIFO, "a", 0, second).receive(FIFO, &["a"]).delete(FIFO, "a");
    });
    assert_eq!(answered, [Rule::StoredTwice, Rule::DeduplicationForgotten]);
    let delivered = broken(|story| {
        story.send(FIFO, "a").receive(FIFO, &["a"]);
        let copy = Delivery { message_id: "id-other".into(), handle: "other".into(), ..delivery(FIFO, "a") };
        story.note(What::Receive { queue: FIFO, visibility_ms: 1000, outcome: Outcome::Acknowledged(vec![copy]) });
        story.delete(FIFO, "a");
    });
    assert_eq!(delivered, [Rule::StoredTwice]);
}

#[test]
fn a_sequence_number_that_went_back_is_seen() {
    let rules = broken(|story| {
        story.sequence = 9;
        story.send(FIFO, "a");
        story.sequence = 3;
        story.send(FIFO, "b").receive(FIFO, &["a", "b"]).delete(FIFO, "a").delete(FIFO, "b");
    });
    assert_eq!(rules, [Rule::SequenceWentBack]);
}

#[test]
fn an_identity_that_changed_between_deliveries_is_seen() {
    let rules = broken(|story| {
        story.send(Q, "a").receive(Q, &["a"]).at(2000);
        let changed = Delivery { first_received: 8, ..delivery(Q, "a#2") };
        story.note(What::Receive { queue: Q, visibility_ms: 1000, outcome: Outcome::Acknowledged(vec![changed]) });
        story.delete(Q, "a#2");
    });
    assert_eq!(rules, [Rule::IdentityChanged]);
}

#[test]
fn dead_letters_that_come_too_late_too_early_or_go_back_are_seen() {
    let right = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
        story.at(4000).receive(SOURCE, &[]).receive(DEAD, &["a#3"]).delete(DEAD, "a#3");
    });
    assert_eq!(right, NONE);
    let late = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
        story.at(4000).receive(SOURCE, &["a#3"]).delete(SOURCE, "a#3");
    });
    assert_eq!(late, [Rule::RedriveMissed]);
    let early = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(DEAD, &["a#2"]).delete(DEAD, "a#2");
    });
    assert_eq!(early, [Rule::RedriveTooEarly]);
    let in_flight = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
        story.receive(DEAD, &["a#3"]).delete(DEAD, "a#3");
    });
    assert_eq!(in_flight, [Rule::DeliveredWhileInvisible]);
    let back = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
        story.at(4000).receive(DEAD, &["a#3"]).at(6000).receive(SOURCE, &["a#4"]).delete(SOURCE, "a#4");
    });
    assert_eq!(back, [Rule::RedriveMissed, Rule::CameBackFromMove]);
    let never_there = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
    });
    assert_eq!(never_there, [Rule::Lost]);
}

#[test]
fn a_late_delete_of_a_message_that_may_have_become_a_dead_letter_deletes_nothing() {
    let rules = broken(|story| {
        story.send(SOURCE, "a").receive(SOURCE, &["a"]).at(2000).receive(SOURCE, &["a#2"]);
        story.at(4000).receive(SOURCE, &[]).delete(SOURCE, "a#2").receive(DEAD, &["a#3"]).delete(DEAD, "a#3");
    });
    assert_eq!(rules, NONE);
}

#[test]
fn a_move_that_stopped_or_went_back_is_seen() {
    let start = |story: &mut Story| {
        story.send(DEAD, "a").note(What::StartMove { source: DEAD, destination: Q, outcome: YES });
    };
    let moved = |message: &str| Delivery { message_id: "id-new".into(), ..delivery(Q, message) };
    let moved_once = broken(|story| {
        start(story);
        let outcome = Outcome::Acknowledged(vec![moved("a")]);
        story.note(What::MovesEnded { source: DEAD }).note(What::Receive { queue: Q, visibility_ms: 1000, outcome });
        story.delete(Q, "a");
    });
    assert_eq!(moved_once, NONE);
    let stopped = broken(|story| {
        start(story);
        story.note(What::MovesEnded { source: DEAD }).receive(DEAD, &["a"]).delete(DEAD, "a");
    });
    assert_eq!(stopped, [Rule::MoveStopped]);
    let in_both = broken(|story| {
        start(story);
        let outcome = Outcome::Acknowledged(vec![moved("a")]);
        story.note(What::Receive { queue: Q, visibility_ms: 1000, outcome }).receive(DEAD, &["a"]).delete(DEAD, "a");
    });
    assert_eq!(in_both, [Rule::CameBackFromMove]);
}

#[test]
fn a_forgotten_attribute_is_seen() {
    let set = |value: &str, outcome| What::Set { queue: Q, key: "k", value: value.into(), outcome };
    let get = |value: &str| What::Get { queue: Q, key: "k", outcome: Outcome::Acknowledged(value.into()) };
    let forgotten = broken(|story| {
        story.note(set("1", YES)).note(set("2", YES)).note(get("1"));
    });
    assert_eq!(forgotten, [Rule::AttributeForgotten]);
    for value in ["1", "2"] {
        let unknown = broken(|story| {
            story.note(set("1", YES)).note(set("2", Outcome::Unknown)).note(get(value));
        });
        assert_eq!(unknown, NONE, "{value}");
    }
    let undecided = broken(|story| {
        story.note(set("1", YES)).note(set("2", Outcome::Unknown)).note(get("2")).note(get("1"));
    });
    assert_eq!(undecided, [Rule::AttributeForgotten]);
}

#[test]
fn a_queue_that_cannot_be_drained_and_a_refused_call_are_seen() {
    let stuck = broken(|story| {
        story.note(What::NotDrained { queue: Q, why: "still counts one".into() });
    });
    assert_eq!(stuck, [Rule::NotDrained]);
    for what in [
        What::Purge { queue: Q, outcome: Outcome::Refused("no".into()) },
        What::Receive { queue: Q, visibility_ms: 0, outcome: Outcome::Refused("no".into()) },
        What::Set { queue: Q, key: "k", value: "v".into(), outcome: Outcome::Refused("no".into()) },
    ] {
        let refused = broken(|story| {
            story.note(what);
        });
        assert_eq!(refused, [Rule::Refused]);
    }
}
