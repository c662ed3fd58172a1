use stanchion_types::MessageId;

use super::*;
use crate::ledger::{Flight, Message, Presence, Queue};

fn rule(outcome: Result<u64, Vec<Violation>>) -> Option<Rule> {
    outcome.err().map(|violations| violations[0].rule)
}

#[test]
fn a_copy_that_is_not_recognized_is_seen() {
    let (disk, secret) = (Simulated::new(), Secret::random().expect("chance"));
    let journal = server::journal(&disk, Durability::Sync).expect("opens");
    let runtime = runtime();
    runtime.block_on(async {
        let server = Server::open(&journal, &secret).expect("opens");
        server.create(FIFO).await.expect("is created");
    });
    drop(runtime);
    server::kill(journal);
    let mut ledger = Ledger::default();
    let queue = Queue { presence: Presence::There, visibility: vec![30], tag: vec![String::new()] };
    ledger.queues.insert(FIFO, queue);
    assert_eq!(rule(examine(&disk, &secret, &ledger)), None);
    ledger.sending(Message {
        queue: FIFO,
        body: "one that was never sent".into(),
        group: Some("a"),
        deduplication_id: Some("1".into()),
        id: Some(MessageId([1; 16])),
        presence: Presence::Gone,
        flight: Flight::Visible,
    });
    assert_eq!(rule(examine(&disk, &secret, &ledger)), Some(Rule::Recognized));
}

#[test]
fn what_is_not_received_or_too_late_in_its_group_is_seen() {
    let all = BTreeMap::from([(Some("a"), vec!["body 1", "body 2"])]);
    let received = |bodies: [&str; 2]| bodies.map(|body| (Some("a".to_owned()), body.to_owned()));
    let check = |queue, received: &[(Option<String>, String)]| {
        compare(queue, &all, received).map_err(|violation| violation.rule)
    };
    assert_eq!(check(FIFO, &received(["body 1", "body 2"])), Ok(()));
    assert_eq!(check(FIFO, &received(["body 2", "body 1"])), Err(Rule::Received));
    assert_eq!(check("plain", &received(["body 2", "body 1"])), Ok(()));
    assert_eq!(check("plain", &received(["body 2", "body 2"])), Err(Rule::Received));
    assert_eq!(check("plain", &received(["body 2", "body 1"])[..1]), Err(Rule::Received));
}
