//! The words of the command line: throughput|latency --NAME VALUE...

use crate::records::{HEADER, LARGEST};

pub struct Options {
    pub latency: bool,
    pub size: usize,
    pub count: u64,
    pub warm: u64,
    pub rate: f64,
    pub directory: String,
    pub sender_cpu: usize,
    pub receiver_cpu: usize,
    /// Process that receives, where this one is its child.
    pub receiver: Option<u32>,
}

const USAGE: &str = "usage: throughput|latency --size N --count N --directory D [--warm N] [--rate R] \
                     [--profile default] [--cpus SENDER,RECEIVER]";

fn number<T: std::str::FromStr>(word: &str) -> Result<T, String> {
    word.parse().map_err(|_| format!("{word} is not a number; {USAGE}"))
}

impl Options {
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let latency = match words.first().map(String::as_str) {
            Some("latency") => true,
            Some("throughput") => false,
            _ => return Err(USAGE.into()),
        };
        let mut options = Options {
            latency,
            size: 100,
            count: 1_000_000,
            warm: 0,
            rate: 100_000.0,
            directory: String::new(),
            sender_cpu: 0,
            receiver_cpu: 1,
            receiver: None,
        };
        for pair in words[1..].chunks(2) {
            let [name, value] = pair else { return Err(USAGE.into()) };
            options.set(name, value)?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        match name {
            "--size" => self.size = number(value)?,
            "--count" => self.count = number(value)?,
            "--warm" => self.warm = number(value)?,
            "--rate" => self.rate = number(value)?,
            "--directory" => self.directory = value.into(),
            "--receiver" => self.receiver = Some(number(value)?),
            "--profile" if value == "default" => (),
            "--cpus" => {
                let (sender, receiver) = value.split_once(',').ok_or(USAGE)?;
                self.sender_cpu = number(sender)?;
                self.receiver_cpu = number(receiver)?;
            }
            _ => return Err(format!("{name} {value} is unknown; {USAGE}")),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        let size_fits = (HEADER..=LARGEST).contains(&self.size);
        if !size_fits || self.count == 0 || self.rate <= 0.0 || self.directory.is_empty() {
            let text = format!("--size is {HEADER} to {LARGEST}, --count and --rate are above 0");
            return Err(text + ", --directory is there");
        }
        Ok(())
    }

    pub fn all(&self) -> u64 {
        self.warm + self.count
    }
}
