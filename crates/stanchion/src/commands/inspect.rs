//! `stanchion inspect`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use stanchion_engine::{Engine, Queue, Survivor};
use stanchion_journal::inspect::{self, FrameKind, Overview};
use stanchion_journal::local::{Directory, Disk};
use stanchion_journal::{Fault, Position, ShardId};
use stanchion_shard::{Record, Shard};
use stanchion_types::{QueueArn, Timestamp};

use crate::cli::{InspectArguments, Stop, What};
use crate::control::client::Connection;
use crate::control::{REFUSED, Refused};
use crate::settings::Settings;
use crate::storage;
use crate::words::{count, say, size, utc};

/// Shows what a data directory holds.
pub(crate) fn run(arguments: &InspectArguments) -> Result<(), Stop> {
    let settings = Settings::load(&arguments.flags).map_err(Stop::misused)?;
    show(arguments.what, &settings)
        .map_err(|error| Stop::failed(format_args!("data directory {}: {error}", settings.data_dir.display())))
}

fn show(what: What, settings: &Settings) -> Result<(), String> {
    let (directory, words) = (&settings.data_dir, |fault: Fault| fault.to_string());
    let overview = inspect::overview(directory).map_err(words)?;
    let shows = |part: What| what == What::All || what == part;
    if shows(What::Segments) {
        print_journal(&overview);
        print_segments(directory, &overview).map_err(words)?;
    }
    if shows(What::Snapshots) {
        print_snapshots(&overview);
    }
    if shows(What::Queues) {
        // Only what is in the records is encrypted.
        print_queues(&*storage::to_read(settings)?, &overview).map_err(words)?;
    }
    if shows(What::Refused) {
        print_refused(directory, what)?;
    }
    Ok(())
}

fn print_journal(overview: &Overview) {
    let end = match overview.closed_at {
        Some((segment, offset)) => format!("closed at offset {offset} of segment {segment}"),
        None => "not closed: a server is using it, or has crashed".to_owned(),
    };
    say!("journal {:016x}: opened {}, {end}", overview.journal, count(overview.opens as usize, "time"));
}

fn print_segments(directory: &Path, overview: &Overview) -> Result<(), Fault> {
    for segment in &overview.segments {
        let mut records = BTreeMap::<ShardId, (usize, u64, Position, Position)>::new();
        let end = inspect::outline(directory, segment.number, &mut |frame| {
            let FrameKind::Record { shard, position, payload_bytes, .. } = frame.kind else { return };
            let sum = records.entry(shard).or_insert((0, 0, position, position));
            *sum = (sum.0 + 1, sum.1 + u64::from(payload_bytes), sum.2, position);
        })?;
        let state = match segment.sealed_at {
            Some(_) => "full",
            None if records.is_empty() => "prepared",
            None => "in use",
        };
        say!("segment {}: {state}, {} of {}", segment.number, size(end.offset), size(segment.bytes));
        for (shard, (number, bytes, first, last)) in records {
            let records = count(number, "record");
            say!("    shard {shard}: {records} of {}, positions {first} to {last}", size(bytes));
        }
    }
    Ok(())
}

fn print_snapshots(overview: &Overview) {
    for snapshot in &overview.snapshots {
        let bytes = size(snapshot.bytes);
        say!("snapshot of shard {}: up to position {}, {bytes}", snapshot.shard, snapshot.position);
    }
    if overview.snapshots.is_empty() {
        say!("no snapshots");
    }
}

fn print_queues(disk: &Directory, overview: &Overview) -> Result<(), Fault> {
    let shards = shards(disk, overview)?;
    if shards.is_empty() {
        say!("no queues: the journal has no record that can be read");
    }
    for id in shards {
        let (shard, clock) = restore(disk, overview, id)?;
        let queues: Vec<_> = shard.engine().all_queues().collect();
        let last =
            if clock == Timestamp::ZERO { "no record yet".into() } else { format!("last record at {}", utc(clock)) };
        say!("shard {id}: {}, {last}", count(queues.len(), "queue"));
        print_needed(shard.engine());
        for queue in queues {
            print_queue(queue);
        }
    }
    Ok(())
}

/// Asks the server that uses the directory. Without one there is nothing to tell, which only matters to who asked for it.
fn print_refused(directory: &Path, what: What) -> Result<(), String> {
    let connection = match Connection::open(directory) {
        Ok(Some(connection)) => connection,
        Ok(None) | Err(_) if what == What::All => return Ok(()),
        Ok(None) => return Err("no server uses it, so none has refused anything".to_owned()),
        Err(error) => return Err(error),
    };
    let refused: Refused = { connection }.ask(REFUSED, &()).map_err(|refused| refused.text)?;
    let requests: Vec<_> = refused.requests.iter().map(|(kind, count)| format!("{kind} {count}")).collect();
    say!("requests refused since the start: {}", requests.join(", "));
    if let Some(dropped) = refused.audit_dropped {
        say!("audit trail: {} dropped since the start", count(dropped as usize, "line"));
    }
    Ok(())
}

/// What a queue says about who may use it.
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) policy: Option<String>,
    pub(crate) tags: Vec<(String, String)>,
}

/// Returns the rules of a queue; `None` if there is no such queue.
pub(crate) fn rules(disk: &Directory, arn: &QueueArn) -> Result<Option<Rules>, Fault> {
    let overview = inspect::overview_on(disk)?;
    for id in shards(disk, &overview)? {
        let (shard, _) = restore(disk, &overview, id)?;
        if let Some(queue) = shard.find(arn) {
            let policy = queue.attributes().policy.as_ref().map(|policy| policy.text.clone());
            let tags = queue.tags().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            return Ok(Some(Rules { policy, tags }));
        }
    }
    Ok(None)
}

/// Says what keeps bytes of the journal: files of which nothing is needed go.
fn print_needed(engine: &Engine) {
    let chunks = engine.chunks_in(&(0..=u64::MAX)).into_iter().filter_map(|survivor| match survivor {
        Survivor::Chunk(chunk) => engine.chunk_content(chunk),
        _ => None,
    });
    let ids: u64 = chunks.map(|content| u64::from(content.length)).sum();
    let messages = engine.usage().live().saturating_sub(ids);
    say!("    needed of the journal: {} for messages, {} for deduplication ids", size(messages), size(ids));
}

/// Returns the shards that have left a trace.
fn shards(disk: &Directory, overview: &Overview) -> Result<BTreeSet<ShardId>, Fault> {
    let mut shards: BTreeSet<_> = overview.snapshots.iter().map(|snapshot| snapshot.shard).collect();
    for segment in &overview.segments {
        inspect::outline(disk.root(), segment.number, &mut |frame| {
            if let FrameKind::Record { shard, .. } = frame.kind {
                shards.insert(shard);
            }
        })?;
    }
    Ok(shards)
}

/// Brings a shard back from its newest snapshot and the records after it, as a start does, but reading only. Returns
/// it with the clock of its last record.
fn restore(disk: &Directory, overview: &Overview, id: ShardId) -> Result<(Shard, Timestamp), Fault> {
    let options = stanchion_shard::Options::default();
    let unreadable = |position: u64, reason: &dyn ToString| Fault::Unreadable {
        shard: id,
        position: Position(position),
        reason: reason.to_string(),
    };
    let mut shard = match inspect::snapshot_on(disk, id)? {
        Some((position, bytes)) => Shard::restore(options, &bytes).map_err(|damage| unreadable(position.0, &damage))?,
        None => Shard::new(options),
    };
    let mut clock = shard.engine().clock();
    let mut failed = None;
    for segment in &overview.segments {
        inspect::frames_on(disk, segment.number, &mut |frame, payload| {
            let FrameKind::Record { shard: of, position, clock_ms, count, .. } = frame.kind else { return };
            if of != id || position.0 <= shard.tail() || failed.is_some() {
                return;
            }
            if position.0 > shard.tail() + 1 {
                failed = Some(unreadable(position.0, &"records before it are missing"));
                return;
            }
            let record = Record {
                position: position.0,
                clock: Timestamp::from_millis(clock_ms),
                count,
                payload: payload.to_vec().into(),
            };
            failed = shard.replay(&record).err().map(|damage| unreadable(position.0, &damage));
            clock = clock.max(record.clock);
        })?;
    }
    match failed {
        Some(fault) => Err(fault),
        None => Ok((shard, clock)),
    }
}

fn print_queue(queue: &Queue) {
    let counters = queue.counters();
    say!("    {}", queue.arn());
    say!(
        "        messages: {} visible, {} in flight, {} delayed",
        counters.visible,
        counters.in_flight,
        counters.delayed
    );
    let attributes = stanchion_wire::attributes::render(queue.attributes());
    let attributes: Vec<_> = attributes.iter().map(|(name, value)| format!("{}={value}", name.name())).collect();
    say!("        attributes: {}", attributes.join(" "));
    if !queue.tags().is_empty() {
        let tags: Vec<_> = queue.tags().iter().map(|(key, value)| format!("{key}={value}")).collect();
        say!("        tags: {}", tags.join(" "));
    }
}
