//! What the data directory stands on, and what a crash does to it.

use crate::random::Random;
use crate::server::Server;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where a run keeps its data and its log.
pub(crate) struct Ground {
    /// The data directory.
    pub(crate) data: PathBuf,
    /// The server's log, which survives everything.
    pub(crate) log: PathBuf,
    image: Option<Image>,
}

impl Ground {
    /// This function makes a ground on which processes are killed, and nothing written is lost by that.
    pub(crate) fn solid(directory: &Path) -> Self {
        Self { data: directory.join("data"), log: directory.join("server.log"), image: None }
    }

    /// This function makes a ground that loses with every crash what was not synced: a file system of its own in a
    /// file. Fails with the reason where that is not possible; it takes root.
    pub(crate) fn quaking(directory: &Path, kind: &str) -> Result<Self, String> {
        let image = Image::make(directory, kind)?;
        Ok(Self { data: image.mounted_at.join("data"), log: directory.join("server.log"), image: Some(image) })
    }

    /// This function starts a server here.
    pub(crate) fn start(&self) -> Server {
        Server::start(&self.data, &self.log)
    }

    /// This function ends a server without warning; on a quaking ground by a power cut.
    pub(crate) fn crash(&self, server: Server, random: &mut Random) {
        let Some(image) = &self.image else { return server.kill() };
        if random.percent(50) {
            // The process goes on for a moment and must not acknowledge anything any more.
            image.cut();
            server.end();
        } else {
            server.kill();
            image.cut();
        }
        image.mount_again();
    }

    /// This function lets the power go after a server has ended in another way.
    pub(crate) fn cut(&self) {
        if let Some(image) = &self.image {
            image.cut();
            image.mount_again();
        }
    }

    /// This function makes the directory free to be removed.
    pub(crate) fn leave(&self) {
        if let Some(image) = &self.image {
            command(Command::new("umount").arg(&image.mounted_at)).expect("nobody uses the file system");
        }
    }
}

/// A file system in a file.
struct Image {
    file: PathBuf,
    mounted_at: PathBuf,
}

/// Large enough for a run; the file is sparse.
const IMAGE_BYTES: u64 = 2 << 30;

/// Shuts a file system down without writing anything, its own log included: `FS_IOC_SHUTDOWN` with the flag
/// `NOLOGFLUSH`. There is no safe call for it in Rust, and no program for it everywhere.
const SHUT_DOWN: &str = "\
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))";

impl Image {
    fn make(directory: &Path, kind: &str) -> Result<Self, String> {
        let image = Self { file: directory.join("disk.image"), mounted_at: directory.join("disk") };
        let file = std::fs::File::create(&image.file).map_err(|error| error.to_string())?;
        file.set_len(IMAGE_BYTES).map_err(|error| error.to_string())?;
        std::fs::create_dir(&image.mounted_at).map_err(|error| error.to_string())?;
        command(Command::new(format!("mkfs.{kind}")).arg("-q").arg(&image.file))?;
        image.mount()?;
        command(Command::new("python3").args(["-c", "pass"]))?;
        Ok(image)
    }

    fn mount(&self) -> Result<(), String> {
        command(Command::new("mount").args(["-o", "loop"]).args([&self.file, &self.mounted_at]))
    }

    fn cut(&self) {
        command(Command::new("python3").args(["-c", SHUT_DOWN]).arg(&self.mounted_at)).expect("the power goes");
    }

    fn mount_again(&self) {
        command(Command::new("umount").arg(&self.mounted_at)).expect("nobody uses the file system");
        self.mount().expect("the file system comes back");
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        // Not mounted, or the test is failing: nothing to report.
        let _ = command(Command::new("umount").arg(&self.mounted_at));
    }
}

fn command(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let words = String::from_utf8_lossy(&output.stderr);
    output.status.success().then_some(()).ok_or_else(|| format!("{command:?}: {}", words.trim()))
}

#[test]
fn a_power_cut_takes_what_was_not_synced_and_nothing_else() {
    let directory = tempfile::tempdir().expect("a directory");
    let image = match Image::make(directory.path(), "ext4") {
        Ok(image) => image,
        Err(reason) => return println!("no power cuts here: {reason}"),
    };
    let write = |name: &str, synced: bool| {
        let mut file = std::fs::File::create(image.mounted_at.join(name)).expect("a file");
        std::io::Write::write_all(&mut file, b"some bytes").expect("room for some bytes");
        if synced {
            file.sync_all().expect("a sync");
        }
    };
    write("synced", true);
    write("not synced", false);
    image.cut();
    image.mount_again();
    assert_eq!(std::fs::read(image.mounted_at.join("synced")).expect("the synced file"), b"some bytes");
    assert!(!image.mounted_at.join("not synced").exists(), "the power cut has taken nothing");
}
