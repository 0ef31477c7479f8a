//! The group-synced segment: what a process journals first, many records to a
//! write, before their own files are due (`docs/adr/0005`).
//!
//! The file has two halves that are written in turn, so that space is reused
//! and a sync never has to change the file's size. A frame is a length, a
//! number, a checksum and an operation; a half's frames are numbered without
//! gaps, so that reading ends where the newest write ended.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};

use super::JournalSync;

/// Bytes of each half: some hundred records.
pub(crate) const HALF: usize = 512 << 10;
/// What is left free by those who do not want to begin the other half.
const ROOM_FOR_REMOVALS: usize = 16 << 10;
const LENGTH: usize = 4;
const NUMBER: usize = 8;
const CHECKSUM: usize = 8;
const HEADER: usize = LENGTH + NUMBER + CHECKSUM;
/// How a segment's file is called: nothing that other SDKs read.
pub(crate) const SUFFIX: &str = ".segment";

/// What a frame does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Op<'a> {
    /// The record with this file name is unresolved.
    Put(&'a str, &'a [u8]),
    /// It is resolved, or stands in its own file.
    Remove(&'a str),
}

impl Op<'_> {
    /// Bytes of its frame.
    fn length(&self) -> usize {
        let body = match self {
            Op::Put(name, record) => 1 + name.len() + 1 + record.len(),
            Op::Remove(name) => 1 + name.len(),
        };
        HEADER + body
    }
}

/// A process's segment. Nobody else reads it while its lock is held.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    pub(crate) path: PathBuf,
    half: usize,
    at: usize,
    number: u64,
}

impl Segment {
    /// Takes a file that was just made, and fills it, so that later syncs have
    /// nothing to do but to write.
    pub(crate) fn fill(mut file: File, path: PathBuf) -> io::Result<Self> {
        file.try_lock().map_err(io::Error::from)?;
        file.write_all(&vec![0; 2 * HALF])?;
        file.sync_all()?;
        Ok(Self { file, path, half: 0, at: 0, number: 1 })
    }

    /// Whether `ops`, and as much again as a batch removes, fit the half that is being
    /// written.
    pub(crate) fn has_room_for<'a>(&self, ops: impl Iterator<Item = Op<'a>>) -> bool {
        self.at + ops.map(|op| op.length()).sum::<usize>() + ROOM_FOR_REMOVALS <= HALF
    }

    /// Appends `ops`; where the half is full, what `live` says is unresolved
    /// opens the other one. Answers whether it fitted.
    pub(crate) fn append<'a>(
        &mut self,
        ops: &[Op<'a>],
        live: impl Iterator<Item = Op<'a>>,
        sync: bool,
    ) -> io::Result<bool> {
        let mut bytes = frames(self.number, ops);
        let mut count = ops.len();
        if self.at + bytes.len() > HALF {
            let ops: Vec<_> = live.chain(ops.iter().copied()).collect();
            (bytes, count) = (frames(self.number, &ops), ops.len());
            if bytes.len() > HALF {
                return Ok(false);
            }
            (self.half, self.at) = (1 - self.half, 0);
        }
        self.file.seek(SeekFrom::Start((self.half * HALF + self.at) as u64))?;
        self.file.write_all(&bytes)?;
        if sync {
            self.file.sync_data()?;
        }
        self.at += bytes.len();
        self.number += count as u64;
        Ok(true)
    }
}

fn frames(first: u64, ops: &[Op<'_>]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(ops.iter().map(Op::length).sum());
    for (number, op) in (first..).zip(ops) {
        let body: [&[u8]; 4] = match op {
            Op::Put(name, record) => [b"+", name.as_bytes(), b"\n", record],
            Op::Remove(name) => [b"-", name.as_bytes(), b"", b""],
        };
        let length = body.iter().map(|part| part.len()).sum::<usize>();
        // A record that does not fit a half never gets here.
        bytes.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        bytes.extend_from_slice(&number.to_le_bytes());
        let checksum_at = bytes.len();
        bytes.extend_from_slice(&[0; CHECKSUM]);
        for part in body {
            bytes.extend_from_slice(part);
        }
        let sum = checksum(number, &bytes[checksum_at + CHECKSUM..]);
        bytes[checksum_at..checksum_at + CHECKSUM].copy_from_slice(&sum);
    }
    bytes
}

fn checksum(number: u64, body: &[u8]) -> [u8; CHECKSUM] {
    let digest = Sha256::new().chain_update(number.to_le_bytes()).chain_update(body).finalize();
    let mut sum = [0; CHECKSUM];
    sum.copy_from_slice(&digest[..CHECKSUM]);
    sum
}

/// Whether its process may have counted on it.
pub(crate) fn is_full(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.len() >= 2 * HALF as u64)
}

/// The unresolved records of a segment whose process is gone, by file name.
pub(crate) fn unresolved(file: &mut File) -> io::Result<HashMap<String, Vec<u8>>> {
    let mut bytes = Vec::with_capacity(2 * HALF);
    file.seek(SeekFrom::Start(0))?;
    file.take(2 * HALF as u64).read_to_end(&mut bytes)?;
    let mut runs: Vec<Vec<(u64, &[u8])>> = bytes.chunks(HALF).map(run).collect();
    runs.sort_by_key(|run| run.first().map(|(number, _)| *number));
    let mut records = HashMap::new();
    for (_, body) in runs.into_iter().flatten() {
        let Some((kind, rest)) = body.split_first() else { continue };
        let (name, record) = match rest.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&rest[..end], Some(&rest[end + 1..])),
            None => (rest, None),
        };
        let name = String::from_utf8_lossy(name).into_owned();
        match (kind, record) {
            (b'+', Some(record)) => records.insert(name, record.to_vec()),
            _ => records.remove(&name),
        };
    }
    Ok(records)
}

/// The frames of one half, up to the end of what was written last.
fn run(mut half: &[u8]) -> Vec<(u64, &[u8])> {
    let mut frames: Vec<(u64, &[u8])> = Vec::new();
    while let Some((number, body, rest)) = frame(half) {
        if frames.last().is_some_and(|(last, _)| number != last + 1) {
            break;
        }
        frames.push((number, body));
        half = rest;
    }
    frames
}

fn frame(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let (length, header) = header.split_at(LENGTH);
    let (number, sum) = header.split_at(NUMBER);
    let length = usize::try_from(u32::from_le_bytes(length.try_into().ok()?)).ok()?;
    let number = u64::from_le_bytes(number.try_into().ok()?);
    let (body, rest) = rest.split_at_checked(length)?;
    (length > 0 && sum == checksum(number, body)).then_some((number, body, rest))
}

/// Whether an append has to reach the medium before it counts.
pub(crate) fn must_sync(ops: &[Op<'_>], sync: JournalSync) -> bool {
    // A lost removal only means that a settled record is settled again, with
    // the same key.
    sync == JournalSync::Power && ops.iter().any(|op| matches!(op, Op::Put(..)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn segment() -> (tempfile::TempDir, Segment) {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("s.segment");
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        (root, Segment::fill(file, path).unwrap())
    }

    fn read(segment: &Segment) -> HashMap<String, Vec<u8>> {
        unresolved(&mut File::open(&segment.path).unwrap()).unwrap()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        /// Puts and removals of random sizes, through many turns of the halves:
        /// what is read is what is unresolved.
        #[test]
        fn what_is_unresolved_is_read(steps in proptest::collection::vec((0..12_u8, 0..60_000_usize, any::<bool>()), 1..120)) {
            let (_root, mut segment) = segment();
            let mut live: HashMap<String, Vec<u8>> = HashMap::new();
            for (id, size, put) in steps {
                let name = format!("n{id}");
                let record = vec![b'x'; size / 2];
                let op = if put { Op::Put(&name, &record) } else { Op::Remove(&name) };
                let others = live.iter().map(|(name, record)| Op::Put(name, record));
                if !segment.append(&[op], others, false).unwrap() {
                    continue;
                }
                if put { live.insert(name, record); } else { live.remove(&name); }
                prop_assert_eq!(&read(&segment), &live);
            }
        }

        /// A write that was cut anywhere loses itself and nothing before it.
        #[test]
        fn a_torn_write_loses_only_itself(cut in 0..1_000_usize) {
            let (_root, mut segment) = segment();
            segment.append(&[Op::Put("kept", b"1")], std::iter::empty(), true).unwrap();
            let end = segment.at;
            segment.append(&[Op::Put("torn", &[b'x'; 1_000])], std::iter::empty(), true).unwrap();
            segment.file.seek(SeekFrom::Start((end + cut) as u64)).unwrap();
            segment.file.write_all(&vec![0; HEADER + 1_100]).unwrap();
            prop_assert_eq!(read(&segment).into_keys().collect::<Vec<_>>(), ["kept"]);
        }
    }

    #[test]
    fn a_segment_is_its_process_s_alone() {
        let (_root, segment) = segment();
        let other = File::options().read(true).write(true).open(&segment.path).unwrap();
        assert!(other.try_lock().is_err());
        drop(segment);
        assert!(other.try_lock().is_ok());
    }
}
