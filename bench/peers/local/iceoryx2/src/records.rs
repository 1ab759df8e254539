//! A record: its number, the time when it was due, and bytes out of a fixed noise that follow from its number.

pub const HEADER: usize = 16;
pub const LARGEST: usize = 64 << 10;
const PLACES: usize = 4096;

pub struct Records {
    noise: Vec<u8>,
    size: usize,
}

impl Records {
    pub fn new(size: usize) -> Self {
        let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        Records { noise: (0..PLACES + LARGEST).map(|_| next()).collect(), size }
    }

    fn body(&self, number: u64) -> &[u8] {
        let from = number as usize % PLACES;
        &self.noise[from..from + self.size - HEADER]
    }

    pub fn fill(&self, record: &mut [u8], number: u64, due: u64) {
        record[..8].copy_from_slice(&number.to_le_bytes());
        record[8..HEADER].copy_from_slice(&due.to_le_bytes());
        record[HEADER..].copy_from_slice(self.body(number));
    }

    /// Checks a record and returns when it was due.
    pub fn check(&self, record: &[u8], number: u64) -> Result<u64, String> {
        if record.len() != self.size {
            return Err(format!("record {number} has {} bytes", record.len()));
        }
        let found = u64::from_le_bytes(record[..8].try_into().unwrap());
        if found != number {
            return Err(format!("record {found} came, not {number}"));
        }
        if &record[HEADER..] != self.body(number) {
            return Err(format!("record {number} has other bytes than were sent"));
        }
        Ok(u64::from_le_bytes(record[8..HEADER].try_into().unwrap()))
    }
}
