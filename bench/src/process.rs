//! A measured process: its processor time and memory as Linux tells them (proc(5)).

use std::{
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::Outcome;

/// Clock ticks a second, which Linux fixes for user space at 100.
const TICKS: f64 = 100.0;

/// A process that ends with this value.
pub(crate) struct Process(Child);

impl Process {
    /// Starts a process; what it says of errors is shown.
    pub(crate) fn start(mut command: Command) -> Outcome<Self> {
        Ok(Self(command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?))
    }

    /// The time that all its threads have spent on a processor, in user and in kernel mode.
    pub(crate) fn cpu(&self) -> Outcome<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The name of the command is in parentheses and may hold spaces; the fields behind it do not.
        let fields = stat.rsplit_once(") ").ok_or("an odd /proc/…/stat")?.1;
        let mut times = fields.split(' ').skip(11).map(str::parse::<f64>);
        let (user, system) = (times.next().ok_or("no user time")??, times.next().ok_or("no system time")??);
        Ok(Duration::from_secs_f64((user + system) / TICKS))
    }

    /// Its resident memory in megabytes.
    pub(crate) fn resident_mb(&self) -> Outcome<u64> {
        self.memory_mb("VmRSS:")
    }

    /// The most resident memory that it ever had, in megabytes.
    pub(crate) fn peak_mb(&self) -> Outcome<u64> {
        self.memory_mb("VmHWM:")
    }

    fn memory_mb(&self, field: &str) -> Outcome<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("an odd /proc/…/status")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? / 1024)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
