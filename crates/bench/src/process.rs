//! What a process, with those that it has started, has cost; read from `/proc`.

use crate::Error;
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// CPU and memory of a process and its descendants at one moment.
#[derive(Debug, Clone)]
pub struct Sample {
    /// User and system time of all threads, and of processes that have ended;
    /// counts in ticks of usually 10 ms.
    ticks: Duration,
    /// How many processes there are.
    processes: u32,
    /// Nothing where the kernel does not keep them.
    threads: ThreadTimes,
    /// Resident memory in bytes; what processes share counts for each.
    pub resident_bytes: u64,
}

impl Sample {
    /// This function gives the CPU time of all threads since `earlier`.
    ///
    /// Threads that ended in between only show in the ticks; otherwise the
    /// finer times count.
    pub fn cpu_since(&self, earlier: &Self) -> Duration {
        let ticks = self.ticks.saturating_sub(earlier.ticks);
        let threads = self.threads.since(&earlier.threads);
        // Each end of the interval is off by up to one tick, user and system.
        let rounding = Duration::from_secs_f64(4.0 / rustix::param::clock_ticks_per_second() as f64) * self.processes;
        if self.threads.0.is_empty() || ticks > threads + rounding { ticks } else { threads }
    }
}

/// This function reads the figures of process `pid` and of the processes that
/// it has started, and they have.
///
/// # Errors
///
/// There is no such process, or its figures have an unknown form.
pub fn sample(pid: u32) -> Result<Sample, Error> {
    let mut sample = one(pid)?;
    let mut found = vec![pid];
    let parents = parents();
    while let Some(parent) = found.pop() {
        for (child, _) in parents.iter().filter(|(_, of)| *of == parent) {
            found.push(*child);
            // One that has ended meanwhile shows in the ticks of its parent.
            let Ok(own) = one(*child) else { continue };
            sample.ticks += own.ticks;
            sample.processes += own.processes;
            sample.threads.0.extend(own.threads.0);
            sample.resident_bytes += own.resident_bytes;
        }
    }
    Ok(sample)
}

/// The figures of one process.
fn one(pid: u32) -> Result<Sample, Error> {
    let read = |file: &str| {
        let path = format!("/proc/{pid}/{file}");
        fs::read_to_string(&path).map_err(|source| Error::Process(format!("--server-pid: {path}: {source}")))
    };
    let ticks = cpu_ticks(&read("stat")?)
        .ok_or_else(|| Error::Process(format!("--server-pid: /proc/{pid}/stat has an unknown form")))?;
    let resident_kib = resident_kib(&read("status")?).unwrap_or(0);
    let ticks = Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64);
    let threads = ThreadTimes::read(pid).unwrap_or_default();
    Ok(Sample { ticks, processes: 1, threads, resident_bytes: resident_kib * 1024 })
}

/// Every process with its parent. Only the first process has none.
fn parents() -> Vec<(u32, u32)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let found = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        let (_, fields) = stat.rsplit_once(')')?;
        Some((pid, fields.split_ascii_whitespace().nth(1)?.parse().ok()?))
    });
    found.collect()
}

/// CPU time by thread, in nanoseconds: far finer than the ticks of [`Sample`].
#[derive(Debug, Clone, Default)]
pub struct ThreadTimes(HashMap<u32, u64>);

impl ThreadTimes {
    /// This function reads the times of the threads that process `pid` has now.
    ///
    /// # Errors
    ///
    /// There is no such process, or the kernel keeps no times of threads.
    pub fn read(pid: u32) -> Result<Self, Error> {
        let path = format!("/proc/{pid}/task");
        let unreadable = |source| Error::Process(format!("{path}: {source}"));
        let mut times = HashMap::new();
        for entry in fs::read_dir(&path).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
            // A thread that has ended meanwhile has no figures any more.
            let Ok(text) = fs::read_to_string(entry.path().join("schedstat")) else { continue };
            if let Some(nanos) = text.split_ascii_whitespace().next().and_then(|nanos| nanos.parse().ok()) {
                times.insert(thread, nanos);
            }
        }
        if times.is_empty() {
            return Err(Error::Process(format!("{path}: the kernel keeps no times of threads (schedstat)")));
        }
        Ok(Self(times))
    }

    /// This function gives the CPU time since `earlier`. What a thread used
    /// that ended in between is not seen.
    pub fn since(&self, earlier: &Self) -> Duration {
        let used = self.0.iter().map(|(thread, nanos)| {
            let before = earlier.0.get(thread).copied().unwrap_or(0);
            nanos.saturating_sub(before)
        });
        Duration::from_nanos(used.sum())
    }
}

/// This function reads the most memory in bytes that process `pid` ever had
/// resident.
pub(crate) fn resident_peak(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).map_err(|source| Error::Process(format!("{path}: {source}")))?;
    Ok(kib(&status, "VmHWM:").unwrap_or(0) * 1024)
}

/// This function reads how many bytes process `pid` has written to files so
/// far, whether or not they are on a disk yet.
pub(crate) fn written(pid: u32) -> Result<u64, Error> {
    let path = format!("/proc/{pid}/io");
    let text = fs::read_to_string(&path).map_err(|source| Error::Process(format!("{path}: {source}")))?;
    let bytes = text.lines().find_map(|line| line.strip_prefix("wchar:")?.trim().parse().ok());
    bytes.ok_or_else(|| Error::Process(format!("{path} has an unknown form")))
}

/// This function reads the CPU time that the calling thread has used.
pub(crate) fn thread_cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// User plus system ticks, with those of children that have ended. The command name in parentheses may hold blanks and
/// parentheses of its own, so counting starts behind the last one.
fn cpu_ticks(stat: &str) -> Option<u64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_ascii_whitespace().skip(11);
    fields.by_ref().take(4).map(|field| field.parse::<u64>().ok()).sum()
}

fn resident_kib(status: &str) -> Option<u64> {
    kib(status, "VmRSS:")
}

fn kib(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Sample, ThreadTimes, cpu_ticks, resident_kib, resident_peak, sample, thread_cpu, written};
    use std::io::Read;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 120 34 5 6 20 0";
        assert_eq!(cpu_ticks(stat), Some(165));
        assert_eq!(cpu_ticks("nonsense"), None);
    }

    #[test]
    fn resident_memory_is_read_in_kibibytes() {
        assert_eq!(resident_kib("Name:\tx\nVmRSS:\t  5120 kB\n"), Some(5120));
        assert_eq!(resident_kib("Name:\tx\n"), None);
    }

    #[test]
    fn what_a_thread_used_is_counted_to_the_millisecond_and_also_when_it_has_ended() {
        let sample = |ticks_ms: u64, threads: &[(u32, u64)]| Sample {
            ticks: Duration::from_millis(ticks_ms),
            processes: 1,
            threads: ThreadTimes(threads.iter().map(|(id, millis)| (*id, millis * 1_000_000)).collect()),
            resident_bytes: 0,
        };
        let before = sample(100, &[(1, 51), (2, 52)]);
        let check = |after: Sample, millis| assert_eq!(after.cpu_since(&before), Duration::from_millis(millis));
        check(sample(110, &[(1, 56), (2, 59)]), 12);
        // A thread that began afterwards.
        check(sample(110, &[(1, 51), (2, 52), (3, 7)]), 7);
        // One of them has ended after a second's work.
        check(sample(1100, &[(1, 60)]), 1000);
        // A kernel that keeps no times of threads.
        check(sample(130, &[]), 30);
    }

    #[test]
    fn what_a_process_has_started_counts_as_well() {
        // One works and then sleeps, another one waits for its input to end.
        let script = "(i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; echo done; exec sleep 60) & cat; kill $!";
        let mut command = Command::new("sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = command.spawn().expect("a shell");
        let mut said = [0; 5];
        shell.stdout.as_mut().expect("it is piped").read_exact(&mut said).expect("it works to its end");
        let during = sample(shell.id()).expect("it is there");
        assert!(during.processes >= 3 && !during.ticks.is_zero(), "{during:?}");
        drop(shell.stdin.take());
        shell.wait().expect("it ends");
    }

    #[test]
    fn this_process_has_memory_and_its_thread_a_running_clock() {
        let own = sample(std::process::id()).expect("own figures");
        assert!(own.resident_bytes > 0);
        assert!(thread_cpu() > Duration::ZERO);
    }

    #[test]
    fn the_times_of_threads_show_what_was_used_in_between() {
        let own = std::process::id();
        let before = ThreadTimes::read(own).expect("own times");
        let spent = thread_cpu();
        while thread_cpu() - spent < Duration::from_millis(60) {}
        // The system may count it as late as its next tick.
        let used = ThreadTimes::read(own).expect("own times").since(&before);
        assert!(used >= Duration::from_millis(30), "{used:?}");
        assert!(ThreadTimes::read(u32::MAX).is_err());
    }

    #[test]
    fn the_peak_remembers_memory_that_went_back() {
        const TAKEN: usize = 64 << 20;
        // Written to, so that it is resident and not only promised.
        drop(std::hint::black_box(vec![1_u8; TAKEN]));
        let peak = resident_peak(std::process::id()).expect("own figures");
        assert!(peak >= TAKEN as u64, "{peak}");
    }

    #[test]
    fn what_is_written_to_a_file_is_counted() {
        let own = std::process::id();
        let before = written(own).expect("own figures");
        std::fs::write("/dev/null", vec![0; 100_000]).expect("it takes everything");
        assert!(written(own).expect("own figures") - before >= 100_000);
        assert!(written(u32::MAX).is_err());
    }

    #[test]
    fn a_process_that_is_not_there_is_an_error_that_names_the_option() {
        let error = sample(u32::MAX).expect_err("no such process");
        assert!(error.to_string().contains("--server-pid"), "{error}");
    }
}
