//! What the disk and one core can do at best.

use md5::{Digest, Md5};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Instant;

/// Written and hashed in pieces of this size.
const PIECE: usize = 1 << 20;
/// How many small writes are synced one by one.
const SYNCS: u32 = 100;

/// This function writes a new file from its start to its end and syncs it, and
/// returns mebibytes a second.
///
/// # Errors
///
/// The system's reason.
pub(super) fn sequential_write(directory: &Path, mebibytes: u32) -> io::Result<f64> {
    in_file(directory, |file| {
        let piece = vec![0x5a; PIECE];
        let began = Instant::now();
        for _ in 0..mebibytes {
            file.write_all(&piece)?;
        }
        file.sync_data()?;
        Ok(f64::from(mebibytes) / began.elapsed().as_secs_f64())
    })
}

/// This function syncs small writes over a file that is there, and returns how
/// long one takes, in milliseconds.
///
/// # Errors
///
/// The system's reason.
pub(super) fn sync(directory: &Path) -> io::Result<f64> {
    in_file(directory, |file| {
        file.write_all(&vec![0; PIECE])?;
        file.sync_all()?;
        let began = Instant::now();
        for number in 0..SYNCS {
            file.write_all_at(&[1; 4096], u64::from(number) * 4096)?;
            file.sync_data()?;
        }
        Ok(began.elapsed().as_secs_f64() * 1e3 / f64::from(SYNCS))
    })
}

fn in_file<T>(directory: &Path, work: impl FnOnce(&mut File) -> io::Result<T>) -> io::Result<T> {
    let path = directory.join(format!("yardstick-{}", std::process::id()));
    let mut file = File::options().create_new(true).write(true).open(&path)?;
    let result = work(&mut file);
    fs::remove_file(&path)?;
    result
}

/// This function hashes bodies of `size` bytes on one core, and returns
/// mebibytes a second.
pub(super) fn md5_rate(size: usize, mebibytes: u32) -> f64 {
    let body = vec![0x5a; size];
    let count = (mebibytes as usize * PIECE).div_ceil(size);
    let began = Instant::now();
    for _ in 0..count {
        std::hint::black_box(Md5::digest(std::hint::black_box(&body)));
    }
    (count * size) as f64 / PIECE as f64 / began.elapsed().as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::{md5_rate, sequential_write, sync};

    #[test]
    fn the_disk_and_the_core_have_rates_and_no_file_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(sequential_write(directory.path(), 2).expect("written") > 0.0);
        assert!(sync(directory.path()).expect("synced") > 0.0);
        assert_eq!(std::fs::read_dir(directory.path()).expect("readable").count(), 0);
        assert!(sync(&directory.path().join("none")).is_err());
        assert!(md5_rate(1 << 16, 1) > 0.0);
    }
}
