//! One run: life after life of a server on one disk, with a power cut at any operation of the disk.

use stanchion_broker::Secret;
use stanchion_engine::event::{Event, codec};
use stanchion_journal::inspect::{self, FrameKind};
use stanchion_journal::local::Durability;
use stanchion_journal::local::simulated::Simulated;
use stanchion_journal::{Journal, Room};

use crate::chance::Chance;
use crate::examine::examine;
use crate::judge::{Rule, Violation, judge, settle};
use crate::ledger::Ledger;
use crate::load::{Clients, Stop};
use crate::seen::Seen;
use crate::server::{self, Server};

/// Most operations of the disk between two cuts.
const OPERATIONS_MAX: usize = 150;
/// Most bytes that a disk which may become full has left at a start: a few segments.
const SPACE_MAX: usize = 64 << 10;
/// Most requests of a life that ends without a power cut.
const REQUESTS_MAX: usize = 25;
/// More requests than the operations until the power goes off allow, unless the disk is full and nothing is written.
const REQUESTS: usize = 300;

/// What a run met.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) cuts: u64,
    /// Cuts while nothing became durable any more.
    pub(crate) cut_off: u64,
    /// Requests that were refused because the disk was full.
    pub(crate) refused: u64,
    /// Lives at whose end the disk was full, and those at whose end the reserve was used up as well.
    pub(crate) low: u64,
    pub(crate) used_up: u64,
    /// Cuts while a server started.
    pub(crate) in_recovery: u64,
    /// Ends of the process alone, and clean stops.
    pub(crate) killed: u64,
    pub(crate) closed: u64,
    /// Requests without an answer that turned out to have happened, and those that had not.
    pub(crate) happened: u64,
    pub(crate) undone: u64,
    /// Starts from a snapshot.
    pub(crate) from_snapshot: u64,
    /// Messages that pages listed at a start.
    pub(crate) on_pages: u64,
    /// Cuts after which parts of the journal had been given back.
    pub(crate) trimmed: u64,
    /// Survivors that had been written again, as far as the journal still tells.
    pub(crate) moved: u64,
    /// Messages that were received and compared.
    pub(crate) received: u64,
    /// Copies that were recognized while the power was on.
    pub(crate) recognized: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Tally) {
        self.cuts += other.cuts;
        self.cut_off += other.cut_off;
        self.refused += other.refused;
        self.low += other.low;
        self.used_up += other.used_up;
        self.in_recovery += other.in_recovery;
        self.killed += other.killed;
        self.closed += other.closed;
        self.happened += other.happened;
        self.undone += other.undone;
        self.from_snapshot += other.from_snapshot;
        self.on_pages += other.on_pages;
        self.trimmed += other.trimmed;
        self.moved += other.moved;
        self.received += other.received;
        self.recognized += other.recognized;
    }
}

/// How a life ends if the power stays on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    Closed,
    /// The power goes off at some operation of the disk.
    Cut,
    /// It goes off while the disk is slow and many wait for it.
    CutOff,
}

/// Returns a runtime for one life: with it all tasks end, as with a process.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Plays the history of a seed until the power was cut so many times.
///
/// # Errors
/// The promises that were broken.
pub(crate) fn run(seed: u64, cuts: u64, durability: Durability) -> Result<Tally, Vec<Violation>> {
    let mut history = History {
        durability,
        secret: Secret::random().expect("chance"),
        chance: Chance::new(seed),
        ledger: Ledger::default(),
        disk: Simulated::new(),
        tally: Tally::default(),
    };
    while history.tally.cuts < cuts {
        history.go_on()?;
    }
    Ok(history.tally)
}

struct History {
    durability: Durability,
    secret: Secret,
    chance: Chance,
    ledger: Ledger,
    disk: Simulated,
    tally: Tally,
}

impl History {
    /// One more life, and what it left.
    fn go_on(&mut self) -> Result<(), Vec<Violation>> {
        let end = match self.chance.below(10) {
            0 => End::Killed,
            1 => End::Closed,
            2 | 3 => End::CutOff,
            _ => End::Cut,
        };
        if end == End::Cut || (end == End::Closed && self.chance.percent(50)) {
            // One in four in the first steps of a start.
            let most = if self.chance.percent(25) { OPERATIONS_MAX / 10 } else { OPERATIONS_MAX };
            self.disk.turn_off_after(1 + self.chance.below(most) as u64);
        }
        let is_limited = self.chance.percent(30);
        let space = self.disk.used() + self.chance.below(SPACE_MAX) as u64;
        self.disk.set_space(if is_limited { space } else { u64::MAX });
        match self.live(end, is_limited) {
            Ok(()) | Err(Stop::Off | Stop::Refused) => {}
            Err(Stop::Broken(violation)) => return Err(vec![violation]),
        }
        if !self.disk.is_off() {
            self.disk.stay_on();
            match end {
                End::Closed => self.tally.closed += 1,
                End::Killed | End::Cut | End::CutOff => self.tally.killed += 1,
            }
            return Ok(());
        }
        self.tally.cuts += 1;
        let copy = self.disk.power_cut(self.chance.bits());
        copy.set_space(u64::MAX);
        look_around(&copy, &mut self.tally);
        self.tally.received += examine(&copy, &self.secret, &self.ledger)?;
        self.disk = self.disk.power_cut(self.chance.bits());
        Ok(())
    }

    /// One life of a server, from its start to its end.
    fn live(&mut self, end: End, is_limited: bool) -> Result<(), Stop> {
        let disk = self.disk.clone();
        let stopped = |text: String| match disk.is_off() {
            true => Stop::Off,
            false => Stop::Broken(Violation::new(Rule::Served, text)),
        };
        let journal = server::journal(&disk, self.durability).map_err(|fault| {
            self.tally.in_recovery += u64::from(disk.is_off());
            match is_limited && fault.is_full_disk() {
                true => Stop::Off,
                false => stopped(fault.to_string()),
            }
        })?;
        // Reads need no power.
        let seen = Seen::read(&journal).map_err(|text| Stop::Broken(Violation::new(Rule::Served, text)))?;
        if let Some(violation) = judge(&self.ledger, &seen).into_iter().next() {
            return Err(Stop::Broken(violation));
        }
        let (happened, undone) = settle(&mut self.ledger, &seen);
        self.tally.happened += happened;
        self.tally.undone += undone;
        self.tally.from_snapshot += u64::from(seen.snapshot > 0);
        self.tally.on_pages += seen.on_pages;
        let runtime = runtime();
        let lived = runtime.block_on(async {
            let server = Server::open(&journal, &self.secret).map_err(stopped)?;
            self.load(&server, end, is_limited).await?;
            match end {
                // A full disk may leave no space to stop cleanly.
                End::Closed => {
                    server.close().await.or_else(|text| if is_limited { Ok(()) } else { Err(stopped(text)) })
                }
                End::Killed | End::Cut | End::CutOff => Ok(()),
            }
        });
        drop(runtime);
        self.tally.low += u64::from(journal.room() == Room::Low);
        self.tally.used_up += u64::from(journal.room() == Room::Full);
        server::kill(journal);
        lived
    }

    /// Lets the clients ask until it is time for this end.
    async fn load(&mut self, server: &Server, end: End, is_limited: bool) -> Result<(), Stop> {
        let requests = if end == End::Cut { REQUESTS } else { 1 + self.chance.below(REQUESTS_MAX) };
        let (disk, ledger, chance) = (&self.disk, &mut self.ledger, &mut self.chance);
        let mut clients = Clients { server, disk, ledger, chance, recognized: 0, is_limited, refused: 0 };
        let mut lived = clients.live(requests).await;
        if lived.is_ok() && end == End::CutOff {
            lived = Err(clients.be_cut_off().await);
            self.tally.cut_off += 1;
        }
        self.tally.recognized += clients.recognized;
        self.tally.refused += clients.refused;
        lived
    }
}

/// Notes what the files of a journal tell of the past.
fn look_around(disk: &Simulated, tally: &mut Tally) {
    // A disk whose power went off before the journal had begun has no overview.
    let Ok(overview) = inspect::overview_on(disk) else { return };
    tally.trimmed += u64::from(overview.first_segment > 1);
    for segment in overview.segments {
        let visit = &mut |frame: inspect::FrameInfo, payload: &[u8]| {
            if matches!(frame.kind, FrameKind::Record { .. }) {
                let events = codec::decode(&payload.to_vec().into(), |event, _| {
                    tally.moved += u64::from(matches!(event, Event::Moved { .. }));
                    Ok::<(), codec::Damage>(())
                });
                events.expect("what has passed its check is a record");
            }
        };
        // A prepared segment has no frames.
        let _ = inspect::frames_on(disk, segment.number, visit);
    }
}
