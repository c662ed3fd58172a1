//! A start on an empty directory, and what doing nothing costs.

use crate::report::figures::Series;
use crate::report::row::{Row, Unit};
use crate::report::stage::Stage;
use crate::report::subject::{Running, Settings, Subject};
use stanchion_bench::process;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

/// Milliseconds from the start of the process to its first answer.
const START_MS: f64 = 50.0;
/// Microseconds of CPU that a server without work may need in a second.
const IDLE_US: f64 = 0.0;
/// How long a new server has to do what a start leaves for later.
const SETTLE: Duration = Duration::from_secs(2);
/// How long it is watched.
const WATCH: Duration = Duration::from_secs(5);
/// How long its answer may take before the report gives up.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// This function measures new servers.
pub(super) fn measure(stage: &Stage<'_>) -> Result<Vec<Row>, String> {
    let (mut started, mut idle) = (Vec::new(), Vec::new());
    for round in 1..=stage.options.rounds {
        eprintln!("  round {round}: a start");
        let running = stage.start(Subject::Stanchion(Settings::USUAL))?;
        create_queue(&running).map_err(|source| format!("the first request: {source}"))?;
        started.push(running.server.started.elapsed().as_secs_f64() * 1e3);
        idle.push(watch(&running).map_err(|error| error.to_string())?);
    }
    Ok(vec![
        Row::at_most("start to first answer, empty directory", Unit::Millis, Series::new(started), START_MS),
        Row::at_most("CPU of an idle server", Unit::MicrosPerSecond, Series::new(idle), IDLE_US),
    ])
}

/// Creates a queue, which is answered when it is durable.
fn create_queue(running: &Running) -> io::Result<()> {
    let address = running.server.endpoint.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_MAX))?;
    let body = r#"{"QueueName":"first"}"#;
    let head = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\nx-amz-target: AmazonSQS.CreateQueue\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + body).as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if &answer == b"HTTP/1.1 200" { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&answer))) }
}

fn watch(running: &Running) -> Result<f64, stanchion_bench::Error> {
    thread::sleep(SETTLE);
    let before = process::ThreadTimes::read(running.server.pid())?;
    thread::sleep(WATCH);
    let after = process::ThreadTimes::read(running.server.pid())?;
    Ok(after.since(&before).as_secs_f64() * 1e6 / WATCH.as_secs_f64())
}
