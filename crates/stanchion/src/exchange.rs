//! Queues and messages as JSON lines: what `export` writes and `import` reads, as they are or sealed.
//!
//! A line is a queue or a message. The names in it are those of the service's own JSON; `docs/backup.md` lists them.

pub(crate) mod export;
pub(crate) mod line;
pub(crate) mod sealed;
