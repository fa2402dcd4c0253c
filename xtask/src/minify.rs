//! Minifies a built program and its script without changing what they do.
//!
//! `wasm-bindgen` names each function that a program imports from its script after the function and a hash, and writes
//! these names into both files. Hashes can't be compressed; together with the comments of the script they took 9 kB of
//! a first visit. It also exports the classes of every library, used or not: Leptos adds three for streams, with all
//! their dependencies. JavaScript minifiers don't know the other file, and Trunk's can't parse this script.

use std::collections::hash_map::DefaultHasher;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::Hasher;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use walrus::ModuleConfig;

use crate::repo::{Repo, files_below};

/// The file name suffixes of a program that `wasm-bindgen` wrote.
const PROGRAM: &str = "_bg.wasm";

/// Minifies all programs in `dist/`.
///
/// Files that Trunk named after their content are renamed after their new content, here and in `index.html`.
///
/// # Errors
/// Fails when a program and its script don't match.
pub fn programs(repo: &Repo) -> Result<()> {
    let dist = repo.dist();
    for wasm_path in files_below(&dist)? {
        let Some(name) = file_name(&wasm_path).strip_suffix(PROGRAM).map(str::to_owned) else { continue };
        let script_path = dist.join(format!("{name}.js"));
        let (wasm, script) = minify(&fs::read(&wasm_path)?, &fs::read_to_string(&script_path)?)
            .with_context(|| format!("minifying {}", wasm_path.display()))?;
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

/// Returns a fingerprint of these bytes, for the name of a file.
pub fn fingerprint(parts: &[&[u8]]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in parts {
        hasher.write(part);
    }
    hasher.finish()
}

/// Returns a program with short import names and without classes, and its script with the same changes and without
/// comments.
fn minify(wasm: &[u8], script: &str) -> Result<(Vec<u8>, String)> {
    let mut module = ModuleConfig::new().generate_name_section(false).generate_producers_section(false).parse(wasm)?;
    let (mut script, classes) = without_classes(script);
    for class in &classes {
        let class = class.to_lowercase();
        let own = [format!("{class}_"), format!("__wbg_{class}_")];
        let exports = module.exports.iter().filter(|export| own.iter().any(|own| export.name.starts_with(own)));
        let exports: Vec<_> = exports.map(walrus::Export::id).collect();
        for export in exports {
            module.exports.delete(export);
        }
    }
    walrus::passes::gc::run(&mut module);

    let mut short_names = BTreeMap::new();
    for import in module.imports.iter_mut() {
        let next = short_names.len();
        let short = short_names.entry(import.name.clone()).or_insert_with(|| short_name(next));
        import.name.clone_from(short);
    }
    script = with_short_names(&script, &short_names)?;
    if let Some(class) = classes.iter().find(|class| script.contains(&format!("{class}."))) {
        bail!("the script uses its class {class}, which was to be removed");
    }
    // Sections of tools for other tools, which a browser ignores.
    let custom_sections: Vec<_> = module.customs.iter().map(|(id, _)| id).collect();
    for section in custom_sections {
        module.customs.delete(section);
    }
    Ok((module.emit_wasm(), without_comments(&script)))
}

/// Returns the script without the classes that it exports, and their names.
fn without_classes(script: &str) -> (String, Vec<String>) {
    let (mut bare, mut classes) = (String::with_capacity(script.len()), Vec::new());
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        if let Some(name) = line.strip_prefix("export class ").and_then(|rest| rest.strip_suffix(" {")) {
            classes.push(name.to_owned());
            lines.by_ref().find(|line| *line == "}");
        } else if let Some(name) = line.strip_prefix("const ").and_then(|rest| rest.split_once("Finalization = "))
            && classes.iter().any(|class| class == name.0)
        {
            lines.by_ref().find(|line| line.ends_with(';'));
        } else if !classes.iter().any(|class| line.starts_with(&format!("if (Symbol.dispose) {class}."))) {
            bare.push_str(line);
            bare.push('\n');
        }
    }
    (bare, classes)
}

/// Returns the name with this number; none is a JavaScript keyword, since `wasm-bindgen` writes them as keys.
fn short_name(number: usize) -> String {
    const LETTERS: &[u8; 26] = b"abcdefghijklmnopqrstuvwxyz";
    let letter = char::from(LETTERS[number % LETTERS.len()]);
    match number / LETTERS.len() {
        0 => letter.to_string(),
        round => format!("{letter}{round}"),
    }
}

/// Returns the script with new names for the functions that the program imports, and without the unused ones.
///
/// # Errors
/// Fails when the script lacks one.
fn with_short_names(script: &str, short_names: &BTreeMap<String, String>) -> Result<String> {
    let mut short = String::with_capacity(script.len());
    let mut missing: BTreeSet<_> = short_names.keys().map(String::as_str).collect();
    let mut lines = script.lines();
    while let Some(line) = lines.next() {
        let function = line.trim_start().split_once(": function(").filter(|(name, _)| name.starts_with("__wb"));
        match function.map(|(name, rest)| (name, short_names.get(name), rest)) {
            Some((name, Some(short_name), rest)) => {
                missing.remove(name);
                short.push_str(&format!("{short_name}: function({rest}\n"));
            }
            Some((_, None, _)) => {
                let end = format!("{}}},", &line[..line.len() - line.trim_start().len()]);
                lines.by_ref().find(|line| *line == end);
            }
            None => {
                short.push_str(line);
                short.push('\n');
            }
        }
    }
    if let Some(name) = missing.first() {
        bail!("the script doesn't define {name}");
    }
    Ok(short)
}

/// Returns a script of `wasm-bindgen` without comments on lines of their own, indentation and empty lines. It has no
/// string that spans several lines.
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
    use walrus::{FunctionBuilder, Module};

    use super::*;

    const SCRIPT: &str = "\
export class Stream {
    pull() {
        wasm.stream_pull(this.__wbg_ptr);
    }
}
if (Symbol.dispose) Stream.prototype[Symbol.dispose] = Stream.prototype.free;

function __wbg_get_imports() {
    const import0 = {
        __wbg_now_0123456789abcdef: function() {
            return 1;
        },
        // Cast intrinsic
        __wbg_now_fedcba9876543210: function(arg0) {
            return 2;
        },
    };
}
const StreamFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_stream_free(ptr, 1));
";

    /// Returns a program that imports functions of these names and exports each under the name next to it.
    fn program(functions: &[(&str, &str)]) -> Vec<u8> {
        let mut module = Module::with_config(ModuleConfig::new());
        let kind = module.types.add(&[], &[]);
        for (imported, exported) in functions {
            let (import, _) = module.add_import_func("./app_bg.js", imported, kind);
            let mut function = FunctionBuilder::new(&mut module.types, &[], &[]);
            function.func_body().call(import);
            let function = function.finish(vec![], &mut module.funcs);
            module.exports.add(exported, function);
        }
        module.emit_wasm()
    }

    /// Returns a program's imports and exports.
    fn names(wasm: &[u8]) -> (Vec<String>, Vec<String>) {
        let module = Module::from_buffer(wasm).expect("a program");
        (
            module.imports.iter().map(|import| import.name.clone()).collect(),
            module.exports.iter().map(|export| export.name.clone()).collect(),
        )
    }

    #[test]
    fn program_and_script_agree_on_shorter_names() {
        let wasm = program(&[("__wbg_now_0123456789abcdef", "first"), ("__wbg_now_fedcba9876543210", "second")]);
        let (wasm, script) = minify(&wasm, SCRIPT).expect("they match");
        assert_eq!(names(&wasm), (vec!["a".to_owned(), "b".to_owned()], vec!["first".to_owned(), "second".to_owned()]));
        assert_eq!(
            script,
            "function __wbg_get_imports() {\nconst import0 = {\na: function() {\nreturn 1;\n},\nb: function(arg0) \
             {\nreturn 2;\n},\n};\n}\n"
        );
    }

    #[test]
    fn classes_go_with_all_that_only_they_need() {
        let wasm = program(&[("__wbg_now_0123456789abcdef", "kept"), ("__wbg_now_fedcba9876543210", "stream_pull")]);
        let (wasm, script) = minify(&wasm, SCRIPT).expect("they match");
        assert_eq!(names(&wasm), (vec!["a".to_owned()], vec!["kept".to_owned()]));
        assert!(!script.contains("return 2;") && script.contains("return 1;"), "{script}");
        let needed = SCRIPT.replace("return 1;", "return Stream.wrap(1);");
        let error = minify(&wasm_of_now(), &needed).expect_err("it makes one");
        assert!(error.to_string().contains("class Stream"), "{error}");
    }

    fn wasm_of_now() -> Vec<u8> {
        program(&[("__wbg_now_0123456789abcdef", "kept")])
    }

    #[test]
    fn a_script_of_another_program_is_refused() {
        let error = minify(&wasm_of_now(), "const other = {};\n").expect_err("they don't match");
        assert!(error.to_string().contains("__wbg_now_0123456789abcdef"), "{error}");
        assert!(minify(b"\0asm nonsense", "").is_err());
    }

    #[test]
    fn comments_go_and_code_stays() {
        let script = "/**\n * @returns {number}\n */\nget size() {\n    // why\n\n    return 1 / 2; // stays\n}\n/* short \
                      */\nx();\n";
        assert_eq!(without_comments(script), "get size() {\nreturn 1 / 2; // stays\n}\nx();\n");
    }

    #[test]
    fn names_are_all_different() {
        let names: BTreeSet<_> = (0..2_000).map(short_name).collect();
        assert_eq!(names.len(), 2_000);
        assert!(names.contains("a") && names.contains("z") && names.contains("a1"));
    }
}
