//! The few things a journal asks of a disk, so that tests can put a worse disk under it.

use std::any::Any;
use std::fs::{self, File, OpenOptions};
#[cfg(target_os = "linux")]
use std::io::IoSliceMut;
use std::io::{self, IoSlice};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stanchion_keyring::Keyring;

/// A directory with files in it. Names are relative, with `/` between their parts.
pub trait Disk: Send + Sync + 'static {
    /// Returns the directory, for messages to people.
    fn root(&self) -> &Path;

    /// Returns the keyring whose keys what is written here is sealed with; `None` if it is written as it is, and nothing
    /// that is sealed can be read.
    fn keyring(&self) -> Option<Arc<Keyring>>;

    /// Takes an exclusive lock that lasts as long as what is returned; [`io::ErrorKind::WouldBlock`] if it is taken.
    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>>;

    /// Makes sure that a directory exists, and that it would after a power cut.
    fn make_directory(&self, name: &str) -> io::Result<()>;

    /// Returns the names of the files in a directory, without the directory.
    fn list(&self, directory: &str) -> io::Result<Vec<String>>;

    /// Opens a file that exists, to read and, if asked, to write.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates an empty file in place of whatever has the name.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Renames a file in place of whatever has the new name.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes the creations, renames and removals in a directory durable.
    fn sync_directory(&self, directory: &str) -> io::Result<()>;
}

/// What an open file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// To read.
    Read,
    /// To read and write.
    Write,
}

/// An open file.
pub trait DiskFile: Send + Sync {
    /// Writes all bytes of the slices, one after the other, from an offset on.
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Writes bytes up to the end of a page, of which so many come at once that they need not stay in memory. They go past
    /// the system's cache if the pages of the file begin where those of memory do. Nobody else uses the file meanwhile.
    fn write_through(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_at(&mut [IoSlice::new(bytes)], offset)
    }

    /// Writes zeros from an offset on, which like the length is a multiple of 4,096. Whoever does so expects nobody to
    /// read them soon, so they need not stay in memory. Nobody else uses the file meanwhile.
    fn zero(&self, offset: u64, length: usize) -> io::Result<()> {
        self.write_at(&mut [IoSlice::new(&vec![0; length])], offset)
    }

    /// Reads until the buffer is full or the file ends, and returns how much it read.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Reads as [`read_at`](DiskFile::read_at) does, but only what is in memory already: [`io::ErrorKind::WouldBlock`] if
    /// the medium would have to be waited for. The default cannot tell, and so never reads.
    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = (buffer, offset);
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Makes everything written so far durable.
    fn sync(&self) -> io::Result<()>;

    /// Returns the length in bytes.
    fn length(&self) -> io::Result<u64>;

    /// Makes the file so long and asks for all its space, so that later writes cannot run out of it; says whether the
    /// file system could promise that. One that cannot leaves the file as it is.
    fn reserve(&self, length: u64) -> io::Result<bool>;
}

/// A directory of the operating system.
pub struct Directory {
    root: PathBuf,
    keyring: Option<Arc<Keyring>>,
}

impl Directory {
    /// Returns the disk below a directory. Nothing is created yet.
    pub fn new(root: impl Into<PathBuf>) -> Directory {
        Directory { root: root.into(), keyring: None }
    }

    /// Returns the disk with a keyring, so that what is written to it is sealed.
    #[must_use]
    pub fn with_keyring(self, keyring: Option<Arc<Keyring>>) -> Directory {
        Directory { keyring, ..self }
    }
}

impl Disk for Directory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn keyring(&self) -> Option<Arc<Keyring>> {
        self.keyring.clone()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.root.join(name))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        let path = if name.is_empty() { self.root.clone() } else { self.root.join(name) };
        if path.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&path)?;
        match path.parent() {
            Some(parent) if parent.as_os_str().is_empty() => File::open(".")?.sync_all(),
            Some(parent) => File::open(parent)?.sync_all(),
            None => Ok(()),
        }
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.root.join(directory))? {
            // A name that is not text is not one of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(self.root.join(name))?;
        Ok(Arc::new(file))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).create(true).truncate(true).open(self.root.join(name))?;
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.root.join(from), self.root.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.root.join(name))
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        File::open(self.root.join(directory))?.sync_all()
    }
}

/// What the system's cache keeps of a file as a whole, in bytes.
pub(crate) const PAGE: usize = 4096;

/// The most slices one system call takes (`IOV_MAX` of Linux).
const SLICES_MAX: usize = 1024;

/// Zeros to write, as often as it takes. A buffer of the whole length would have to be filled each time.
///
/// A medium may ask offsets, lengths and addresses of memory to be multiples of a page when the system's cache is passed
/// by.
#[cfg(target_os = "linux")]
#[repr(align(4096))]
struct Zeros([u8; ZEROS_BYTES]);
#[cfg(target_os = "linux")]
const ZEROS_BYTES: usize = 64 << 10;

/// Writes whole pages past the system's cache, or through it where that cannot be.
#[cfg(target_os = "linux")]
fn write_past_cache<'a>(file: &File, slices: impl Fn() -> Vec<IoSlice<'a>>, offset: u64) -> io::Result<()> {
    use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
    let flags = fcntl_getfl(file)?;
    let written = fcntl_setfl(file, flags | OFlags::DIRECT).map_err(io::Error::from).and_then(|()| {
        let written = DiskFile::write_at(file, &mut slices(), offset);
        fcntl_setfl(file, flags)?;
        written
    });
    match written {
        // Not every file system can, and some want more than whole pages.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => DiskFile::write_at(file, &mut slices(), offset),
        written => written,
    }
}

impl DiskFile for File {
    fn write_at(&self, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        // Drops empty slices at the front, so that a write of nothing is never mistaken for a full disk.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let most = slices.len().min(SLICES_MAX);
            let written = match rustix::io::pwritev(self, &slices[..most], offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            offset += written as u64;
            IoSlice::advance_slices(&mut slices, written);
        }
        Ok(())
    }

    /// What is on pages of its own goes past the cache. The first page is shared with what was written before, and is
    /// there.
    #[cfg(target_os = "linux")]
    fn write_through(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let shared = offset.next_multiple_of(PAGE as u64) - offset;
        let Some((head, pages)) = bytes
            .split_at_checked(shared as usize)
            .filter(|(_, pages)| pages.len().is_multiple_of(PAGE) && pages.as_ptr().addr().is_multiple_of(PAGE))
        else {
            return DiskFile::write_at(self, &mut [IoSlice::new(bytes)], offset);
        };
        DiskFile::write_at(self, &mut [IoSlice::new(head)], offset)?;
        write_past_cache(self, || vec![IoSlice::new(pages)], offset + shared)
    }

    /// Past the system's cache where that can be: what is only to be overwritten would cost its memory there, and more
    /// time than the disk needs for it.
    #[cfg(target_os = "linux")]
    fn zero(&self, offset: u64, length: usize) -> io::Result<()> {
        static ZEROS: Zeros = Zeros([0; ZEROS_BYTES]);
        let zeros = || {
            let lengths = (0..length).step_by(ZEROS_BYTES).map(|at| (length - at).min(ZEROS_BYTES));
            lengths.map(|length| IoSlice::new(&ZEROS.0[..length])).collect()
        };
        write_past_cache(self, zeros, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match FileExt::read_at(self, &mut buffer[done..], offset + done as u64) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    #[cfg(target_os = "linux")]
    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        use rustix::io::{Errno, ReadWriteFlags, preadv2};
        let mut done = 0;
        while done < buffer.len() {
            let rest = &mut [IoSliceMut::new(&mut buffer[done..])];
            match preadv2(self, rest, offset + done as u64, ReadWriteFlags::NOWAIT) {
                Ok(0) => break,
                Ok(read) => done += read,
                Err(Errno::INTR) => {}
                // Some file systems cannot tell what is in memory.
                Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS) => return Err(io::ErrorKind::WouldBlock.into()),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(done)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn reserve(&self, length: u64) -> io::Result<bool> {
        match rustix::fs::fallocate(self, rustix::fs::FallocateFlags::empty(), 0, length) {
            Ok(()) => Ok(true),
            Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_through_is_what_is_read_wherever_it_begins() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let disk = Directory::new(directory.path());
        for begin in [0, 1, 8, PAGE - 1, PAGE, PAGE + 904] {
            // Where the pages of memory begin is for the allocator to say: this way and that.
            for shift in [0, 1] {
                let file = disk.create("file").expect("creates");
                file.write_at(&mut [IoSlice::new(&[9; 8 * PAGE])], 0).expect("writes");
                let mut memory = Vec::<u8>::with_capacity(8 * PAGE);
                let lead = (PAGE + begin % PAGE - memory.as_ptr().addr() % PAGE) % PAGE + shift;
                memory.resize(lead, 0);
                memory.extend((0..6 * PAGE - begin).map(|at| (at % 251) as u8));
                file.write_through(&memory[lead..], begin as u64).expect("writes");

                let mut read = vec![0; 8 * PAGE];
                assert_eq!(file.read_at(&mut read, 0).expect("reads"), 8 * PAGE);
                assert!(read[..begin].iter().chain(&read[6 * PAGE..]).all(|byte| *byte == 9), "{begin} {shift}");
                assert_eq!(read[begin..6 * PAGE], memory[lead..], "{begin} {shift}");
            }
        }
    }
}
