//! Serves the emulated box's bus: a byte on the bell line, the request in shared memory, the answer beside it.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use tournee_devices::{Nack, Op};

use super::Bus;
use super::layout::{
    OP_HEAD_BYTES, OP_READ, OP_WRITE, REPLY, REQUEST, STATUS_BAD_REQUEST, STATUS_NACK_ADDRESS, STATUS_NACK_DATA,
    STATUS_OK, TRANSFER_BYTES, TRANSFER_HEAD_BYTES,
};
use super::memory::Memory;

/// What the bus has done since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusCounters {
    /// Transactions that the parts took.
    pub done: u64,
    /// Transactions that no part took, or not all of.
    pub refused: u64,
    /// Requests that were not answered, because the bus was paused.
    pub ignored: u64,
    /// Requests that made no sense.
    pub bad: u64,
}

#[derive(Debug, Default)]
pub(super) struct BusState {
    pub(super) paused: AtomicBool,
    done: AtomicU64,
    refused: AtomicU64,
    ignored: AtomicU64,
    bad: AtomicU64,
}

impl BusState {
    pub(super) fn counters(&self) -> BusCounters {
        BusCounters {
            done: self.done.load(Ordering::Relaxed),
            refused: self.refused.load(Ordering::Relaxed),
            ignored: self.ignored.load(Ordering::Relaxed),
            bad: self.bad.load(Ordering::Relaxed),
        }
    }
}

/// Serves until the bell line ends. `start` is the zero of the time that the parts see.
pub(super) fn serve(
    mut bell: UnixStream,
    memory: &Memory,
    state: &Arc<BusState>,
    start: Instant,
    mut bus: Bus,
) -> io::Result<()> {
    let mut rings = [0; 64];
    let mut last = 0;
    while bell.read(&mut rings)? > 0 {
        if state.paused.load(Ordering::Relaxed) {
            state.ignored.fetch_add(1, Ordering::Relaxed);
            continue;
        }
        let Some((number, request)) = take(memory, last)? else { continue };
        last = number;
        let now_us = u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let reply = answer(&request, |address, ops| bus(now_us, address, ops));
        let count = match reply.first() {
            Some(&STATUS_OK) => &state.done,
            Some(&(STATUS_NACK_ADDRESS | STATUS_NACK_DATA)) => &state.refused,
            _ => &state.bad,
        };
        count.fetch_add(1, Ordering::Relaxed);
        // The number last: it is what makes the rest a reply.
        memory.write(REPLY + 4, &reply)?;
        memory.write(REPLY, &number.to_le_bytes())?;
        bell.write_all(&number.to_le_bytes()[..1])?;
    }
    Ok(())
}

/// The request that stands in memory, if it is a new and whole one: while the box writes, its number is 0 or changes,
/// and the bell for that request is still to come.
fn take(memory: &Memory, last: u32) -> io::Result<Option<(u32, Vec<u8>)>> {
    let number = memory.read_word(REQUEST)?;
    if number == 0 || number == last {
        return Ok(None);
    }
    let mut request = vec![0; TRANSFER_BYTES - 4];
    memory.read(REQUEST + 4, &mut request)?;
    Ok((memory.read_word(REQUEST)? == number).then_some((number, request)))
}

/// The reply from its status on.
fn answer(request: &[u8], transaction: impl FnOnce(u8, &mut [Op<'_>]) -> Result<(), Nack>) -> Vec<u8> {
    let (status, data) = run(request, transaction).unwrap_or((STATUS_BAD_REQUEST, Vec::new()));
    let [low, high] = u16::try_from(data.len()).unwrap_or_default().to_le_bytes();
    let mut reply = vec![status, 0, low, high];
    reply.extend_from_slice(&data);
    reply
}

/// Nothing when the request is not one.
fn run(request: &[u8], transaction: impl FnOnce(u8, &mut [Op<'_>]) -> Result<(), Nack>) -> Option<(u8, Vec<u8>)> {
    let address = *request.first()?;
    let count = *request.get(1)?;
    let mut rest = request.get(4..)?;
    let mut parts = Vec::with_capacity(usize::from(count));
    let mut answer_bytes = 0_usize;
    for _ in 0..count {
        let (head, tail) = rest.split_first_chunk::<OP_HEAD_BYTES>()?;
        let len = usize::from(u16::from_le_bytes([head[2], head[3]]));
        match head[0] {
            OP_WRITE => {
                parts.push((Some(tail.get(..len)?), len));
                rest = tail.get(len..)?;
            }
            OP_READ => {
                parts.push((None, len));
                answer_bytes += len;
                rest = tail;
            }
            _ => return None,
        }
    }
    if answer_bytes > TRANSFER_BYTES - TRANSFER_HEAD_BYTES {
        return None;
    }
    let mut data = vec![0; answer_bytes];
    let mut free = data.as_mut_slice();
    let mut ops = Vec::with_capacity(parts.len());
    for (bytes, len) in parts {
        ops.push(match bytes {
            Some(bytes) => Op::Write(bytes),
            None => {
                let (buffer, others) = free.split_at_mut_checked(len)?;
                free = others;
                Op::Read(buffer)
            }
        });
    }
    let result = transaction(address, &mut ops);
    drop(ops);
    Some(match result {
        Ok(()) => (STATUS_OK, data),
        Err(Nack::Address) => (STATUS_NACK_ADDRESS, Vec::new()),
        Err(Nack::Data) => (STATUS_NACK_DATA, Vec::new()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(address: u8, count: u8) -> Vec<u8> {
        vec![address, count, 0, 0]
    }

    #[test]
    fn a_write_and_two_reads_come_as_such_and_their_bytes_go_back_in_order() {
        let mut request = head(0x33, 3);
        request.extend([OP_WRITE, 0, 2, 0, 0x24, 0x00, OP_READ, 0, 3, 0, OP_READ, 0, 1, 0]);
        let reply = answer(&request, |address, ops| {
            assert_eq!(address, 0x33);
            let [Op::Write([0x24, 0x00]), Op::Read(first), Op::Read(second)] = ops else {
                panic!("other operations: {ops:?}")
            };
            first.copy_from_slice(&[1, 2, 3]);
            second.copy_from_slice(&[4]);
            Ok(())
        });
        assert_eq!(reply, [STATUS_OK, 0, 4, 0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_refusal_carries_no_bytes() {
        let mut request = head(0x62, 1);
        request.extend([OP_READ, 0, 9, 0]);
        assert_eq!(answer(&request, |_, _| Err(Nack::Data)), [STATUS_NACK_DATA, 0, 0, 0]);
        assert_eq!(answer(&request, |_, _| Err(Nack::Address)), [STATUS_NACK_ADDRESS, 0, 0, 0]);
    }

    #[test]
    fn what_is_no_request_reaches_no_part() {
        let unknown = [head(1, 1), vec![7, 0, 1, 0, 9]].concat();
        let cut = [head(1, 1), vec![OP_WRITE, 0, 2, 0, 9]].concat();
        let too_many = [head(1, 2), vec![OP_READ, 0, 1, 0]].concat();
        let too_long = [head(1, 1), vec![OP_READ, 0, 0xFF, 0xFF]].concat();
        for request in [Vec::new(), unknown, cut, too_many, too_long] {
            let reply = answer(&request, |_, _| panic!("a part was asked"));
            assert_eq!(reply, [STATUS_BAD_REQUEST, 0, 0, 0], "{request:?}");
        }
    }
}
