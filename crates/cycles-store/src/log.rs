//! SQLite's write-ahead log, as far as it says which pages it has
//! (SQLite's file format, 4).

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;

/// The pages in the log; none where there is no log. Frames that a crash cut
/// off count too.
pub(crate) fn pages(log: &Path) -> io::Result<BTreeSet<u32>> {
    let file = match File::open(log) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        Err(error) => return Err(error),
    };
    let mut pages = BTreeSet::new();
    let mut header = [0; HEADER];
    if !read(&file, &mut header, 0)? {
        return Ok(pages);
    }
    let size = u64::from(number(&header[8..12]));
    let salts = &header[16..24];
    let mut frame = [0; FRAME_HEADER];
    let mut offset = HEADER as u64;
    // Frames of an earlier round have other salts.
    while read(&file, &mut frame, offset)? && frame[8..16] == *salts {
        pages.insert(number(&frame[..4]));
        offset += FRAME_HEADER as u64 + size;
    }
    Ok(pages)
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_be_bytes)
}

/// Whether there was so much to read.
fn read(file: &File, into: &mut [u8], offset: u64) -> io::Result<bool> {
    match file.read_exact_at(into, offset) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
