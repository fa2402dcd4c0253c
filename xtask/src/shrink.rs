//! A built program and its script, made lighter without changing what they do.
//!
//! `wasm-bindgen` names each function that a program takes from its script after the function and a
//! hash, and writes these names into both files; hashes can't be compressed, and with the comments of
//! the script they weighed 9 kB of a first visit. Minifiers of JavaScript don't know the other file, and
//! Trunk's can't read this script.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use wasm_encoder::reencode::{self, Reencode};
use wasm_encoder::{ImportSection, Module};

use crate::repo::{Repo, files_below};

/// How the names of a program's files end that `wasm-bindgen` wrote.
const PROGRAM: &str = "_bg.wasm";

/// Makes all programs in `dist/` lighter.
///
/// What Trunk named after its content is named after its new content, here and in `index.html`.
///
/// # Errors
/// When a program and its script don't fit together.
pub fn programs(repo: &Repo) -> Result<()> {
    let dist = repo.dist();
    for wasm_path in files_below(&dist)? {
        let Some(name) = file_name(&wasm_path).strip_suffix(PROGRAM).map(str::to_owned) else { continue };
        let script_path = dist.join(format!("{name}.js"));
        let (wasm, script) = shrink(&fs::read(&wasm_path)?, &fs::read_to_string(&script_path)?)
            .with_context(|| format!("making {} lighter", wasm_path.display()))?;
        let new_name = match name.rsplit_once('-') {
            Some((stem, _)) => format!("{stem}-{:016x}", fingerprint(&[&wasm, script.as_bytes()])),
            None => name.clone(),
        };
        fs::remove_file(&wasm_path)?;
        fs::remove_file(&script_path)?;
        fs::write(dist.join(format!("{new_name}{PROGRAM}")), wasm)?;
        fs::write(dist.join(format!("{new_name}.js")), script)?;
        if new_name != name {
            let index = dist.join("index.html");
            fs::write(&index, fs::read_to_string(&index)?.replace(&name, &new_name))?;
        }
    }
    Ok(())
}

/// A fingerprint of these bytes, for the name of a file.
pub fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// A program with short names for what it imports, and its script with the same and without comments.
fn shrink(wasm: &[u8], script: &str) -> Result<(Vec<u8>, String)> {
    let mut module = Module::new();
    let mut shortener = Shortener::default();
    match shortener.parse_core_module(&mut module, wasmparser::Parser::new(0), wasm) {
        Ok(()) => {}
        Err(reencode::Error::ParseError(error)) => bail!("{error}"),
        Err(error) => bail!("{error}"),
    }
    let script = without_comments(script);
    let (script, met) = with_short_names(&script, &shortener.short_names);
    for name in shortener.short_names.keys() {
        if !met.contains(name.as_str()) {
            bail!("the script has nothing that is named {name}");
        }
    }
    Ok((module.finish(), script))
}

#[derive(Default)]
struct Shortener {
    short_names: BTreeMap<String, String>,
}

impl Reencode for Shortener {
    type Error = std::convert::Infallible;

    fn parse_import_section(
        &mut self,
        imports: &mut ImportSection,
        section: wasmparser::ImportSectionReader<'_>,
    ) -> Result<(), reencode::Error<Self::Error>> {
        for import in section.into_imports() {
            let import = import?;
            let kind = self.entity_type(import.ty)?;
            let next = self.short_names.len();
            let short = self.short_names.entry(import.name.to_owned()).or_insert_with(|| short_name(next));
            imports.import(import.module, short, kind);
        }
        Ok(())
    }
}

/// The name with this number; none is a word of JavaScript, since `wasm-bindgen` writes them as keys.
fn short_name(number: usize) -> String {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let letter = char::from(LETTERS[number % LETTERS.len()]);
    match number / LETTERS.len() {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// The script with other names, and which of them it has as the key of a function.
fn with_short_names<'a>(script: &'a str, short_names: &BTreeMap<String, String>) -> (String, BTreeSet<&'a str>) {
    let mut short = String::with_capacity(script.len());
    let mut met = BTreeSet::new();
    for line in script.lines() {
        let key = line.split_once(':').map(|(key, _)| key);
        match key.and_then(|key| short_names.get_key_value(key)) {
            Some((name, short_name)) => {
                met.insert(&line[..name.len()]);
                short.push_str(short_name);
                short.push_str(&line[name.len()..]);
            }
            None => short.push_str(line),
        }
        short.push('\n');
    }
    (short, met)
}

/// A script as `wasm-bindgen` writes it, without comments on lines of their own, indentation and empty
/// lines. It has no text that goes over several lines.
fn without_comments(script: &str) -> String {
    let mut bare = String::with_capacity(script.len());
    let mut is_comment = false;
    for line in script.lines().map(str::trim) {
        is_comment = is_comment || line.starts_with("/*");
        if !is_comment && !line.is_empty() && !line.starts_with("//") {
            bare.push_str(line);
            bare.push('\n');
        }
        is_comment = is_comment && !line.ends_with("*/");
    }
    bare
}

fn file_name(path: &Path) -> String {
    PathBuf::from(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use wasm_encoder::{EntityType, TypeSection};

    use super::*;

    /// A program that imports functions of these names.
    fn importing(names: &[&str]) -> Vec<u8> {
        let mut types = TypeSection::new();
        types.ty().function([], []);
        let mut imports = ImportSection::new();
        for name in names {
            imports.import("./app_bg.js", name, EntityType::Function(0));
        }
        let mut module = Module::new();
        module.section(&types).section(&imports);
        module.finish()
    }

    #[test]
    fn program_and_script_agree_on_shorter_names() {
        let wasm = importing(&["__wbg_now_0123456789abcdef", "__wbg_now_fedcba9876543210"]);
        let script = "function imports() {\n    return {\n        __wbg_now_0123456789abcdef: function() {\n            \
                      return 1;\n        },\n        // Cast intrinsic\n        __wbg_now_fedcba9876543210: function() \
                      {\n            return 2;\n        },\n    };\n}\n";
        let (wasm, script) = shrink(&wasm, script).expect("they fit together");
        assert_eq!(wasm, importing(&["a", "b"]));
        assert_eq!(
            script,
            "function imports() {\nreturn {\na: function() {\nreturn 1;\n},\nb: function() {\nreturn 2;\n},\n};\n}\n"
        );
    }

    #[test]
    fn a_script_of_another_program_is_refused() {
        let wasm = importing(&["__wbg_now_0123456789abcdef"]);
        let error = shrink(&wasm, "const other = {};\n").expect_err("they don't fit together");
        assert!(error.to_string().contains("__wbg_now_0123456789abcdef"), "{error}");
        assert!(shrink(b"\0asm nonsense", "").is_err());
    }

    #[test]
    fn comments_go_and_code_stays() {
        let script = "/**\n * @returns {number}\n */\nget size() {\n    // why\n\n    return 1 / 2; // stays\n}\n/* short */\nx();\n";
        assert_eq!(without_comments(script), "get size() {\nreturn 1 / 2; // stays\n}\nx();\n");
    }

    #[test]
    fn names_are_all_different() {
        let names: BTreeSet<_> = (0..2_000).map(short_name).collect();
        assert_eq!(names.len(), 2_000);
        assert!(names.contains("a") && names.contains("z") && names.contains("a1"));
    }
}
