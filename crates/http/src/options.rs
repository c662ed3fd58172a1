//! Limits of the edge.

use std::time::Duration;

use crate::proxies::Proxies;

/// What the edge lets a client do.
#[derive(Clone, Debug)]
pub struct Options {
    /// Most connections at once, 1 or more; one more is answered with 503 and closed. Default 20,000.
    pub connections_max: usize,
    /// Most connections of one source at once, an address, or a network of 64 bits with IPv6; one more is answered with
    /// 503 and closed. 0 for any number. Loopback is not bounded. Default 5,000.
    pub connections_per_source: usize,
    /// Largest request body in bytes. A message of 1 MiB can take several on the wire: escapes, percent-encoding.
    /// A body that says it is larger is refused before it is read. Default 8 MiB.
    pub body_bytes_max: usize,
    /// Bytes of all request bodies that are being read or handled at once, those up to 8 KiB aside. A request beyond
    /// waits for room, for up to `inbound_patience`, and is then refused as throttled. Default 128 MiB.
    pub inbound_bytes_max: usize,
    /// How long a request waits for room. Default 5 seconds.
    pub inbound_patience: Duration,
    /// How long a connection may be idle between requests, and how long the head of a request may take.
    /// Default 120 seconds, beyond what clients keep idle connections for.
    pub idle_timeout: Duration,
    /// How long a client may take to make its connection secure. Default 10 seconds.
    pub handshake_timeout: Duration,
    /// How long the body of a request may take. Default 60 seconds.
    pub body_timeout: Duration,
    /// How long a client may take nothing of an answer. Default 60 seconds.
    pub answer_timeout: Duration,
    /// Proxies that are believed about whom they speak for. Default none.
    pub trusted_proxies: Proxies,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            connections_max: 20_000,
            connections_per_source: 5000,
            body_bytes_max: 8 << 20,
            inbound_bytes_max: 128 << 20,
            inbound_patience: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(120),
            handshake_timeout: Duration::from_secs(10),
            body_timeout: Duration::from_secs(60),
            answer_timeout: Duration::from_secs(60),
            trusted_proxies: Proxies::default(),
        }
    }
}
