//! Answers that are built.

use data_encoding::HEXLOWER;
use md5::{Digest, Md5};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Bytes of a message's id.
const ID_BYTES: usize = 16;
/// An id as text: 32 digits and four dashes.
const ID_TEXT_BYTES: usize = 36;
/// An MD5 as text.
const MD5_TEXT_BYTES: usize = 32;

/// Makes ids that no other message has: random bytes of the process, and a
/// count.
pub(super) struct Ids {
    process: [u8; 8],
    next: AtomicU64,
}

impl Ids {
    /// This function draws the random bytes.
    ///
    /// # Errors
    ///
    /// The system has none.
    pub(super) fn new() -> io::Result<Self> {
        let mut process = [0; 8];
        getrandom::fill(&mut process).map_err(io::Error::other)?;
        Ok(Self { process, next: AtomicU64::new(0) })
    }

    /// This function makes an id.
    pub(super) fn draw(&self) -> [u8; ID_BYTES] {
        let mut id = [0; ID_BYTES];
        id[..8].copy_from_slice(&self.process);
        id[8..].copy_from_slice(&self.next.fetch_add(1, Relaxed).to_be_bytes());
        // The version and the variant of a random UUID.
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}

/// This function builds the answer to SendMessage.
pub(super) fn sent(id: &[u8; ID_BYTES], body: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.push(b'{');
    digest_and_id(&mut out, id, body);
    out.push(b'}');
    out
}

/// Builds the answer to SendMessageBatch.
pub(super) struct Batch(Vec<u8>);

impl Batch {
    /// This function begins an answer of `entries` entries.
    pub(super) fn new(entries: usize) -> Self {
        let mut out = Vec::with_capacity(16 + entries * 160);
        out.extend_from_slice(b"{\"Successful\":[");
        Self(out)
    }

    /// This function adds an entry. `name` needs no escaping.
    pub(super) fn add(&mut self, name: &str, id: &[u8; ID_BYTES], body: &str) {
        let out = &mut self.0;
        if out.last() == Some(&b'}') {
            out.push(b',');
        }
        out.extend_from_slice(b"{\"Id\":\"");
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"\",");
        digest_and_id(out, id, body);
        out.push(b'}');
    }

    /// This function ends the answer.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"]}");
        self.0
    }
}

fn digest_and_id(out: &mut Vec<u8>, id: &[u8; ID_BYTES], body: &str) {
    let mut digest = [0; MD5_TEXT_BYTES];
    HEXLOWER.encode_mut(&Md5::digest(body.as_bytes()), &mut digest);
    out.extend_from_slice(b"\"MD5OfMessageBody\":\"");
    out.extend_from_slice(&digest);
    out.extend_from_slice(b"\",\"MessageId\":\"");
    out.extend_from_slice(&id_text(id));
    out.push(b'"');
}

fn id_text(id: &[u8; ID_BYTES]) -> [u8; ID_TEXT_BYTES] {
    let mut text = [b'-'; ID_TEXT_BYTES];
    for (from, to) in [(0..4, 0..8), (4..6, 9..13), (6..8, 14..18), (8..10, 19..23), (10..16, 24..36)] {
        HEXLOWER.encode_mut(&id[from], &mut text[to]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Ids, id_text};

    #[test]
    fn ids_are_random_uuids_and_differ() {
        let ids = Ids::new().expect("random bytes");
        let (first, second) = (ids.draw(), ids.draw());
        assert_ne!(first, second);
        assert_ne!(first[..8], Ids::new().expect("random bytes").draw()[..8]);
        let text = String::from_utf8(id_text(&first).to_vec()).expect("ASCII");
        let lengths: Vec<_> = text.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!((&text[14..15], &text[19..20]), ("4", "8"));
    }
}
