//! The programs that are measured.

mod settings;

use crate::ladder::{Rung, Syncing};
use crate::peer::{Peer, Software};
use clap::ValueEnum;
use stanchion_bench::server::{Home, Server};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(super) use settings::Settings;

/// The binaries that subjects are started from.
#[derive(Debug, Clone)]
pub(super) struct Programs {
    server: PathBuf,
    yardstick: PathBuf,
}

impl Programs {
    /// This function takes the server's binary, and this program for the rungs.
    pub(super) fn new(server: &Path) -> Result<Self, String> {
        let server = server.canonicalize().map_err(|source| format!("--server {}: {source}", server.display()))?;
        let yardstick = std::env::current_exe().map_err(|source| format!("this program: {source}"))?;
        Ok(Self { server, yardstick })
    }

    pub(super) fn server(&self) -> &Path {
        &self.server
    }
}

/// A program that answers the generator. To measure another one is to add a
/// variant here, and to name it in the works that it takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The server.
    Stanchion(Settings),
    /// A program of the ladder; `Syncing` is for those that write.
    Rung(Rung, Syncing),
    /// A server of others.
    Peer(Peer),
}

impl Subject {
    /// This function gives the name that the report uses.
    pub(super) fn name(self) -> String {
        let (rung, syncing) = match self {
            Self::Stanchion(settings) => return settings.name().to_owned(),
            Self::Peer(peer) => return peer.name().to_owned(),
            Self::Rung(rung, syncing) => (rung, syncing),
        };
        let number = Rung::value_variants().iter().position(|other| *other == rung).map_or(0, |at| at + 1);
        let name = match rung {
            Rung::Raw => "TCP and httparse",
            Rung::Hyper => "hyper",
            Rung::Parsed => "parsed",
            Rung::Signed => "signed",
            Rung::Durable => "durable",
            Rung::Full => "signed and durable",
        };
        match (rung.keeps(), syncing) {
            (false, _) => format!("rung {number}, {name}"),
            (true, Syncing::Serving) => format!("rung {number}, {name} (serving thread)"),
            (true, Syncing::Thread) => format!("rung {number}, {name} (own thread)"),
        }
    }

    /// This function tells whether requests to it must be signed.
    pub(super) fn verifies(self) -> bool {
        match self {
            Self::Stanchion(settings) => settings.signed,
            Self::Rung(rung, _) => rung.verifies(),
            Self::Peer(_) => false,
        }
    }

    /// This function gives the policy that its queues get.
    pub(super) fn queue_policy(self) -> Option<&'static str> {
        matches!(self, Self::Stanchion(settings) if settings.signed).then_some(settings::QUEUE_POLICY)
    }

    /// This function starts a peer that is installed in a directory of its own
    /// below `parent`.
    pub(super) fn start_peer(software: &Software, parent: &Path, number: u32) -> Result<Running, String> {
        let home = Home::make(parent, &format!("subject-{number}")).map_err(|error| error.to_string())?;
        let server = software.start(&home)?;
        Ok(Running { subject: Self::Peer(software.peer), server, _home: home })
    }

    /// This function starts the program in a directory of its own below
    /// `parent`.
    pub(super) fn start(self, programs: &Programs, parent: &Path, number: u32) -> Result<Running, String> {
        let home = Home::make(parent, &format!("subject-{number}")).map_err(|error| error.to_string())?;
        let server = match self {
            Self::Stanchion(settings) => {
                let arguments = settings.arguments(&home).map_err(|source| format!("settings: {source}"))?;
                Server::start(&programs.server, &arguments, &home)
            }
            Self::Rung(rung, syncing) => {
                let mut command = Command::new(&programs.yardstick);
                command.arg("serve").arg(word(rung)).arg("--sync").arg(word(syncing)).arg("--dir").arg(home.path());
                Server::launch(command, &home)
            }
            Self::Peer(peer) => return Err(format!("{} is started from its software", peer.name())),
        };
        Ok(Running { subject: self, server: server.map_err(|error| error.to_string())?, _home: home })
    }
}

/// The value's name on the command line.
fn word(value: impl ValueEnum) -> String {
    value.to_possible_value().expect("no value is hidden").get_name().to_owned()
}

/// A program that runs. It ends with this value, and its directory goes.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) subject: Subject,
    // Dropped first: the process ends before its directory goes.
    pub(super) server: Server,
    _home: Home,
}

#[cfg(test)]
mod tests {
    use super::{Rung, Subject, Syncing};

    #[test]
    fn rungs_are_numbered_from_the_bottom() {
        let name = |rung, syncing| Subject::Rung(rung, syncing).name();
        assert_eq!(name(Rung::Raw, Syncing::Thread), "rung 1, TCP and httparse");
        assert_eq!(name(Rung::Durable, Syncing::Serving), "rung 5, durable (serving thread)");
        assert_eq!(name(Rung::Full, Syncing::Thread), "rung 6, signed and durable (own thread)");
    }
}
