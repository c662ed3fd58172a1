//! The file itself.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A file of a fixed size that is written from its start to its end, and over
/// again.
pub(super) struct LogFile {
    file: File,
    at: u64,
    bytes: u64,
}

/// How much is written at once when the file is made.
const ZEROS: usize = 1 << 20;

impl LogFile {
    /// This function makes a file of `bytes` zeros, replacing one that is there.
    pub(super) fn create(path: &Path, bytes: u64) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let zeros = vec![0; ZEROS];
        let mut left = bytes;
        while left > 0 {
            let length = left.min(ZEROS as u64);
            file.write_all(&zeros[..length as usize])?;
            left -= length;
        }
        file.sync_all()?;
        Ok(Self { file, at: 0, bytes })
    }

    /// This function writes and syncs.
    pub(super) fn commit(&mut self, gathered: &[u8]) -> io::Result<()> {
        if self.at + gathered.len() as u64 > self.bytes {
            self.at = 0;
        }
        self.file.write_all_at(gathered, self.at)?;
        self.file.sync_data()?;
        self.at += gathered.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::LogFile;

    #[test]
    fn a_full_file_is_written_over_from_its_start() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut file = LogFile::create(&path, 10).expect("a file");
        for text in ["abcd", "efgh", "ijk"] {
            file.commit(text.as_bytes()).expect("written");
        }
        assert_eq!(std::fs::read(&path).expect("readable"), b"ijkdefgh\0\0");
    }
}
