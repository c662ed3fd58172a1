//! An export as nobody can read it who does not have the keyring.
//!
//! ```text
//! STANCHION EXPORT 1\n
//! data key, wrapped under a key of the keyring, as text\n
//! chunks:
//!     length  u32 LE    bytes of the text in it; the highest bit marks the last chunk
//!     text, encrypted
//!     tag     16 bytes
//! ```
//!
//! Each export has a data key of its own. The nonce of a chunk is its number, and its tag proves the length as well, so a
//! chunk that was changed, moved, left out or repeated is refused, and so is a file that ends before its last chunk. What
//! a reader gets has been verified.

use std::io::{self, BufRead, Error, ErrorKind, Read, Write};

use stanchion_keyring::{DataKey, Keyring, NONCE_BYTES, TAG_BYTES, Wrapped};

/// What a sealed export begins with; no line of an export that is text does.
pub(crate) const TITLE: &[u8] = b"STANCHION EXPORT 1\n";
/// What the data keys of exports are for, so that they open nothing else.
const PURPOSE: &[u8] = b"stanchion export";
/// Bytes of text in a chunk.
const CHUNK: usize = 64 << 10;
/// Marks the last chunk in its length.
const LAST: u32 = 1 << 31;
/// A longer line is no wrapped key, in bytes.
const KEY_LINE_MAX: u64 = 1024;

/// Writes a sealed export. It is whole after [`finish`](Sealer::finish) only.
pub(crate) struct Sealer<W: Write> {
    out: W,
    key: DataKey,
    number: u32,
    chunk: Vec<u8>,
}

impl<W: Write> Sealer<W> {
    /// Begins an export.
    ///
    /// # Errors
    /// Those of `out`, and that the system has no random numbers.
    pub(crate) fn begin(mut out: W, keyring: &Keyring) -> io::Result<Self> {
        let key = DataKey::draw()?;
        let wrapped = keyring.wrap(&key, PURPOSE)?;
        out.write_all(TITLE)?;
        writeln!(out, "{wrapped}")?;
        Ok(Sealer { out, key, number: 0, chunk: Vec::with_capacity(CHUNK) })
    }

    /// Writes what is left, as the last chunk.
    ///
    /// # Errors
    /// Those of `out`.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.put(LAST)?;
        self.out.flush()
    }

    fn put(&mut self, mark: u32) -> io::Result<()> {
        let length = (self.chunk.len() as u32 | mark).to_le_bytes();
        let tag = self.key.seal(nonce(self.number), &length, &mut self.chunk);
        self.number = self.number.checked_add(1).ok_or_else(|| Error::other("the export is too long for one key"))?;
        self.out.write_all(&length)?;
        self.out.write_all(&self.chunk)?;
        self.out.write_all(&tag)?;
        self.chunk.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK {
            self.put(0)?;
        }
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    /// Chunks are written when they are full: one that is not would show where a line ends.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Tells whether an export is sealed; it takes nothing from it.
///
/// # Errors
/// Those of `input`.
pub(crate) fn is_sealed(input: &mut impl BufRead) -> io::Result<bool> {
    // A line of text begins with a brace or a blank, so its first byte decides.
    Ok(input.fill_buf()?.first() == TITLE.first())
}

/// Reads a sealed export: what it returns is text that was verified, and an end only where the export ended.
pub(crate) struct Opener<R: Read> {
    input: R,
    key: DataKey,
    number: u32,
    chunk: Vec<u8>,
    read: usize,
    ended: bool,
}

impl<R: BufRead> Opener<R> {
    /// Reads the beginning of an export.
    ///
    /// # Errors
    /// Those of `input`, that it is no sealed export, and which key the keyring does not have.
    pub(crate) fn begin(mut input: R, keyring: &Keyring) -> io::Result<Self> {
        let mut title = [0; TITLE.len()];
        input.read_exact(&mut title)?;
        let mut line = String::new();
        (&mut input).take(KEY_LINE_MAX).read_line(&mut line)?;
        let wrapped: Option<Wrapped> = line.strip_suffix('\n').and_then(|line| line.parse().ok());
        let Some(wrapped) = wrapped.filter(|_| title == *TITLE) else {
            return Err(broken("it is no export of a version that is known"));
        };
        let key = keyring
            .unwrap(&wrapped, PURPOSE)
            .map_err(|error| broken(&format!("the export cannot be opened: {error}")))?;
        Ok(Opener { input, key, number: 0, chunk: Vec::new(), read: 0, ended: false })
    }

    fn next(&mut self) -> io::Result<()> {
        let mut head = [0; 4];
        self.fill(&mut head)?;
        let word = u32::from_le_bytes(head);
        let length = (word & !LAST) as usize;
        if length > CHUNK {
            return Err(self.changed());
        }
        let mut chunk = std::mem::take(&mut self.chunk);
        chunk.resize(length + TAG_BYTES, 0);
        self.fill(&mut chunk)?;
        let opened = self.key.open_in_place(nonce(self.number), &head, &mut chunk);
        chunk.truncate(opened.ok_or_else(|| self.changed())?);
        self.number = self.number.checked_add(1).ok_or_else(|| self.changed())?;
        (self.chunk, self.read, self.ended) = (chunk, 0, word & LAST != 0);
        if self.ended && !self.input.fill_buf()?.is_empty() {
            return Err(broken("something follows the end of the export"));
        }
        Ok(())
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<()> {
        self.input.read_exact(bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => broken("the export was cut: its end is missing"),
            _ => error,
        })
    }

    fn changed(&self) -> Error {
        broken(&format!("chunk {} of the export is not as it was written", self.number))
    }
}

impl<R: BufRead> Read for Opener<R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() && !self.ended {
            self.next()?;
        }
        let count = bytes.len().min(self.chunk.len() - self.read);
        bytes[..count].copy_from_slice(&self.chunk[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

fn broken(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

fn nonce(number: u32) -> [u8; NONCE_BYTES] {
    let mut nonce = [0; NONCE_BYTES];
    nonce[..4].copy_from_slice(&number.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests;
