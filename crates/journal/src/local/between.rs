//! A disk with somebody between it and the journal, who looks at what passes or spoils it: for tests and measurements.

use std::any::Any;
use std::io::{self, IoSlice};
use std::path::Path;
use std::sync::Arc;

use stanchion_keyring::Keyring;

use super::disk::{Access, Disk, DiskFile};

/// Who stands between a journal and the files of its disk. What is not implemented passes as it is.
pub trait Between: Send + Sync + 'static {
    /// Writes to the file of that name, as [`DiskFile::write_at`].
    fn write_at(&self, name: &str, file: &dyn DiskFile, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let _ = name;
        file.write_at(slices, offset)
    }

    /// Reads from the file of that name, as [`DiskFile::read_at`].
    fn read_at(&self, name: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = name;
        file.read_at(buffer, offset)
    }

    /// Reads what is in memory already, as [`DiskFile::read_at_hand`]. The default has nothing at hand, so that
    /// [`read_at`](Between::read_at) sees every read.
    fn read_at_hand(&self, name: &str, file: &dyn DiskFile, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let _ = (name, file, buffer, offset);
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Makes what was written durable, as [`DiskFile::sync`].
    fn sync(&self, file: &dyn DiskFile) -> io::Result<()> {
        file.sync()
    }
}

/// A disk with somebody between.
pub struct Interposed<B> {
    disk: Arc<dyn Disk>,
    between: Arc<B>,
}

impl<B: Between> Interposed<B> {
    /// Puts somebody between a disk and whoever uses it.
    pub fn new(disk: impl Disk, between: Arc<B>) -> Interposed<B> {
        Interposed { disk: Arc::new(disk), between }
    }

    fn interpose(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(InterposedFile { name: name.to_owned(), file, between: Arc::clone(&self.between) })
    }
}

impl<B: Between> Disk for Interposed<B> {
    fn root(&self) -> &Path {
        self.disk.root()
    }

    fn keyring(&self) -> Option<Arc<Keyring>> {
        self.disk.keyring()
    }

    fn lock(&self, name: &str) -> io::Result<Box<dyn Any + Send + Sync>> {
        self.disk.lock(name)
    }

    fn make_directory(&self, name: &str) -> io::Result<()> {
        self.disk.make_directory(name)
    }

    fn list(&self, directory: &str) -> io::Result<Vec<String>> {
        self.disk.list(directory)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.interpose(name, self.disk.open(name, access)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.interpose(name, self.disk.create(name)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_directory(&self, directory: &str) -> io::Result<()> {
        self.disk.sync_directory(directory)
    }
}

struct InterposedFile<B> {
    name: String,
    file: Arc<dyn DiskFile>,
    between: Arc<B>,
}

impl<B: Between> DiskFile for InterposedFile<B> {
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.between.write_at(&self.name, &*self.file, slices, offset)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.between.read_at(&self.name, &*self.file, buffer, offset)
    }

    fn read_at_hand(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.between.read_at_hand(&self.name, &*self.file, buffer, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.between.sync(&*self.file)
    }

    fn length(&self) -> io::Result<u64> {
        self.file.length()
    }

    fn reserve(&self, length: u64) -> io::Result<bool> {
        self.file.reserve(length)
    }
}
