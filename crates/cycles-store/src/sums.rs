//! Checksums of the ledger's pages. SQLite notices a page that is no page, but
//! not an amount with a bit flipped; with these, every byte counts.
//!
//! Only a checkpoint writes to the ledger itself. The pages that it is about to
//! write stand in SQLite's log until a later commit, so a checksum that a crash
//! kept from being written belongs to a page that the log still has.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::log;

const MAGIC: [u8; 8] = *b"CYCSUMS1";
/// The magic, and how many transactions the ledger had.
const HEADER: u64 = 16;
/// Of one page.
const SUM: u64 = 4;
/// Read at once while everything is checked; a multiple of every page's size.
const CHUNK: usize = 1 << 20;

/// The file with the checksums.
#[derive(Debug)]
pub(crate) struct Sums {
    ledger: PathBuf,
    file: File,
}

/// What a check found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Every page is as it was written.
    Sound,
    /// The first page that is not; and the transactions that the checksums know.
    Differs { page: u64, pages: u64, known_batch: u64 },
    /// There are no checksums.
    Unknown,
}

impl Sums {
    pub(crate) fn open(ledger: &Path, path: &Path) -> io::Result<Self> {
        let file =
            File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        Ok(Self { ledger: ledger.to_owned(), file })
    }

    /// Notes how the pages are now, `batch` transactions after the beginning.
    pub(crate) fn update(&self, pages: &BTreeSet<u32>, batch: u64) -> io::Result<()> {
        let ledger = File::open(&self.ledger)?;
        let size = page_size(&ledger)?;
        let mut page = vec![0; size];
        // Pages stand side by side often enough to be noted together.
        let (mut first, mut sums) = (0, Vec::new());
        for &number in pages {
            let index = u64::from(number.saturating_sub(1));
            if index != first + sums.len() as u64 / SUM {
                self.note(first, &sums)?;
                (first, sums) = (index, Vec::new());
            }
            let sum = match ledger.read_exact_at(&mut page, index * size as u64) {
                Ok(()) => sum(&page),
                // Not in the ledger yet: a reader still needs the older state.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                Err(error) => return Err(error),
            };
            sums.extend(sum.to_le_bytes());
        }
        self.note(first, &sums)?;
        self.seal(batch)
    }

    /// Notes how all pages are now.
    pub(crate) fn rebuild(&self, batch: u64) -> io::Result<()> {
        self.file.set_len(0)?;
        each_page(&self.ledger, |index, page| {
            self.note(index, &sum(page).to_le_bytes()).map(|()| true)
        })?;
        self.seal(batch)
    }

    /// Notes the sums of pages that stand side by side.
    fn note(&self, first: u64, sums: &[u8]) -> io::Result<()> {
        self.file.write_all_at(sums, HEADER + first * SUM)
    }

    fn seal(&self, batch: u64) -> io::Result<()> {
        self.file.write_all_at(&MAGIC, 0)?;
        self.file.write_all_at(&batch.to_le_bytes(), 8)?;
        self.file.sync_all()
    }
}

/// Compares the ledger with its checksums, but for the pages that its log has.
pub(crate) fn check(ledger: &Path, sums: &Path, log: &Path) -> io::Result<Found> {
    let noted = match fs::read(sums) {
        Ok(noted) => noted,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Unknown),
        Err(error) => return Err(error),
    };
    let Some((header, noted)) = noted.split_at_checked(16).filter(|(it, _)| it[..8] == MAGIC)
    else {
        return Ok(Found::Unknown);
    };
    let known_batch = u64::from_le_bytes(header[8..].try_into().unwrap_or_default());
    let noted: Vec<_> = noted
        .chunks_exact(4)
        .map(|sum| u32::from_le_bytes(sum.try_into().unwrap_or_default()))
        .collect();
    let in_log = log::pages(log)?;
    let is_exempt = |index: u64| u32::try_from(index + 1).is_ok_and(|page| in_log.contains(&page));
    let (mut pages, mut wrong) = (0, None);
    each_page(ledger, |index, page| {
        pages = index + 1;
        let noted = usize::try_from(index).ok().and_then(|index| noted.get(index)).copied();
        // 0 stands for a page that nothing was written to.
        let is_right = noted.is_none_or(|noted| noted == 0 || noted == sum(page));
        if !is_right && !is_exempt(index) {
            wrong = Some(index + 1);
        }
        Ok(wrong.is_none())
    })?;
    // A file that was cut off lacks its last pages.
    let lacks = |(index, noted): (u64, &u32)| {
        (index >= pages && *noted != 0 && !is_exempt(index)).then_some(index + 1)
    };
    let wrong = wrong.or_else(|| (0..).zip(&noted).find_map(lacks));
    Ok(match wrong {
        Some(page) => Found::Differs { page, pages: noted.len() as u64, known_batch },
        None => Found::Sound,
    })
}

/// Shows every whole page to `look` until it says `false`.
fn each_page(
    ledger: &Path,
    mut look: impl FnMut(u64, &[u8]) -> io::Result<bool>,
) -> io::Result<()> {
    let mut file = File::open(ledger)?;
    let size = page_size(&file)?;
    let mut chunk = vec![0; CHUNK];
    let mut index = 0;
    loop {
        let length = fill(&mut file, &mut chunk)?;
        for page in chunk[..length].chunks_exact(size) {
            if !look(index, page)? {
                return Ok(());
            }
            index += 1;
        }
        if length < CHUNK {
            return Ok(());
        }
    }
}

fn fill(file: &mut File, chunk: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < chunk.len() {
        match file.read(&mut chunk[length..])? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// SQLite's file format, 1.3.2: two bytes at offset 16, and 1 for 65,536.
fn page_size(ledger: &File) -> io::Result<usize> {
    let mut bytes = [0; 2];
    match ledger.read_exact_at(&mut bytes, 16) {
        Ok(()) => {}
        // A file that is empty yet.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(4096),
        Err(error) => return Err(error),
    }
    let size = match u16::from_be_bytes(bytes) {
        1 => 65_536,
        size => usize::from(size),
    };
    Ok(if size.is_power_of_two() && size >= 512 { size } else { 4096 })
}

fn sum(page: &[u8]) -> u32 {
    crc32fast::hash(page)
}
