//! The built app, in memory: from the directory of `--dist` or from the end of this program's own file (see
//! [`crate::archive`]), with the headers that browsers get for each file.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use hyper::header::HeaderValue;
use sha2::{Digest as _, Sha256};
use walkdir::{DirEntry, WalkDir};

use crate::limits::APP_BYTES_MAX;

/// The content codings that a file may be available in, the best first: its name in HTTP, and the extension that it adds
/// to the name of a file.
pub(crate) const CODINGS: [(&str, &str); 2] = [("br", ".br"), ("gzip", ".gz")];

/// The files of an app by their path from its root, such as `/index.html`. A compressed file is next to its original.
pub(crate) type Files = BTreeMap<String, Bytes>;

/// Reads everything below the directory of `--dist`, except compressed files older than their originals, files whose
/// name begins with a dot, and links that lead out of it.
pub(crate) fn read_files(directory: &Path) -> anyhow::Result<Files> {
    let shown = directory.display();
    anyhow::ensure!(
        directory.join("index.html").is_file(),
        "no index.html in {shown}; build the app with `cargo xtask dist`, or omit --dist to serve MQTT only"
    );
    let unreadable = || format!("can't read {shown}");
    let root = directory.canonicalize().with_context(unreadable)?;
    let leads_to_own_file = |link: &Path| link.canonicalize().is_ok_and(|to| to.is_file() && to.starts_with(&root));
    let is_served = |entry: &DirEntry| {
        let is_hidden = entry.depth() > 0 && entry.file_name().to_string_lossy().starts_with('.');
        let is_served = !is_hidden && (!entry.path_is_symlink() || leads_to_own_file(entry.path()));
        if !is_served {
            tracing::warn!(file = %entry.path().display(), "not served: a dot file, or a link that leads out of --dist");
        }
        is_served
    };
    let modified = |path: &Path| path.metadata().and_then(|metadata| metadata.modified()).ok();
    let (mut files, mut bytes_left) = (Files::new(), APP_BYTES_MAX);
    for entry in WalkDir::new(&root).into_iter().filter_entry(is_served) {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        let name = path.strip_prefix(&root)?.iter().map(|part| format!("/{}", part.to_string_lossy()));
        let name = name.collect::<String>();
        let is_outdated = original(&name).is_some() && modified(path) < modified(&path.with_extension(""));
        if entry.file_type().is_dir() || is_outdated {
            continue;
        }
        let content = std::fs::read(path).with_context(|| format!("can't read {}", path.display()))?;
        bytes_left = bytes_left.checked_sub(content.len() as u64).with_context(|| {
            format!("{shown} contains more than 64 MiB; --dist expects the folder that `cargo xtask dist` builds")
        })?;
        files.insert(name, content.into());
    }
    Ok(files)
}

/// Returns the name of the file that a compressed file was made from.
fn original(name: &str) -> Option<&str> {
    CODINGS.iter().find_map(|(_, ending)| name.strip_suffix(ending))
}

/// The built app. No request's path ever reaches the file system.
#[derive(Debug)]
pub(crate) struct App {
    /// The files with their `ETag`.
    files: HashMap<String, (Bytes, HeaderValue)>,
    /// The `Content-Security-Policy`.
    pub security_policy: HeaderValue,
}

/// A file as it is sent.
#[derive(Debug)]
pub(crate) struct File<'a> {
    /// Its media type.
    pub kind: HeaderValue,
    /// Its content never changes, because its name would.
    pub is_named_by_content: bool,
    /// Its content coding.
    pub coding: Option<&'static str>,
    pub content: &'a Bytes,
    /// Its `ETag`.
    pub tag: &'a HeaderValue,
}

impl App {
    /// Makes an app whose pages may be shown in frames of these origins.
    pub(crate) fn new(files: Files, allowed_frames: &[String]) -> Self {
        let index = files.get("/index.html").map(|index| String::from_utf8_lossy(index)).unwrap_or_default();
        let security_policy = security_policy(&index, allowed_frames);
        let tagged = |(name, content): (String, Bytes)| {
            let tag = format!("\"{}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(&content)[..12]));
            (name, (content, HeaderValue::from_str(&tag).unwrap_or(HeaderValue::from_static("\"\""))))
        };
        Self { files: files.into_iter().map(tagged).collect(), security_policy }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Returns the file at a path, in the best form that an `Accept-Encoding` accepts. The forms have no path of their
    /// own.
    pub(crate) fn find(&self, path: &str, accepted: &str) -> Option<File<'_>> {
        let path = if path == "/" { "/index.html" } else { path };
        if original(path).is_some_and(|original| self.files.contains_key(original)) {
            return None;
        }
        let plain = self.files.get(path)?;
        let mut codings = CODINGS.iter().filter(|(coding, _)| takes(accepted, coding));
        let packed = codings.find_map(|(coding, ending)| Some((*coding, self.files.get(&format!("{path}{ending}"))?)));
        let (content, tag) = packed.map_or(plain, |(_, form)| form);
        let (kind, is_named_by_content) = (content_type(path), is_named_by_content(Path::new(path)));
        Some(File { kind, is_named_by_content, coding: packed.map(|(coding, _)| coding), content, tag })
    }
}

impl File<'_> {
    /// Whether an `If-None-Match` names it, so that the client has it already.
    pub(crate) fn is_named_in(&self, condition: &str) -> bool {
        condition.split(',').map(str::trim).any(|tag| tag == "*" || tag.trim_start_matches("W/") == self.tag)
    }
}

/// Returns which resources a page and those of its origin may load and run, and whose pages may show them in a frame.
fn security_policy(page: &str, allowed_frames: &[String]) -> HeaderValue {
    let frames = if allowed_frames.is_empty() { "'none'".to_owned() } else { allowed_frames.join(" ") };
    let scripts = inline_scripts(page);
    // `connect-src` is open to every broker, because choosing one is the purpose of the app. Style attributes are
    // allowed, style elements aren't.
    let policy = format!(
        "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'{scripts}; worker-src 'self'; \
         connect-src 'self' ws: wss:; style-src 'self'; style-src-attr 'unsafe-inline'; \
         font-src 'self'; img-src 'self' data:; manifest-src 'self'; base-uri 'none'; \
         form-action 'self'; frame-ancestors {frames}"
    );
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

/// Whether an `Accept-Encoding` accepts a coding (RFC 9110, section 12.5.3).
fn takes(accepted: &str, coding: &str) -> bool {
    let is_taken = |wanted: &str| {
        accepted.split(',').find_map(|choice| {
            let (name, weight) = choice.split_once(';').unwrap_or((choice, ""));
            let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
            name.trim().eq_ignore_ascii_case(wanted).then_some(weight != Some(0.0))
        })
    };
    is_taken(coding).or_else(|| is_taken("*")).unwrap_or(false)
}

/// Whether a name has the hash that Trunk adds to it, without its leading zeros: `page-1ed99b442fcba759_bg.wasm`.
fn is_named_by_content(path: &Path) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = stem.strip_suffix("_bg").unwrap_or(stem);
    let hash = stem.rsplit_once('-').map(|(_, hash)| hash).unwrap_or_default();
    matches!(hash.len(), 14..=16) && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Returns the media type of a file; text is in UTF-8.
fn content_type(name: &str) -> HeaderValue {
    if name.ends_with(".ndjson") {
        // It isn't in the library's list.
        return HeaderValue::from_static("application/x-ndjson");
    }
    let kind = mime_guess::from_path(name).first_or_octet_stream();
    let charset = if kind.type_() == mime_guess::mime::TEXT { "; charset=utf-8" } else { "" };
    HeaderValue::from_str(&format!("{kind}{charset}")).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

/// Returns the hash sources of a page's inline scripts, such as the loader that Trunk writes.
fn inline_scripts(page: &str) -> String {
    let scripts = page.split("</script>").filter_map(|part| part.split_once("<script")?.1.split_once('>'));
    let is_linked =
        |attributes: &str| attributes.split_ascii_whitespace().any(|attribute| attribute.starts_with("src"));
    let inline = scripts.filter(|(attributes, _)| !is_linked(attributes));
    inline.map(|(_, script)| format!(" 'sha256-{}'", STANDARD.encode(Sha256::digest(script)))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(files: &[(&str, &'static str)]) -> App {
        let files = files.iter().map(|(name, content)| ((*name).to_owned(), Bytes::from_static(content.as_bytes())));
        App::new(files.collect(), &[])
    }

    #[test]
    fn best_accepted_encoding_is_sent() {
        let both = app(&[("/a.js", "plain"), ("/a.js.br", "br"), ("/a.js.gz", "gzip")]);
        let check = |accepted: &str, expected: &str| {
            let form = both.find("/a.js", accepted).expect("it is there");
            assert_eq!(form.content, expected, "{accepted:?}");
            assert_eq!(form.coding.unwrap_or("plain"), expected, "{accepted:?}");
        };
        check("", "plain");
        check("gzip, deflate, br, zstd", "br");
        check("gzip", "gzip");
        check("GZIP;q=0.5", "gzip");
        check("br;q=0, *", "gzip");
        check("*", "br");
        check("*;q=0", "plain");
        check("identity", "plain");
        check("br; q=0.0", "plain");
        assert!(both.find("/a.js.br", "").is_none(), "it is a form of a file, and no file");
    }

    #[test]
    fn names_with_a_hash_are_told_from_others() {
        let check = |name: &str, expected: bool| assert_eq!(is_named_by_content(Path::new(name)), expected, "{name}");
        check("/base-2bfe42f939823590.css", true);
        check("/form-588d9868b16672b.css", true);
        check("/page-1ed99b442fcba759_bg.wasm", true);
        check("/service-worker.js", false);
        check("/panels_bg.wasm", false);
        check("/fonts/news-cycle-basic-700-normal.woff2", false);
    }

    #[test]
    fn etag_is_found_in_a_list() {
        let app = app(&[("/a.js", "plain")]);
        let form = app.find("/a.js", "").expect("it is there");
        let tag = form.tag.to_str().expect("a tag is ASCII");
        let check = |condition: &str, expected| assert_eq!(form.is_named_in(condition), expected, "{condition}");
        check(tag, true);
        check(&format!("\"other\", W/{tag}"), true);
        check("*", true);
        check("\"other\"", false);
        check("", false);
    }
}
