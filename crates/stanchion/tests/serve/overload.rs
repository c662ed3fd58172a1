//! More than the server was made for: producers faster than the disk, polls by the thousand, and no descriptors left.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::harness::{Answers, LONG, Server, directory, request};

/// How many long polls wait at once; `STANCHION_OVERLOAD_POLLS` asks for more.
const POLLS: usize = 4000;
/// Polls that wait at one queue.
const POLLS_A_QUEUE: usize = 20;
/// How long each of them waits.
const POLL: Duration = Duration::from_secs(20);
/// How long their processor time is watched, and how much of it they may take.
const WINDOW: Duration = Duration::from_secs(2);
const IDLE_MAX: Duration = Duration::from_millis(50);
/// Memory that a connection with a waiting poll may cost.
const BYTES_A_POLL: u64 = 30 * 1024;
/// Memory of the server itself.
const BYTES_OF_SERVER: u64 = 40 << 20;
/// What the process of the test needs besides.
const DESCRIPTORS_SPARE: u64 = 500;

#[test]
fn thousands_of_long_polls_cost_little_memory_and_no_processor_and_all_are_answered() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).expect("a raised limit");
    let wanted = std::env::var("STANCHION_OVERLOAD_POLLS").map_or(POLLS, |text| text.parse().expect("a number"));
    let allowed = usize::try_from(limit.maximum.unwrap_or(u64::MAX).saturating_sub(DESCRIPTORS_SPARE));
    let polls = wanted.min(allowed.unwrap_or(usize::MAX)) / POLLS_A_QUEUE * POLLS_A_QUEUE;
    if polls < wanted {
        println!("the limit on open files allows only {polls} of {wanted} polls");
    }
    let directory = directory();
    let server = Server::start(directory.path(), &["--connections-max", "30000"]);
    let queues: Vec<String> = (0..polls / POLLS_A_QUEUE).map(|number| format!("q{number}")).collect();
    for queue in &queues {
        server.ok("CreateQueue", json!({ "QueueName": queue, "Attributes": { "VisibilityTimeout": "43200" } }));
    }
    let (before, _) = server.usage();
    let mut waiting = Vec::with_capacity(polls);
    let began = Instant::now();
    for queue in &queues {
        let poll =
            request("ReceiveMessage", &json!({ "QueueUrl": queue, "WaitTimeSeconds": POLL.as_secs() }).to_string());
        for _ in 0..POLLS_A_QUEUE {
            let mut stream = server.connect();
            stream.write_all(&poll).expect("the poll is sent");
            waiting.push((stream, poll.clone()));
        }
    }
    let spent = wait_until_idle(&server, began);
    let (resident, _) = server.usage();
    let each = resident.saturating_sub(before) / polls as u64;
    println!("{polls} polls: {resident} bytes resident, {each} a poll; {spent:?} of processor time in {WINDOW:?}");
    assert!(resident < BYTES_OF_SERVER + polls as u64 * BYTES_A_POLL, "{resident} bytes for {polls} polls");
    let mut bodies = Vec::with_capacity(polls);
    for queue in &queues {
        for half in 0..2 {
            let entries = (half * 10..half * 10 + 10)
                .map(|at| json!({ "Id": at.to_string(), "MessageBody": format!("{queue}-{at}") }));
            let entries: Vec<_> = entries.collect();
            server.ok("SendMessageBatch", json!({ "QueueUrl": queue, "Entries": entries }));
            bodies.extend(entries.iter().map(|entry| entry["MessageBody"].as_str().expect("a body").to_owned()));
        }
    }
    let answered = waiting.into_iter().map(|(stream, poll)| answer_of(stream, &poll));
    let mut answered: Vec<String> = answered.collect();
    answered.sort_unstable();
    bodies.sort_unstable();
    assert!(answered == bodies, "somebody got a message twice, and somebody else none");
    assert_eq!(server.stop(), 0);
}

/// Waits until the server takes next to no processor time for a while: then it has read everything that was sent to it,
/// and the polls that began at `began` cost nothing. Returns the processor time.
fn wait_until_idle(server: &Server, began: Instant) -> Duration {
    loop {
        let before = server.usage().1;
        // It is waiting whose processor time is looked for, so there is nothing else to wait for.
        std::thread::sleep(WINDOW);
        let spent = server.usage().1 - before;
        assert!(began.elapsed() < POLL, "the server does not come to rest while polls wait: {spent:?}");
        if spent <= IDLE_MAX {
            return spent;
        }
    }
}

/// Returns the message that a poll is answered with. One that ended before the message was sent is asked again, once.
fn answer_of(stream: TcpStream, poll: &[u8]) -> String {
    let mut again = stream.try_clone().expect("a descriptor");
    let mut answers = Answers::new(stream);
    for _ in 0..2 {
        let (status, body) = answers.next().expect("an answer");
        let body: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
        assert_eq!(status, 200, "{body}");
        if let Some(body) = body["Messages"][0]["Body"].as_str() {
            return body.to_owned();
        }
        again.write_all(poll).expect("the poll is sent");
    }
    panic!("there is a message for everybody");
}

#[test]
fn without_descriptors_further_connections_are_refused_and_the_work_goes_on() {
    const DESCRIPTORS: u64 = 160;
    let directory = directory();
    let server = Server::start_with_descriptors(directory.path(), DESCRIPTORS);
    server.wait_for_log("leaves room for fewer connections");
    server.ok("CreateQueue", json!({ "QueueName": "q" }));
    let mut guest = server.connect();
    let mut kept: Vec<_> = (0..2 * DESCRIPTORS).map(|_| server.connect()).collect();
    // The last of them is one too many.
    let mut word = [0; 12];
    match kept.last_mut().expect("many").read(&mut word) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("nobody is refused"),
        // Refused with a word, or reset because the word came before the request.
        Ok(_) | Err(_) => {}
    }
    kept.retain_mut(|stream| {
        stream.set_nonblocking(true).expect("a mode");
        matches!(stream.read(&mut word), Err(error) if error.kind() == ErrorKind::WouldBlock)
    });
    assert!(!kept.is_empty(), "everybody is refused");
    // Who was there before is served, with new segments and snapshots: they need descriptors, too.
    let body = "x".repeat(900_000);
    for _ in 0..40 {
        let message = json!({ "QueueUrl": "q", "MessageBody": body });
        guest.write_all(&request("SendMessage", &message.to_string())).expect("the request is sent");
        let (status, answer) =
            Answers::new(guest.try_clone().expect("a descriptor of our own")).next().expect("an answer");
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
    }
    drop(kept);
    wait_for_service(&server);
    assert_eq!(server.receive("q").len(), 10);
    assert_eq!(server.stop(), 0);
}

/// Waits until the server accepts and answers a new connection.
fn wait_for_service(server: &Server) {
    let started = Instant::now();
    let list = request("ListQueues", "{}");
    loop {
        let mut stream: TcpStream = server.connect();
        let answered = stream.write_all(&list).is_ok() && matches!(Answers::new(stream).next(), Some((200, _)));
        if answered {
            return;
        }
        assert!(started.elapsed() < LONG, "the server does not recover");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// How long a sync takes on the slow disk.
const SYNC: Duration = Duration::from_secs(1);
/// More than it takes before they lose patience: 900 bodies of 900 kB.
const PRODUCERS: usize = 900;
const BODY_BYTES: usize = 900_000;
/// How long they push at least, and how many messages somebody else has to receive and delete meanwhile.
const PUSH: Duration = Duration::from_secs(8);
const CALM: usize = 3;
/// What the server may have in memory: 128 MiB of requests on their way in, as they came and decoded; 64 MiB that
/// wait for the disk, twice; 64 MiB of cache; and itself.
const RESIDENT_MAX: u64 = 600 << 20;

/// Tells the producers that it is over, also when a test fails.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn producers_faster_than_the_disk_are_throttled_and_receives_and_deletes_go_on() {
    let directory = directory();
    let Some(server) = Server::start_on_slow_disk(directory.path(), SYNC) else { return };
    for queue in ["flood", "calm"] {
        server.ok("CreateQueue", json!({ "QueueName": queue }));
    }
    let entries: Vec<_> = (0..10).map(|at| json!({ "Id": at.to_string(), "MessageBody": "m" })).collect();
    server.ok("SendMessageBatch", json!({ "QueueUrl": "calm", "Entries": entries }));
    let body = json!({ "QueueUrl": "flood", "MessageBody": "x".repeat(BODY_BYTES) }).to_string();
    let (send, over) = (request("SendMessage", &body), AtomicBool::new(false));
    let [stored, throttled] = [AtomicU64::new(0), AtomicU64::new(0)];
    let (peak, slowest) = thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            scope.spawn(|| {
                while !over.load(Relaxed) {
                    let mut stream = server.connect();
                    // Refused before it was read: the answer says so.
                    let _ = stream.write_all(&send);
                    match Answers::new(stream).next() {
                        Some((200, _)) => stored.fetch_add(1, Relaxed),
                        Some((status, body)) => {
                            let body = String::from_utf8_lossy(&body).into_owned();
                            assert!(status == 403 && body.contains("RequestThrottled"), "{status} {body}");
                            throttled.fetch_add(1, Relaxed)
                        }
                        // The connection was closed while the body was still being sent.
                        None => throttled.fetch_add(1, Relaxed),
                    };
                }
            });
        }
        let _over = Over(&over);
        let began = Instant::now();
        let (mut peak, mut slowest, mut deleted) = (0, Duration::ZERO, 0);
        // The producers go on as long as this does, and no request here is without an answer for [`LONG`].
        while began.elapsed() < PUSH || deleted < CALM {
            let asked = Instant::now();
            let answer = server.ok("ReceiveMessage", json!({ "QueueUrl": "calm" }));
            slowest = slowest.max(asked.elapsed());
            if let Some(handle) = answer["Messages"][0]["ReceiptHandle"].as_str() {
                let asked = Instant::now();
                server.ok("DeleteMessage", json!({ "QueueUrl": "calm", "ReceiptHandle": handle }));
                slowest = slowest.max(asked.elapsed());
                deleted += 1;
            }
            peak = peak.max(server.usage().0);
        }
        (peak, slowest)
    });
    let (stored, throttled) = (stored.into_inner(), throttled.into_inner());
    println!("{stored} stored, {throttled} throttled, {peak} bytes resident, slowest receive or delete {slowest:?}");
    assert!(stored > 0 && throttled > 0, "{stored} stored, {throttled} throttled");
    assert!(peak < RESIDENT_MAX, "{peak} bytes resident");
    assert_eq!(server.stop(), 0);
}
