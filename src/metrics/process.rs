//! The process as the system sees it, under the names that all exporters use.

use std::fmt;
use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;

use super::numbers::Writer;
use crate::net::slots::open_files;

/// What is read of `/proc`. Elsewhere than on Linux there is only the time of the start.
#[derive(Debug)]
pub(super) struct Process {
    started: Duration,
}

impl Default for Process {
    fn default() -> Self {
        Process { started: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }
}

impl Collector for Process {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut to = Writer(encoder);
        let started = self.started.as_secs_f64();
        to.decimal("process_start_time_seconds", "When it started, since 1970", started)?;
        if let Some(time) = cpu_time() {
            let seconds = time.as_secs_f64();
            to.seconds("process_cpu_seconds", "Time of the processor that it has used", seconds)?;
        }
        if let Ok(status) = fs::read_to_string("/proc/self/status") {
            let field = |name: &str| field(&status, name);
            if let (Some(resident), Some(virtual_memory), Some(threads)) =
                (field("VmRSS:"), field("VmSize:"), field("Threads:"))
            {
                let (resident, virtual_memory) = (resident * 1024, virtual_memory * 1024);
                to.gauge("process_resident_memory_bytes", "Its memory", resident)?;
                to.gauge("process_virtual_memory_bytes", "Its addresses", virtual_memory)?;
                to.gauge("process_threads", "Its threads", threads)?;
            }
        }
        if let Some(files) = open_file_count() {
            to.gauge("process_open_fds", "Its open files", files)?;
        }
        match open_files() {
            Ok(limit) => to.gauge("process_max_fds", "Files that it may open", limit),
            Err(_) => Ok(()),
        }
    }
}

/// A number of `/proc/self/status`.
fn field(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(target_os = "linux")]
fn cpu_time() -> Option<Duration> {
    use rustix::time::{ClockId, clock_gettime};
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).ok()
}

#[cfg(not(target_os = "linux"))]
fn cpu_time() -> Option<Duration> {
    None
}

/// Linux from 6.2 on gives the number as the size of a folder. Before, each file would have to be looked
/// at, which takes too long if there are thousands: it is left out then.
fn open_file_count() -> Option<u64> {
    let size = fs::metadata("/proc/self/fd").ok()?.len();
    (size > 0).then_some(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_status() {
        let status = "Name:\tparlance\nVmSize:\t  123456 kB\nThreads:\t4\n";
        assert_eq!(field(status, "VmSize:"), Some(123_456));
        assert_eq!(field(status, "Threads:"), Some(4));
        assert_eq!(field(status, "VmRSS:"), None);
    }
}
