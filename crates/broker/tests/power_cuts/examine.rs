//! A close look at what a power cut has left, on a copy that nobody uses afterwards.

use std::collections::{BTreeMap, BTreeSet};

use stanchion_broker::{Carried, Secret};
use stanchion_engine::queue::listing::Standing;
use stanchion_journal::local::Durability;
use stanchion_journal::local::simulated::Simulated;
use stanchion_types::request::{BatchEntry, ChangeMessageVisibility, DeleteMessage, DeleteMessageBatch, SendMessage};
use stanchion_types::response::Response;

use crate::judge::{Rule, Violation, judge};
use crate::ledger::Ledger;
use crate::load::{FIFO, known_originals};
use crate::run::runtime;
use crate::seen::Seen;
use crate::server::{self, Server};

/// Messages that are sent again, the newest first.
const AGAIN: usize = 12;

/// Opens a server on a disk and compares all it has, and all it gives to those who receive, with what the clients know.
/// Returns how many messages were received.
pub(crate) fn examine(disk: &Simulated, secret: &Secret, ledger: &Ledger) -> Result<u64, Vec<Violation>> {
    let refused = |text: String| vec![Violation::new(Rule::Served, text)];
    let journal = server::journal(disk, Durability::Sync).map_err(|fault| refused(fault.to_string()))?;
    let seen = Seen::read(&journal).map_err(refused)?;
    let violations = judge(ledger, &seen);
    if !violations.is_empty() {
        return Err(violations);
    }
    let runtime = runtime();
    let received = runtime.block_on(async {
        let server = Server::open(&journal, secret).map_err(refused)?;
        recognize(&server, ledger).await.map_err(|violation| vec![violation])?;
        drain(&server, ledger, &seen).await.map_err(|violation| vec![violation])
    });
    drop(runtime);
    server::kill(journal);
    received
}

/// Sends messages again that were acknowledged: nothing may come of it but the first answer.
async fn recognize(server: &Server, ledger: &Ledger) -> Result<(), Violation> {
    for number in known_originals(ledger).into_iter().rev().take(AGAIN) {
        let message = &ledger.messages[&number];
        let again = SendMessage { message: server::new_message(message, false) };
        let answer = server.call(message.queue, again).await;
        let id = match &answer {
            Ok(Response::Sent(sent)) => Some(sent.message_id),
            _ => None,
        };
        if id != message.id {
            let text = format!("number {number}, {:?}, is sent again: {answer:?}", message.id);
            return Err(Violation::new(Rule::Recognized, text));
        }
    }
    Ok(())
}

/// Receives whatever can be received, then makes visible what the clients have handles of, and receives that.
async fn drain(server: &Server, ledger: &Ledger, seen: &Seen) -> Result<u64, Violation> {
    let mut count = 0;
    for (name, queue) in &seen.queues {
        let handles = ledger.handles(name);
        let released: BTreeSet<&str> =
            handles.iter().map(|(number, _)| ledger.messages[number].body.as_str()).collect();
        let now = expected(name, &queue.messages, &BTreeSet::new());
        let later = expected(name, &queue.messages, &released);
        let mut received = receive_all(server, name).await?;
        compare(name, &now, &received)?;
        for (number, receipt_handle) in handles {
            let change = ChangeMessageVisibility { receipt_handle, visibility_seconds: 0 };
            if let Err(error) = server.call(name, change).await {
                return Err(Violation::new(Rule::Hidden, format!("the handle of number {number}: {error:?}")));
            }
        }
        received.extend(receive_all(server, name).await?);
        compare(name, &later, &received)?;
        count += received.len() as u64;
    }
    Ok(count)
}

/// Lists what can be received once some messages have been made visible: by group, in order. On a FIFO queue a group of
/// which something is hidden gives nothing.
fn expected<'a>(
    queue: &str,
    messages: &'a [Carried],
    released: &BTreeSet<&str>,
) -> BTreeMap<Option<&'a str>, Vec<&'a str>> {
    let is_hidden = |one: &&Carried| {
        matches!(one.standing, Standing::InFlight { .. }) && !released.contains(one.message.body.as_str())
    };
    let group = |one: &'a Carried| one.message.group_id.as_deref();
    let locked: BTreeSet<_> = messages.iter().filter(is_hidden).map(group).filter(|_| queue == FIFO).collect();
    let mut expected: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in messages {
        let is_delayed = matches!(one.standing, Standing::Delayed { .. });
        if !is_delayed && !is_hidden(&one) && !locked.contains(&group(one)) {
            expected.entry(group(one)).or_default().push(one.message.body.as_str());
        }
    }
    expected
}

/// Receives and deletes until there is nothing more; returns groups and bodies.
async fn receive_all(server: &Server, queue: &str) -> Result<Vec<(Option<String>, String)>, Violation> {
    let mut all = Vec::new();
    let mut empty = 0;
    while empty < 2 {
        let refused = |what, error| Violation::new(Rule::Received, format!("{what} {queue}: {error:?}"));
        let received = server.receive(queue, 10).await.map_err(|error| refused("receive from", error))?;
        if received.is_empty() {
            empty += 1;
            continue;
        }
        empty = 0;
        let mut entries = Vec::new();
        for (index, one) in received.into_iter().enumerate() {
            let group = server::group(&one);
            all.push((group, one.body));
            let receipt_handle = one.receipt_handle;
            entries.push(BatchEntry { id: index.to_string(), entry: Ok(DeleteMessage { receipt_handle }) });
        }
        let deleted = server.call(queue, DeleteMessageBatch { entries }).await;
        deleted.map_err(|error| refused("delete from", error))?;
    }
    Ok(all)
}

/// Compares what was received with what had to be: the same messages, those of a group in their order.
fn compare(
    queue: &str,
    expected: &BTreeMap<Option<&str>, Vec<&str>>,
    received: &[(Option<String>, String)],
) -> Result<(), Violation> {
    let mut groups: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for (group, body) in received {
        groups.entry(group.as_deref()).or_default().push(body);
    }
    if queue != FIFO {
        groups.values_mut().for_each(|bodies| bodies.sort_unstable());
        let sorted = |(group, bodies): (&Option<_>, &Vec<_>)| {
            let mut bodies = bodies.clone();
            bodies.sort_unstable();
            (*group, bodies)
        };
        let expected: BTreeMap<_, _> = expected.iter().map(sorted).collect();
        return same(queue, &expected, &groups);
    }
    same(queue, expected, &groups)
}

fn same(
    queue: &str,
    expected: &BTreeMap<Option<&str>, Vec<&str>>,
    received: &BTreeMap<Option<&str>, Vec<&str>>,
) -> Result<(), Violation> {
    if expected == received {
        return Ok(());
    }
    let brief = |groups: &BTreeMap<Option<&str>, Vec<&str>>| {
        let bodies = |bodies: &Vec<&str>| bodies.iter().map(|body| body[..6].to_owned()).collect::<Vec<_>>();
        groups.iter().map(|(group, all)| format!("{group:?}: {:?}", bodies(all))).collect::<Vec<_>>().join(", ")
    };
    let text = format!("{queue} has {}, and gives {}", brief(expected), brief(received));
    Err(Violation::new(Rule::Received, text))
}

#[cfg(test)]
mod tests;
