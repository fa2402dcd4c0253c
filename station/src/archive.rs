//! An app appended to the program's own file, so that an event needs only one file.
//!
//! ```text
//! program │ archive: names and contents (postcard) │ SHA-256 of the archive │ its length │ MAGIC
//! ```
//!
//! Operating systems load only what a program's header names and ignore what follows. So a program with an app is made
//! by copying this one and appending to it: no compiler is needed, and the same program serves any app. The contents
//! are compressed when the archive is made, as well as possible, since that is done once.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::static_files::{App, CODINGS, Coding, Files, read_files};

/// The last bytes of a program with an app.
const MAGIC: &[u8; 8] = b"MQTTCRW1";
const DIGEST_BYTES: usize = 32;
const LENGTH_BYTES: usize = 8;
const TRAILER_BYTES: u64 = (DIGEST_BYTES + LENGTH_BYTES + MAGIC.len()) as u64;

/// Media types that are compressed already.
const PACKED_ENDINGS: [&str; 4] = [".woff2", ".png", ".br", ".gz"];
/// The highest quality of brotli.
const BROTLI_QUALITY: u32 = 11;
/// The largest window that every browser accepts, as a power of two.
const BROTLI_WINDOW: u32 = 22;

/// Returns the app at the end of this program; without files if there is none.
pub(crate) fn own_app() -> anyhow::Result<App> {
    let path = own_path()?;
    let unreadable = || format!("can't read this program's own file {}", path.display());
    let mut file = File::open(&path).with_context(unreadable)?;
    let Some(trailer) = Trailer::read(&mut file).with_context(unreadable)? else { return Ok(App::default()) };
    file.seek(SeekFrom::Start(trailer.start)).with_context(unreadable)?;
    let mut archive = Vec::new();
    file.take(trailer.length).read_to_end(&mut archive).with_context(unreadable)?;
    let damaged = || {
        let path = path.display();
        format!(
            "the app inside {path} is damaged: download or build this program again (`cargo xtask dist`), or use --dist"
        )
    };
    anyhow::ensure!(Sha256::digest(&archive)[..] == trailer.digest, damaged());
    let files: Files = postcard::from_bytes(&archive).with_context(damaged)?;
    Ok(App::new(&files))
}

/// Copies this program to `target` and appends the app of a directory; returns the number of bytes the app takes there.
///
/// # Errors
/// Fails when the directory or this program can't be read, or when the new one can't be written.
pub fn embed(directory: &Path, target: &Path) -> anyhow::Result<u64> {
    let files = compressed(read_files(directory)?);
    let archive = postcard::to_allocvec(&files).context("packing the app")?;
    let own = own_path()?;
    let unreadable = || format!("can't read this program's own file {}", own.display());
    let mut file = File::open(&own).with_context(unreadable)?;
    let program_bytes = match Trailer::read(&mut file).with_context(unreadable)? {
        Some(trailer) => trailer.start,
        None => file.seek(SeekFrom::End(0)).with_context(unreadable)?,
    };
    file.rewind().with_context(unreadable)?;
    let permissions = file.metadata().with_context(unreadable)?.permissions();

    // Written under another name first: a running program can't be written to, and a half-written one must never take
    // its place.
    let mut name = target.as_os_str().to_owned();
    name.push(".part");
    let part = PathBuf::from(name);
    let write = || {
        let mut new = File::create(&part)?;
        io::copy(&mut file.take(program_bytes), &mut new)?;
        new.write_all(&archive)?;
        new.write_all(&Sha256::digest(&archive))?;
        new.write_all(&(archive.len() as u64).to_le_bytes())?;
        new.write_all(MAGIC)?;
        new.set_permissions(permissions)?;
        new.sync_all()?;
        fs::rename(&part, target)
    };
    write().with_context(|| format!("can't write {}", target.display()))?;
    Ok(archive.len() as u64)
}

fn own_path() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("can't locate this program's own file")
}

/// The position of the archive at the end of a program, and its expected digest.
struct Trailer {
    start: u64,
    length: u64,
    digest: [u8; DIGEST_BYTES],
}

impl Trailer {
    /// Returns `None` if there is no archive.
    fn read(file: &mut File) -> io::Result<Option<Self>> {
        let Some(end) = file.seek(SeekFrom::End(0))?.checked_sub(TRAILER_BYTES) else { return Ok(None) };
        file.seek(SeekFrom::Start(end))?;
        let (mut digest, mut length, mut magic) = ([0; DIGEST_BYTES], [0; LENGTH_BYTES], [0; MAGIC.len()]);
        file.read_exact(&mut digest)?;
        file.read_exact(&mut length)?;
        file.read_exact(&mut magic)?;
        let length = u64::from_le_bytes(length);
        // The digest detects a damaged length.
        Ok((magic == *MAGIC).then(|| Self { start: end.saturating_sub(length), length, digest }))
    }
}

/// Adds the compressed forms of each file, where they are shorter.
fn compressed(mut files: Files) -> Files {
    let names: Vec<String> = files.keys().cloned().collect();
    for name in names.into_iter().filter(|name| !PACKED_ENDINGS.iter().any(|ending| name.ends_with(ending))) {
        let content = files[&name].clone();
        for coding in CODINGS {
            let packed = compress(&content, coding);
            if packed.len() < content.len() {
                files.insert(format!("{name}{}", coding.ending), packed.into());
            }
        }
    }
    files
}

fn compress(content: &[u8], coding: Coding) -> Vec<u8> {
    const MEMORY: &str = "writing to memory doesn't fail";
    if coding.name == "gzip" {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(content).expect(MEMORY);
        return encoder.finish().expect(MEMORY);
    }
    let mut packed = Vec::new();
    let mut encoder = brotli::CompressorWriter::new(&mut packed, 4096, BROTLI_QUALITY, BROTLI_WINDOW);
    encoder.write_all(content).expect(MEMORY);
    drop(encoder);
    packed
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use bytes::Bytes;

    use super::*;

    fn files(files: &[(&str, &[u8])]) -> Files {
        files.iter().map(|(name, content)| ((*name).to_owned(), Bytes::copy_from_slice(content))).collect()
    }

    #[test]
    fn files_are_compressed_where_that_is_smaller() {
        let long = b"crawl ".repeat(100);
        let all = compressed(files(&[("/a.js", &long), ("/b.css", b"x"), ("/c.png", &long)]));
        assert_eq!(all.keys().collect::<Vec<_>>(), ["/a.js", "/a.js.br", "/a.js.gz", "/b.css", "/c.png"]);
        let mut read = Vec::new();
        brotli::Decompressor::new(&all["/a.js.br"][..], 4096).read_to_end(&mut read).expect("it is brotli");
        assert_eq!(read, long);
        read.clear();
        flate2::read::GzDecoder::new(&all["/a.js.gz"][..]).read_to_end(&mut read).expect("it is gzip");
        assert_eq!(read, long);
    }
}
