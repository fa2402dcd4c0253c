//! An app appended to the program's own file, so that an event needs only one file.
//!
//! ```text
//! program │ archive: names and contents (postcard) │ SHA-256 of the archive │ its length │ MAGIC
//! ```
//!
//! Operating systems ignore what follows a program in its file, so a copy with an app needs no compiler. The contents
//! are compressed as well as possible, since that is done once.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::Compression;
use flate2::read::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::static_files::{CODINGS, Files, read_files};

/// The last bytes of a program with an app.
const MAGIC: &[u8] = b"MQTTCRW1";

/// Media types that are compressed already.
const PACKED_ENDINGS: [&str; 4] = [".woff2", ".png", ".br", ".gz"];
/// The highest quality of brotli.
const BROTLI_QUALITY: u32 = 11;
/// The largest window that every browser accepts, as a power of two.
const BROTLI_WINDOW: u32 = 22;

/// Returns the files of the app at the end of this program; none if there is no app.
pub(crate) fn own_files() -> anyhow::Result<Files> {
    let (path, file) = own_file()?;
    let Some((_, archive, digest)) = split(&file) else { return Ok(Files::new()) };
    let damaged = || {
        let path = path.display();
        format!(
            "the app inside {path} is damaged: download or build this program again (`cargo xtask dist`), or use --dist"
        )
    };
    anyhow::ensure!(Sha256::digest(archive)[..] == *digest, damaged());
    postcard::from_bytes(archive).with_context(damaged)
}

/// Copies this program to `target` and appends the app of a directory; returns the number of bytes the app takes there.
///
/// # Errors
/// Fails when the directory or this program can't be read, or when the new one can't be written.
pub fn embed(directory: &Path, target: &Path) -> anyhow::Result<u64> {
    let files = compressed(read_files(directory)?);
    let archive = postcard::to_allocvec(&files).context("packing the app")?;
    let (path, file) = own_file()?;
    let program = split(&file).map_or(&file[..], |(program, ..)| program);
    let (digest, length) = (Sha256::digest(&archive), archive.len() as u64);

    // Written under another name first: a running program can't be written to, and a half-written one must never take
    // its place.
    let mut part = target.as_os_str().to_owned();
    part.push(".part");
    let write = || {
        let mut new = File::create(&part)?;
        for bytes in [program, &archive, &digest, &length.to_le_bytes(), MAGIC] {
            new.write_all(bytes)?;
        }
        new.set_permissions(fs::metadata(&path)?.permissions())?;
        new.sync_all()?;
        fs::rename(&part, target)
    };
    write().with_context(|| format!("can't write {}", target.display()))?;
    Ok(length)
}

/// Reads this program's own file.
fn own_file() -> anyhow::Result<(PathBuf, Vec<u8>)> {
    let path = std::env::current_exe().context("can't locate this program's own file")?;
    let file = fs::read(&path).with_context(|| format!("can't read this program's own file {}", path.display()))?;
    Ok((path, file))
}

/// Returns the program in a file, the archive behind it and its expected digest; `None` if there is no archive.
fn split(file: &[u8]) -> Option<(&[u8], &[u8], &[u8; 32])> {
    let (rest, length) = file.strip_suffix(MAGIC)?.split_last_chunk()?;
    let (rest, digest) = rest.split_last_chunk()?;
    // The digest detects a damaged length.
    let (program, archive) = rest.split_at(rest.len().saturating_sub(u64::from_le_bytes(*length) as usize));
    Some((program, archive, digest))
}

/// Adds the compressed forms of each file, where they are shorter.
fn compressed(mut files: Files) -> Files {
    let names: Vec<String> = files.keys().cloned().collect();
    for name in names.into_iter().filter(|name| !PACKED_ENDINGS.iter().any(|ending| name.ends_with(ending))) {
        let content = files[&name].clone();
        for (coding, ending) in CODINGS {
            let packed = compress(&content, coding);
            if packed.len() < content.len() {
                files.insert(format!("{name}{ending}"), packed.into());
            }
        }
    }
    files
}

fn compress(content: &[u8], coding: &str) -> Vec<u8> {
    let mut packed = Vec::new();
    let read = match coding {
        "gzip" => GzEncoder::new(content, Compression::best()).read_to_end(&mut packed),
        _ => brotli::CompressorReader::new(content, 4096, BROTLI_QUALITY, BROTLI_WINDOW).read_to_end(&mut packed),
    };
    read.expect("reading from memory doesn't fail");
    packed
}

#[cfg(test)]
mod tests {
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
