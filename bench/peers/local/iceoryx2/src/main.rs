//! iceoryx2 by publish and subscribe of byte slices, with the command line, the load and the checks of
//! ../c/harness.c. Samples are loaned, so a record is written once, where the receiver reads it.

mod options;
mod records;
mod system;

use std::process::{Child, Command, ExitCode};

use hdrhistogram::Histogram;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::port::BackpressureAction;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;

use options::Options;
use records::Records;
use system::{now, Meeting};

const BUFFER: usize = 8192;
const PATIENCE: u64 = 30_000_000_000;
const POINTS: [(&str, f64); 5] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999), ("max", 1.0)];

type Bytes = PortFactory<ipc::Service, [u8], ()>;
type Result<T> = std::result::Result<T, String>;

fn said(failure: impl std::fmt::Debug) -> String {
    format!("{failure:?}")
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits")
}

/// Nothing is lost: where the receiver's buffer is full, the sender tries again at once.
fn service(receiver: u32) -> Result<Bytes> {
    let node = NodeBuilder::new().create::<ipc::Service>().map_err(said)?;
    let name = format!("maplog-peer-{receiver}");
    let name = name.as_str().try_into().map_err(said)?;
    node.service_builder(&name)
        .publish_subscribe::<[u8]>()
        .enable_safe_overflow(false)
        .history_size(0)
        .subscriber_max_buffer_size(BUFFER)
        .max_publishers(1)
        .max_subscribers(1)
        .open_or_create()
        .map_err(said)
}

// ---- the sender -----------------------------------------------------------------------------------

struct Sender<'a> {
    publisher: Publisher<ipc::Service, [u8], ()>,
    options: &'a Options,
    records: Records,
}

impl Sender<'_> {
    fn send(&self, number: u64, due: u64) -> Result<()> {
        let mut sample = self.publisher.loan_slice_uninit(self.options.size).map_err(said)?;
        let memory = sample.payload_mut();
        // The bytes are written before anybody reads them.
        let memory = unsafe { std::slice::from_raw_parts_mut(memory.as_mut_ptr().cast::<u8>(), memory.len()) };
        self.records.fill(memory, number, due);
        unsafe { sample.assume_init() }.send().map_err(said)?;
        Ok(())
    }

    fn send_all(&self, from: u64, to: u64) -> Result<()> {
        (from..to).try_for_each(|number| self.send(number, 0))
    }

    fn send_on_schedule(&self, meeting: &Meeting) -> Result<()> {
        let mut late = histogram();
        let interval = 1e9 / self.options.rate;
        let start = now() + 1_000_000;
        for number in 0..self.options.all() {
            let due = start + (number as f64 * interval) as u64;
            let mut at = now();
            while at < due {
                std::hint::spin_loop();
                at = now();
            }
            self.send(number, due)?;
            if number >= self.options.warm {
                late.record(at - due).map_err(said)?;
            }
            if number == self.options.warm {
                meeting.begun.set(due);
            }
        }
        for (word, (_, quantile)) in meeting.late.iter().zip(POINTS) {
            word.set(late.value_at_quantile(quantile));
        }
        Ok(())
    }
}

fn run_sender(options: &Options, receiver: u32) -> Result<()> {
    system::end_with_parent();
    let meeting = Meeting::open(&options.directory)?;
    let service = service(receiver)?;
    let publisher = service
        .publisher_builder()
        .initial_max_slice_len(options.size)
        .backpressure_strategy(BackpressureStrategy::RetryUntilDelivered)
        .set_backpressure_handler(|_| BackpressureAction::Retry)
        .create()
        .map_err(said)?;
    system::pin(options.sender_cpu)?;
    let sender = Sender { publisher, options, records: Records::new(options.size) };
    meeting.meet();
    if options.latency {
        sender.send_on_schedule(meeting)?;
    } else {
        sender.send_all(0, options.warm)?;
        meeting.warm.wait();
        meeting.begun.set(now());
        sender.send_all(options.warm, options.all())?;
    }
    meeting.done.wait();
    Ok(())
}

// ---- the receiver ---------------------------------------------------------------------------------

struct Receiver<'a> {
    subscriber: Subscriber<ipc::Service, [u8], ()>,
    options: &'a Options,
    records: Records,
    child: Child,
    times: Histogram<u64>,
}

impl Receiver<'_> {
    fn look_after_sender(&mut self, since: u64) -> Result<()> {
        if self.child.try_wait().map_err(said)?.is_some() {
            return Err("the sender ended".into());
        }
        if now() - since > PATIENCE {
            return Err("no record came for 30 seconds".into());
        }
        Ok(())
    }

    fn receive(&mut self, from: u64, to: u64) -> Result<()> {
        for number in from..to {
            let mut since = 0;
            let mut tries: u32 = 0;
            let sample = loop {
                if let Some(sample) = self.subscriber.receive().map_err(said)? {
                    break sample;
                }
                std::hint::spin_loop();
                tries = tries.wrapping_add(1);
                if tries % (1 << 20) == 0 {
                    since = if since == 0 { now() } else { since };
                    self.look_after_sender(since)?;
                }
            };
            let due = self.records.check(&sample, number)?;
            if self.options.latency && number >= self.options.warm {
                self.times.record(now() - due).map_err(said)?;
            }
        }
        Ok(())
    }

    fn report(&self, seconds: f64, meeting: &Meeting) -> String {
        let o = self.options;
        let mode = if o.latency { "latency" } else { "throughput" };
        let mut text = format!(
            "{{\"mode\": \"{mode}\", \"peer\": \"iceoryx2\", \"profile\": \"default\", \"persistent\": false, \
             \"size\": {}, \"warm\": {}, \"records\": {}, \"bytes\": {}, \"seconds\": {seconds:.6}, \
             \"rate\": {:.0}, \"missing\": 0, \"wrong\": 0",
            o.size, o.warm, o.count, o.count * o.size as u64, o.count as f64 / seconds
        );
        if o.latency {
            for (name, quantile) in POINTS {
                text += &format!(", \"{name}\": {:.3}", self.times.value_at_quantile(quantile) as f64 / 1e3);
            }
            for ((name, _), word) in POINTS.iter().zip(&meeting.late) {
                text += &format!(", \"late_{name}\": {:.3}", word.get() as f64 / 1e3);
            }
        }
        text + "}"
    }
}

fn run_receiver(options: &Options, words: &[String]) -> Result<()> {
    let meeting = Meeting::open(&options.directory)?;
    let own = std::process::id();
    let service = service(own)?;
    let subscriber = service.subscriber_builder().buffer_size(BUFFER).create().map_err(said)?;
    let child = Command::new(std::env::current_exe().map_err(said)?)
        .args(words)
        .args(["--receiver", &own.to_string()])
        .spawn()
        .map_err(said)?;
    system::pin(options.receiver_cpu)?;
    let records = Records::new(options.size);
    let mut receiver = Receiver { subscriber, options, records, child, times: histogram() };
    meeting.meet();
    receiver.receive(0, options.warm)?;
    meeting.warm.set(1);
    receiver.receive(options.warm, options.all())?;
    let seconds = (now() - meeting.begun.get()) as f64 / 1e9;
    meeting.done.set(1);
    if !receiver.child.wait().map_err(said)?.success() {
        return Err("the sender failed".into());
    }
    println!("{}", receiver.report(seconds, meeting));
    std::fs::remove_file(format!("{}/meeting", options.directory)).map_err(said)
}

fn main() -> ExitCode {
    set_log_level(LogLevel::Error);
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = Options::parse(&words).and_then(|options| match options.receiver {
        Some(receiver) => run_sender(&options, receiver),
        None => run_receiver(&options, &words),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            eprintln!("iceoryx2: {text}");
            ExitCode::FAILURE
        }
    }
}
