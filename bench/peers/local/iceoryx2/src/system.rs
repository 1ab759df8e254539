//! The clock, the CPU to run on, and the words that sender and receiver share.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// Nanoseconds of the clock that all processes share.
pub fn now() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

pub fn pin(cpu: usize) -> Result<(), String> {
    let done = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, std::mem::size_of_val(&set), &set)
    };
    if done == 0 { Ok(()) } else { Err(format!("cannot run on CPU {cpu}: {}", std::io::Error::last_os_error())) }
}

/// The child ends when its parent does.
pub fn end_with_parent() {
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}

#[repr(C, align(64))]
#[derive(Default)]
pub struct Word(AtomicU64);

impl Word {
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    pub fn set(&self, value: u64) {
        self.0.store(value, Ordering::Release);
    }

    pub fn wait(&self) {
        while self.get() == 0 {
            std::hint::spin_loop();
        }
    }
}

#[repr(C)]
pub struct Meeting {
    ready: Word,
    pub warm: Word,
    pub done: Word,
    pub begun: Word,
    /// p50, p90, p99, p99.9 and the largest lateness of the sender.
    pub late: [Word; 5],
}

impl Meeting {
    pub fn open(directory: &str) -> Result<&'static Self, String> {
        let path = format!("{directory}/meeting");
        let said = |failure: std::io::Error| format!("{path}: {failure}");
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(said)?;
        let bytes = std::mem::size_of::<Meeting>();
        file.set_len(bytes as u64).map_err(said)?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let memory =
            unsafe { libc::mmap(std::ptr::null_mut(), bytes, protection, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        if memory == libc::MAP_FAILED {
            return Err(said(std::io::Error::last_os_error()));
        }
        Ok(unsafe { &*(memory as *const Meeting) })
    }

    /// Returns when both sides are here.
    pub fn meet(&self) {
        self.ready.0.fetch_add(1, Ordering::AcqRel);
        while self.ready.get() < 2 {
            std::thread::sleep(std::time::Duration::from_micros(100));
        }
    }
}
