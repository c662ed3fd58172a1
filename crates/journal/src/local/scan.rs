//! Reads the frames of a segment one after the other.

use std::io;
use std::sync::Arc;

use bytes::Bytes;

use super::disk::DiskFile;
use super::frame::{self, ALIGNMENT, BLOCK, Checked, ENTRY, FIXED, Header, MAGIC, Opener, Parsed};
use super::keys::Keys;
use super::segment::FRAMES;
use crate::{Record, ShardId};

/// How much is read at once if nobody asks for less, in bytes.
const CHUNK: usize = 1 << 20;

/// A walk over the frames of one segment.
pub(crate) struct Frames {
    file: Arc<dyn DiskFile>,
    length: u64,
    journal: u64,
    segment: u64,
    /// Check the payloads of this shard only, from this position on.
    only: Option<(ShardId, u64)>,
    /// Open sealed payloads with these.
    keys: Option<Arc<Keys>>,
    /// The number of a data key that is not among them and is needed here.
    locked: Option<u32>,
    /// How much is read at once, in bytes.
    chunk: usize,
    at: u64,
    buffer: Bytes,
    buffer_at: u64,
}

/// A frame that passed its checks.
pub(crate) struct Frame {
    pub(crate) offset: u64,
    pub(crate) header: Header,
    pub(crate) checksum: u32,
    /// A slice of a buffer of a megabyte: copy what is to be kept. As it is stored, unless the walk opens what is sealed.
    pub(crate) payload: Bytes,
}

/// What a walk meets next.
pub(crate) enum Step {
    Frame(Frame),
    /// There is no valid frame of this segment here, and why.
    Stop(&'static str),
}

/// What a walk that does not stop at damage meets next.
pub(crate) enum Piece {
    /// A frame that passed its checks.
    Frame(Frame),
    /// A frame with a good header, and the blocks of its payload that fail their checks.
    Damaged { frame: Frame, bad: Vec<usize> },
    /// Bytes that are no frame, before the next one.
    Lost { at: u64, until: u64, reason: &'static str },
}

/// What a search among bytes after the end of the log found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remains {
    /// A header of this segment is there, or something that began as one, so somebody wrote past this point.
    pub(crate) any: bool,
    /// Offset of a header that proves that the segment was durable beyond this point.
    pub(crate) proof: Option<u64>,
}

impl Piece {
    /// Returns where it begins.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Piece::Frame(frame) | Piece::Damaged { frame, .. } => frame.offset,
            Piece::Lost { at, .. } => *at,
        }
    }
}

impl Frame {
    pub(crate) fn into_record(self) -> Record {
        let Header { shard, position, clock_ms, count, .. } = self.header;
        let (shard, position) = (ShardId(shard), crate::Position(position));
        Record { shard, position, clock_ms, count, payload: self.payload }
    }

    /// Returns where the next frame begins.
    pub(crate) fn end(&self) -> u64 {
        self.offset + frame::frame_bytes(self.header.length as usize) as u64
    }
}

impl Frames {
    /// Starts a walk at an offset, which must be that of a frame.
    pub(crate) fn new(file: Arc<dyn DiskFile>, journal: u64, segment: u64, at: u64) -> io::Result<Frames> {
        let length = file.length()?;
        let (only, keys, locked, buffer) = (None, None, None, Bytes::new());
        Ok(Frames { file, length, journal, segment, only, keys, locked, chunk: CHUNK, at, buffer, buffer_at: at })
    }

    /// Opens the payloads that it checks.
    pub(crate) fn opening(self, keys: &Arc<Keys>) -> Frames {
        Frames { keys: Some(Arc::clone(keys)), ..self }
    }

    /// Returns the number of the data key for want of which the walk stopped.
    pub(crate) fn locked(&self) -> Option<u32> {
        self.locked
    }

    /// Checks the payloads of one shard only, from a position on; headers are always checked.
    pub(crate) fn only(self, shard: ShardId, from: u64) -> Frames {
        Frames { only: Some((shard, from)), ..self }
    }

    /// Reads less at once, for walks that are short.
    pub(crate) fn chunk(self, bytes: usize) -> Frames {
        Frames { chunk: bytes, ..self }
    }

    /// Returns where the walk stands.
    pub(crate) fn offset(&self) -> u64 {
        self.at
    }

    /// Returns the next frame, or says why there is none. After a stop the walk stays where it is.
    pub(crate) fn step(&mut self) -> io::Result<Step> {
        let mut need = FIXED;
        let checked = loop {
            if !self.fill(need)? {
                return Ok(Step::Stop("the file ends within a frame"));
            }
            match frame::parse(self.rest()) {
                Parsed::Valid(checked) => break checked,
                Parsed::Short(bytes) => need = bytes,
                Parsed::Invalid(reason) => return Ok(Step::Stop(reason)),
            }
        };
        let header = checked.header;
        if header.journal != self.journal || header.segment != self.segment {
            return Ok(Step::Stop("the frame is left over from an earlier use of the file"));
        }
        let length = header.length as usize;
        if !self.fill(frame::frame_bytes(length))? {
            return Ok(Step::Stop("the file ends within a frame"));
        }
        let start = (self.at - self.buffer_at) as usize;
        let payload_at = start + frame::payload_at(length);
        let payload = self.buffer.slice(payload_at..payload_at + length);
        let others = |(shard, from): (ShardId, u64)| header.shard != shard.0 || header.position < from;
        let skipped = header.kind == frame::Kind::Record && self.only.is_some_and(others);
        if !skipped && !frame::intact(&self.buffer[start + FIXED..payload_at], &payload) {
            return Ok(Step::Stop("the payload of the frame fails its checksum"));
        }
        let mut payload = payload;
        if let Some(keys) = self.keys.as_ref().filter(|_| !skipped && header.key != 0) {
            let Some(key) = keys.get(header.key) else {
                self.locked = Some(header.key);
                return Ok(Step::Stop("the frame is sealed with a data key that is not there"));
            };
            let mut plain = vec![0; length];
            let opener = Opener::new(key, &header, self.at);
            if opener.open(0, &self.buffer[start + FIXED..payload_at], &payload, &mut plain).is_err() {
                return Ok(Step::Stop("the payload of the frame is not what was sealed"));
            }
            payload = plain.into();
        }
        let frame = Frame { offset: self.at, header, checksum: checked.checksum, payload };
        self.at = frame.end();
        Ok(Step::Frame(frame))
    }

    /// Returns the next thing in the segment, and goes on behind whatever is damaged; `None` at the end of what can be
    /// recognized.
    pub(crate) fn piece(&mut self) -> io::Result<Option<Piece>> {
        let reason = match self.step()? {
            Step::Frame(frame) => return Ok(Some(Piece::Frame(frame))),
            Step::Stop(reason) => reason,
        };
        let from = self.at;
        if let Some(header) = self.header_here()?
            && self.fill(frame::frame_bytes(header.header.length as usize))?
        {
            let length = header.header.length as usize;
            let frame = self.rest();
            let stored = &frame[frame::payload_at(length)..][..length];
            let keys = self.keys.as_ref().filter(|_| header.header.key != 0);
            let key = keys.and_then(|keys| keys.get(header.header.key));
            let lacks_key = keys.is_some() && key.is_none();
            let opener = key.map(|key| Opener::new(key, &header.header, from));
            let mut payload = stored.to_vec();
            let mut bad = Vec::new();
            let entries = frame[FIXED..frame::payload_at(length)].chunks_exact(ENTRY);
            for (number, (entry, block)) in entries.zip(stored.chunks(BLOCK)).enumerate() {
                let out = &mut payload[number * BLOCK..][..block.len()];
                let mut opens = || opener.as_ref().is_none_or(|opener| opener.open(number, entry, block, out).is_ok());
                if lacks_key || !frame::intact(entry, block) || !opens() {
                    bad.push(number);
                }
            }
            let payload = Bytes::from(payload);
            let frame = Frame { offset: from, header: header.header, checksum: header.checksum, payload };
            self.at = frame.end();
            return Ok(Some(Piece::Damaged { frame, bad }));
        }
        // The header tells where the next frame begins; without it, look for one.
        let mut at = (from + 1).next_multiple_of(ALIGNMENT as u64);
        while let Some(found) = self.magic_from(at)? {
            self.at = found;
            if self.header_here()?.is_some() {
                return Ok(Some(Piece::Lost { at: from, until: found, reason }));
            }
            at = found + ALIGNMENT as u64;
        }
        self.at = from;
        Ok(None)
    }

    /// Returns the next place, from `at` on, where the first bytes of a frame are.
    fn magic_from(&mut self, mut at: u64) -> io::Result<Option<u64>> {
        while at + FIXED as u64 <= self.length {
            self.at = at;
            if !self.fill(FIXED)? {
                return Ok(None);
            }
            let buffer = &self.buffer;
            let start = (at - self.buffer_at) as usize;
            let last = buffer.len() - FIXED;
            let mut index = start;
            while index <= last && buffer[index..index + 4] != MAGIC {
                index += ALIGNMENT;
            }
            at += (index - start) as u64;
            if index <= last {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Looks from here to the end of the file for headers of this segment.
    ///
    /// Frames begin at multiples of eight, so only these places are tried. A payload need not be whole: a header that
    /// passes its checksum is evidence by itself.
    pub(crate) fn remains(&mut self) -> io::Result<Remains> {
        let stopped = self.at;
        let mut found = Remains::default();
        let mut from = stopped.next_multiple_of(ALIGNMENT as u64);
        while let Some(at) = self.magic_from(from)? {
            self.at = at;
            if let Some(checked) = self.header_here()? {
                found.any = true;
                if u64::from(checked.header.synced) > stopped {
                    found.proof = Some(at);
                    break;
                }
            }
            from = at + ALIGNMENT as u64;
        }
        self.at = stopped;
        found.any |= self.began_here()?;
        Ok(found)
    }

    /// Says whether the bytes here name this journal and segment where a header does.
    fn began_here(&mut self) -> io::Result<bool> {
        if !self.fill(FIXED)? {
            return Ok(false);
        }
        let bytes = self.rest();
        Ok(frame::u64_at(bytes, 8) == self.journal && frame::u64_at(bytes, 16) == self.segment)
    }

    /// Returns the header here, if there is one of this segment.
    fn header_here(&mut self) -> io::Result<Option<Checked>> {
        let mut need = FIXED;
        loop {
            if !self.fill(need)? {
                return Ok(None);
            }
            match frame::parse(self.rest()) {
                Parsed::Valid(checked) => {
                    let header = checked.header;
                    return Ok((header.journal == self.journal && header.segment == self.segment).then_some(checked));
                }
                Parsed::Short(bytes) => need = bytes,
                Parsed::Invalid(_) => return Ok(None),
            }
        }
    }

    fn rest(&self) -> &[u8] {
        &self.buffer[(self.at - self.buffer_at) as usize..]
    }

    /// Makes sure that as many bytes are in the buffer from here on; says whether the file has them.
    fn fill(&mut self, bytes: usize) -> io::Result<bool> {
        let buffered = self.buffer_at..self.buffer_at + self.buffer.len() as u64;
        let wanted = self.at + bytes as u64;
        if buffered.contains(&self.at) && wanted <= buffered.end {
            return Ok(true);
        }
        if wanted > self.length {
            return Ok(false);
        }
        let size = (bytes.max(self.chunk) as u64).min(self.length - self.at) as usize;
        let mut buffer = vec![0; size];
        let read = self.file.read_at(&mut buffer, self.at)?;
        buffer.truncate(read);
        self.buffer = Bytes::from(buffer);
        self.buffer_at = self.at;
        Ok(bytes <= read)
    }
}

/// Opens a walk over all frames of a segment.
pub(crate) fn frames(file: &Arc<dyn DiskFile>, journal: u64, segment: u64) -> io::Result<Frames> {
    Frames::new(Arc::clone(file), journal, segment, FRAMES)
}
