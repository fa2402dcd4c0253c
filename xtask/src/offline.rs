//! The service worker: keeps the site in the browser for use without a network.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hasher;
use std::path::Path;

use anyhow::{Context, Result};

use crate::repo::{Repo, files_below};

/// Its name in `dist/`; `src/web/page/service_worker.rs` uses the same one.
const SCRIPT: &str = "service-worker.js";

/// Licences must be served with the fonts, but needn't be available offline.
const LEFT_OUT: &str = ".txt";

/// Writes the service worker of the newly built site into `dist/`.
///
/// Its version is a fingerprint of all files: a browser that finds other bytes under this name knows that there is a
/// newer app.
pub fn write(repo: &Repo) -> Result<()> {
    let dist = repo.dist();
    let mut fingerprint = DefaultHasher::new();
    let mut kept = Vec::new();
    for path in files_below(&dist)? {
        let name = path.strip_prefix(&dist)?.to_string_lossy().replace('\\', "/");
        if name == SCRIPT || name.ends_with(LEFT_OUT) {
            continue;
        }
        fingerprint.write(name.as_bytes());
        fingerprint.write(&fs::read(&path).with_context(|| format!("reading {}", path.display()))?);
        // Browsers request the folder.
        let address = if name == "index.html" { "./" } else { &name };
        kept.push((address.to_owned(), is_hashed(&path)));
    }
    let body = repo.root().join("src/web/page/service_worker.js");
    let body = fs::read_to_string(&body).with_context(|| format!("reading {}", body.display()))?;
    let files = serde_json::to_string(&kept)?;
    let script = format!("const VERSION = \"{:016x}\";\nconst FILES = {files};\n\n{body}", fingerprint.finish());
    fs::write(dist.join(SCRIPT), script).context("writing the service worker")
}

/// Whether Trunk named a file after its content: `base-2bfe42f939823590.css`, `app-1ed99b442fcba759_bg.wasm`.
fn is_hashed(path: &Path) -> bool {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let stem = stem.strip_suffix("_bg").unwrap_or(&stem);
    let Some((_, hash)) = stem.rsplit_once('-') else { return false };
    hash.len() >= 14 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_hash_are_told_from_others() {
        let check = |name: &str, expected: bool| assert_eq!(is_hashed(Path::new(name)), expected, "{name}");
        check("base-2bfe42f939823590.css", true);
        // A hash may begin with a zero, which Trunk omits.
        check("form-588d9868b16672b.css", true);
        check("app-1ed99b442fcba759_bg.wasm", true);
        check("panels_bg.wasm", false);
        check("worker_loader.js", false);
        check("fonts/news-cycle-basic-700-normal.woff2", false);
        check("index.html", false);
    }
}
