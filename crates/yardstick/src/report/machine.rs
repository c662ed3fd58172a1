//! What the figures were measured on, and what was measured.

use super::disk;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Lines that every report begins with: a name and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Machine(pub(super) Vec<(&'static str, String)>);

/// The libraries whose versions matter, as they were built in.
const LIBRARIES: [&str; 4] = ["hyper", "tokio", "md-5", "serde_json"];
const LOCK: &str = include_str!("../../../../Cargo.lock");
/// How much is written to learn the disk's bandwidth, in mebibytes.
const WRITTEN: u32 = 64;

impl Machine {
    /// This function looks around. What cannot be found out is said to be
    /// unknown; a disk that cannot be written is an error.
    pub(super) fn look(server: &Path, directory: &Path) -> Result<Self, String> {
        let at = |source: std::io::Error| format!("--dir {}: {source}", directory.display());
        let sequential = disk::sequential_write(directory, WRITTEN).map_err(at)?;
        let sync = disk::sync(directory).map_err(at)?;
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpu = read("/proc/cpuinfo");
        let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':')).map(|(_, name)| name);
        let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
        let kernel = rustix::system::uname();
        let mounted = mounted(&read("/proc/self/mounts"), &directory.canonicalize().map_err(at)?);
        let load = read("/proc/loadavg").split_whitespace().next().map(str::to_owned);
        let changes = said("git", &["status", "--porcelain", "--untracked-files=no"]);
        let commit = match (said("git", &["rev-parse", "HEAD"]), changes) {
            (Some(commit), Some(changes)) if !changes.is_empty() => format!("{commit}, with changes"),
            (Some(commit), _) => commit,
            (None, _) => unknown(),
        };
        Ok(Self(vec![
            (
                "machine",
                format!("{}, {cores} cores, {}", model.map_or("unknown", str::trim), memory(&read("/proc/meminfo"))),
            ),
            ("kernel", format!("{} {}", kernel.sysname().to_string_lossy(), kernel.release().to_string_lossy())),
            ("disk", format!("{mounted}; {sequential:.0} MiB/s sequential, {sync:.2} ms for a sync of 4 KiB")),
            ("load average at the start", load.unwrap_or_else(unknown)),
            ("server", said(&server.to_string_lossy(), &["--version"]).unwrap_or_else(unknown)),
            ("compiler", said("rustc", &["--version"]).unwrap_or_else(unknown)),
            ("libraries", LIBRARIES.map(|name| format!("{name} {}", version(LOCK, name).unwrap_or("?"))).join(", ")),
            ("commit", commit),
        ]))
    }
}

fn unknown() -> String {
    "unknown".to_owned()
}

/// What a command prints, if it succeeds.
fn said(program: &str, words: &[&str]) -> Option<String> {
    let output = Command::new(program).args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The device and the file system that a path is on: those of the longest
/// mount point above it.
fn mounted(mounts: &str, path: &Path) -> String {
    let fields = mounts.lines().filter_map(|line| {
        let mut fields = line.split(' ');
        Some((fields.next()?, fields.next()?, fields.next()?))
    });
    let above = fields.filter(|(_, point, _)| path.starts_with(point));
    let found = above.max_by_key(|(_, point, _)| point.len());
    found.map_or_else(unknown, |(device, _, kind)| format!("{kind} on {device}"))
}

fn memory(meminfo: &str) -> String {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or_else(unknown, |kib| format!("{:.1} GiB of memory", kib / 1_048_576.0))
}

/// The version of a package in a lock file; of several, the first.
fn version<'l>(lock: &'l str, name: &str) -> Option<&'l str> {
    let (_, after) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
    after.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::{LIBRARIES, LOCK, memory, mounted, said, version};
    use std::path::Path;

    #[test]
    fn the_file_system_is_that_of_the_nearest_mount_point() {
        let mounts = "/dev/a / ext4 rw 0 0\n/dev/b /data xfs rw 0 0\ntmpfs /data/fast tmpfs rw 0 0\n";
        for (path, expected) in [
            ("/data/x", "xfs on /dev/b"),
            ("/data/fast/x", "tmpfs on tmpfs"),
            ("/database", "ext4 on /dev/a"),
            ("relative", "unknown"),
        ] {
            assert_eq!(mounted(mounts, Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn memory_is_shown_in_gibibytes() {
        assert_eq!(memory("MemTotal:       8388608 kB\nMemFree: 1 kB\n"), "8.0 GiB of memory");
        assert_eq!(memory(""), "unknown");
    }

    #[test]
    fn every_library_has_a_version() {
        for name in LIBRARIES {
            let found = version(LOCK, name).unwrap_or_default();
            assert!(found.starts_with(|first: char| first.is_ascii_digit()), "{name}: {found}");
        }
        assert_eq!(version(LOCK, "hype"), None);
    }

    #[test]
    fn a_command_that_fails_says_nothing() {
        assert_eq!(said("echo", &["a b"]).as_deref(), Some("a b"));
        assert_eq!(said("false", &[]), None);
        assert_eq!(said("/no/such/program", &[]), None);
    }
}
