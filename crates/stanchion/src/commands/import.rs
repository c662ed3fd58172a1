//! `stanchion import`.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use serde_json::Value;
use serde_json::value::RawValue;
use stanchion_types::QueueName;

use crate::cli::{ImportArguments, Stop};
use crate::clock::now;
use crate::control::client::{Connection, Refused};
use crate::control::{CREATE_QUEUE, Created, IMPORT, Import, LINE_MAX, REDRIVE, Redrive};
use crate::exchange::line::{Line, MessageLine, QueueLine};
use crate::exchange::sealed::{self, Opener};
use crate::storage;
use crate::words::{Ticker, count};

/// Most messages and bytes of lines that are added at once: the server decides them in one turn.
const BATCH_MESSAGES: usize = 100;
const BATCH_BYTES: usize = 1 << 20;

/// Adds the queues and messages of a file to a running server.
pub(crate) fn run(arguments: &ImportArguments) -> Result<(), Stop> {
    let settings = arguments.data.settings()?;
    let data_dir = settings.data_dir.clone();
    if let Some(name) = arguments.queue.as_deref().filter(|name| QueueName::new(name).is_none()) {
        return Err(Stop::misused(format_args!("{name:?} is no name of a queue")));
    }
    let mut input: Box<dyn BufRead> = match arguments.file.to_str() {
        Some("-") => Box::new(io::stdin().lock()),
        _ => {
            let named = |error| Stop::failed(format_args!("cannot open {}: {error}", arguments.file.display()));
            Box::new(BufReader::new(File::open(&arguments.file).map_err(named)?))
        }
    };
    let unread = |error: &dyn fmt::Display| Stop::failed(format_args!("{}: {error}", arguments.file.display()));
    if sealed::is_sealed(&mut input).map_err(|error| unread(&error))? {
        let keyring = storage::keyring_source(&data_dir, &settings).load().map_err(|error| unread(&error))?;
        input = Box::new(BufReader::new(Opener::begin(input, &keyring).map_err(|error| unread(&error))?));
    }
    let Some(connection) = Connection::open(&data_dir).map_err(Stop::failed)? else {
        let shown = data_dir.display();
        return Err(Stop::failed(format_args!("no server uses {shown}: start it, an import goes to a running server")));
    };
    let mut importer = Importer {
        connection,
        into: arguments.queue.clone(),
        line: 0,
        imported: 0,
        queues: 0,
        batch: Batch::default(),
        redrives: Vec::new(),
        ticker: Ticker::default(),
    };
    let outcome = importer.run(&mut *input);
    let queues = count(importer.queues, "new queue");
    eprintln!("imported {} and {queues}", count(importer.imported, "message"));
    outcome.map_err(Stop::failed)
}

struct Importer {
    connection: Connection,
    /// Where all messages go, whatever their lines say.
    into: Option<String>,
    /// The line that was read last, from 1.
    line: usize,
    imported: usize,
    queues: usize,
    batch: Batch,
    /// Policies of new queues that wait until all queues are there.
    redrives: Vec<(usize, Redrive)>,
    ticker: Ticker,
}

/// Messages of one queue that are added together.
#[derive(Default)]
struct Batch {
    queue: String,
    lines: Vec<(usize, Box<RawValue>)>,
    bytes: usize,
}

/// What is wrong with which line.
struct BadLine {
    line: usize,
    text: String,
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.text)
    }
}

impl Importer {
    fn run(&mut self, input: &mut dyn BufRead) -> Result<(), BadLine> {
        let mut text = String::new();
        loop {
            text.clear();
            self.line += 1;
            let read = input.take(LINE_MAX / 2).read_line(&mut text).map_err(|error| self.bad(error))?;
            if read == 0 {
                break;
            }
            if !text.ends_with('\n') && read as u64 == LINE_MAX / 2 {
                return Err(self.bad(format_args!("it has more than {} bytes", LINE_MAX / 2)));
            }
            let line = text.trim();
            if line.is_empty() {
                continue;
            }
            match Line::read(line).map_err(|error| self.bad(error))? {
                Line::Queue(queue) => {
                    self.send()?;
                    self.create(queue)?;
                }
                Line::Message(message) => self.add(&message, line)?,
            }
        }
        self.send()?;
        self.set_redrives()
    }

    fn bad(&self, text: impl ToString) -> BadLine {
        BadLine { line: self.line, text: text.to_string() }
    }

    fn create(&mut self, mut queue: QueueLine) -> Result<(), BadLine> {
        if let Some(into) = &self.into {
            queue.queue_name.clone_from(into);
        }
        let answer: Result<Created, Refused> = self.connection.ask(CREATE_QUEUE, &queue);
        let Created { created, redrive } = answer.map_err(|refused| self.bad(refused.text))?;
        if !created {
            eprintln!("queue {} is there already: its attributes and tags stay", queue.queue_name);
            return Ok(());
        }
        self.queues += 1;
        if let Some(policy) = redrive {
            self.redrives.push((self.line, Redrive { queue: queue.queue_name, policy }));
        }
        Ok(())
    }

    fn add(&mut self, message: &MessageLine, line: &str) -> Result<(), BadLine> {
        // The server looks again; here the line is known.
        message.carried(now()).map_err(|error| self.bad(error))?;
        if !self.redrives.is_empty() {
            self.set_redrives()?;
        }
        let queue = self.into.clone().unwrap_or_else(|| message.queue_name.clone());
        let full = self.batch.lines.len() >= BATCH_MESSAGES || self.batch.bytes + line.len() > BATCH_BYTES;
        if full || self.batch.queue != queue {
            self.send()?;
            self.batch.queue = queue;
        }
        let raw = RawValue::from_string(line.to_owned()).map_err(|error| self.bad(error))?;
        self.batch.bytes += line.len();
        self.batch.lines.push((self.line, raw));
        Ok(())
    }

    /// Sends what has gathered.
    fn send(&mut self) -> Result<(), BadLine> {
        let Batch { queue, lines, .. } = std::mem::take(&mut self.batch);
        let Some((first, _)) = lines.first() else { return Ok(()) };
        let messages: Vec<&RawValue> = lines.iter().map(|(_, raw)| &**raw).collect();
        let with = Import { queue: queue.clone(), messages };
        let answer: Result<Value, Refused> = self.connection.ask(IMPORT, &with);
        if let Err(Refused { text, index }) = answer {
            let line = index.and_then(|index| lines.get(index)).map_or(*first, |(line, _)| *line);
            return Err(BadLine { line, text: format!("queue {queue}: {text}") });
        }
        self.imported += lines.len();
        let imported = self.imported;
        self.ticker.tell(|| format!("{} imported", count(imported, "message")));
        Ok(())
    }

    /// Sets the redrive policies of new queues: the queues that they name are there now.
    fn set_redrives(&mut self) -> Result<(), BadLine> {
        for (line, redrive) in std::mem::take(&mut self.redrives) {
            let answer: Result<Value, Refused> = self.connection.ask(REDRIVE, &redrive);
            answer.map_err(|refused| BadLine { line, text: format!("queue {}: {}", redrive.queue, refused.text) })?;
        }
        Ok(())
    }
}
