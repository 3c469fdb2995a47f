//! What the kernel says of this process. Elsewhere than on Linux, and where it says nothing: nothing.

use std::fs;

use super::text::{Page, Sort};

/// How often the kernel counts in a second; the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

pub(super) fn write(page: &mut Page) {
    if let Ok(stat) = fs::read_to_string("/proc/self/stat")
        && let Some(seconds) = processor_seconds(&stat)
    {
        let help = "Processor time of the process.";
        page.family("process_cpu_seconds_total", Sort::Counter, help).series(&[], seconds);
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status")
        && let Some(bytes) = resident_bytes(&status)
    {
        let help = "Resident memory of the process.";
        page.family("process_resident_memory_bytes", Sort::Gauge, help).series(&[], bytes);
    }
    if let Ok(files) = fs::read_dir("/proc/self/fd") {
        page.family("process_open_fds", Sort::Gauge, "Open files of the process.").series(&[], files.count());
    }
    if let Ok(limits) = fs::read_to_string("/proc/self/limits")
        && let Some(most) = most_files(&limits)
    {
        page.family("process_max_fds", Sort::Gauge, "The most files that it may open.").series(&[], most);
    }
}

/// Of `/proc/self/stat`: the fields after the name, which may hold anything, start behind the last parenthesis.
pub(super) fn processor_seconds(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let ticks = |field: Option<&str>| field?.parse::<u64>().ok();
    Some((ticks(fields.next())? + ticks(fields.next())?) as f64 / TICKS)
}

/// Of `/proc/self/status`.
pub(super) fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

/// Of `/proc/self/limits`: the soft one.
pub(super) fn most_files(limits: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
