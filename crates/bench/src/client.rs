//! One connection that speaks one of the protocols.

use crate::Protocol;
use crate::http::{Connection, Endpoint};
use crate::protocol::{Action, Call, Head, Malformed};
use std::io;

/// A connection with the buffer that its requests are built in.
pub(crate) struct Client {
    connection: Connection,
    protocol: Protocol,
    head: Head,
    request: Vec<u8>,
}

/// Why a call did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The server said no: nothing has happened (on a 5xx, nobody knows).
    Refused { action: Action, status: u16, code: String },
    /// The connection broke: nobody knows whether the server acted.
    Connection { action: Action, kind: io::ErrorKind },
    /// The answer cannot be read.
    Malformed { action: Action },
}

impl Failure {
    /// This function names the failure for the table of errors.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Refused { action, status, code } => format!("{}: {status} {code}", action.name()),
            Self::Connection { action, kind } => format!("{}: {kind}", action.name()),
            Self::Malformed { action } => format!("{}: unreadable answer", action.name()),
        }
    }

    /// This function says whether the server certainly did nothing.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if *status < 500)
    }
}

impl Client {
    /// This function connects to `endpoint`.
    pub(crate) async fn open(endpoint: &Endpoint, protocol: Protocol, head: &Head) -> io::Result<Self> {
        let connection = Connection::open(endpoint).await?;
        Ok(Self { connection, protocol, head: head.clone(), request: Vec::new() })
    }

    /// This function makes one call and lets `read` take from the body of a
    /// successful answer what the caller needs.
    pub(crate) async fn call<T>(
        &mut self,
        call: &Call<'_>,
        read: impl FnOnce(Protocol, &[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Failure> {
        self.protocol.encode(&self.head, call, &mut self.request);
        self.repeat(call.action(), read).await
    }

    /// This function sends the bytes of the last call, which was an `action`,
    /// once more.
    pub(crate) async fn repeat<T>(
        &mut self,
        action: Action,
        read: impl FnOnce(Protocol, &[u8]) -> Result<T, Malformed>,
    ) -> Result<T, Failure> {
        let reply = self
            .connection
            .exchange(&self.request)
            .await
            .map_err(|error| Failure::Connection { action, kind: error.kind() })?;
        if reply.status != 200 {
            let code = self.protocol.error_code(reply.body).unwrap_or_default();
            return Err(Failure::Refused { action, status: reply.status, code });
        }
        read(self.protocol, reply.body).map_err(|Malformed| Failure::Malformed { action })
    }
}
