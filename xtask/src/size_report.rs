//! `cargo xtask weigh`: prints the size of each part of a first visit.
//!
//! The program is built again with its names kept; a function's name gives the crate and the module that it counts for.
//! Generic code counts for the crate that defines it, not for the one that uses it; an `impl` counts for its type, as
//! far as the name shows it.

use std::collections::BTreeMap;
use std::fs;

use anyhow::{Result, bail};
use walrus::{FunctionKind, Module};

use crate::repo::{Repo, cargo};
use crate::run::{heading, run};
use crate::setup::{self, Scope, WASM_TARGET};
use crate::{dist, size};

/// Parts smaller than this, in bytes, are counted together.
const LEAST_BYTES: usize = 2_000;

/// Crates of Rust's own library.
const LIBRARY: [&str; 6] = ["alloc", "compiler_builtins", "core", "dlmalloc", "hashbrown", "std"];

/// Builds the site and prints two tables in Markdown: its files, and the contents of the program of page and worker.
///
/// # Errors
/// Fails when something can't be built.
pub fn print(repo: &Repo) -> Result<()> {
    let tools = setup::install(repo, Scope::Web)?;
    dist::build(repo, &tools)?;
    heading("weigh: building the program with function names");
    // A folder of its own, because other flags recompile everything.
    let target = repo.target().join("weigh");
    run(tools
        .command(cargo())
        .args(["build", "--locked", "--quiet", "-p", "mqtt-crawl", "--bin", "app", "--features", "app"])
        .args(["--target", WASM_TARGET, "--profile", "web", "--target-dir"])
        .arg(&target)
        .env("CARGO_PROFILE_WEB_STRIP", "none")
        .current_dir(repo.root()))?;
    let named = target.join("named");
    run(tools
        .command("wasm-bindgen")
        .args(["--target", "web", "--no-typescript", "--out-dir"])
        .arg(&named)
        .arg(target.join(WASM_TARGET).join("web").join("app.wasm")))?;
    let program = Program::read(&fs::read(named.join("app_bg.wasm"))?)?;

    println!("\n| file | bytes | brotli |\n|---|--:|--:|");
    let files = size::first_visit(repo)?;
    for file in &files {
        println!("| {} | {} | {} |", without_fingerprint(&file.name), file.bytes, file.brotli_bytes);
    }
    let sum = |of: fn(&size::FileSize) -> u64| files.iter().map(of).sum::<u64>();
    println!("| all | {} | {} |", sum(|file| file.bytes), sum(|file| file.brotli_bytes));
    println!("\n| part of the program | bytes | share |\n|---|--:|--:|");
    let all = program.parts.values().sum::<usize>() + program.data_bytes;
    let mut parts: Vec<(&str, usize)> = program.parts.iter().map(|(part, bytes)| (part.as_str(), *bytes)).collect();
    parts.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let few: usize = parts.extract_if(.., |(_, bytes)| *bytes < LEAST_BYTES).map(|(_, bytes)| bytes).sum();
    parts.extend([("constants: strings, tables, markup", program.data_bytes), ("all others", few)]);
    for (part, bytes) in parts {
        println!("| {part} | {bytes} | {:.1} % |", bytes as f64 * 100.0 / all as f64);
    }
    Ok(())
}

/// Returns the name without its hash: `app-4c3fecd1a4add430.js` becomes `app.js`.
fn without_fingerprint(name: &str) -> String {
    let is_hex = |text: &str| text.len() >= 15 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts = name.rsplit_once('-').and_then(|(stem, rest)| {
        let end = rest.find(['.', '_'])?;
        is_hex(&rest[..end]).then(|| format!("{stem}{}", &rest[end..]))
    });
    parts.unwrap_or_else(|| name.to_owned())
}

/// The contents of a program, in bytes.
struct Program {
    /// Code.
    parts: BTreeMap<String, usize>,
    data_bytes: usize,
}

impl Program {
    fn read(wasm: &[u8]) -> Result<Self> {
        let module = Module::from_buffer(wasm)?;
        let mut parts = BTreeMap::new();
        for function in module.funcs.iter() {
            let FunctionKind::Local(local) = &function.kind else { continue };
            let part = function.name.as_deref().map_or("wasm-bindgen glue".to_owned(), part_of);
            *parts.entry(part).or_default() += local.original_range.as_ref().map_or(0, |range| range.end - range.start);
        }
        if parts.is_empty() {
            bail!("the program has no functions");
        }
        let data_bytes = module.data.iter().map(|data| data.value.len()).sum();
        Ok(Self { parts, data_bytes })
    }
}

/// Returns the part that a function counts for: a crate, or a module if the crate is ours.
fn part_of(function: &str) -> String {
    // The prefix of `<&mut [a::B<C>] as d::E>::f`.
    let mut path = function;
    loop {
        let bare = path.trim_start_matches(['<', '&', '[', '(', '*']);
        let bare = ["mut ", "dyn ", "const ", "impl "].iter().fold(bare, |bare, word| bare.trim_start_matches(word));
        if bare == path {
            break;
        }
        path = bare;
    }
    let end = path.find(|sign: char| !sign.is_alphanumeric() && sign != '_' && sign != ':').unwrap_or(path.len());
    let mut names = path[..end].split("::").filter(|name| !name.is_empty());
    match (names.next(), names.next()) {
        (Some("mqtt_crawl"), Some(module)) => match names.next().filter(|_| module == "web") {
            Some(inner) => format!("mqtt_crawl::web::{inner}"),
            None => format!("mqtt_crawl::{module}"),
        },
        (Some(name), _) if LIBRARY.contains(&name) => "Rust's library".to_owned(),
        (Some(name), _) if path[..end].contains("::") => name.to_owned(),
        // The language's own types, and what the compiler adds.
        _ => "Rust's library".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_counts_for_its_crate_and_ours_for_its_module() {
        let check = |function, part| assert_eq!(part_of(function), part, "{function}");
        check("mqtt_crawl::mqtt::codec::decode::h0123456789abcdef", "mqtt_crawl::mqtt");
        check(
            "<mqtt_crawl::web::page::controller::PageController as core::ops::drop::Drop>::drop",
            "mqtt_crawl::web::page",
        );
        check("mqtt_crawl::ui::console::view_model::ConsoleModel::take", "mqtt_crawl::ui");
        check("<&mut [leptos::view::View<T>] as core::fmt::Debug>::fmt", "leptos");
        check("js_sys::<impl wasm_bindgen::cast::JsCast for js_sys::Uint8Array>::instanceof", "js_sys");
        check("<dyn core::any::Any>::is", "Rust's library");
        check("memcpy", "Rust's library");
    }

    #[test]
    fn fingerprints_are_left_out() {
        let check = |name, expected| assert_eq!(without_fingerprint(name), expected);
        check("app-4c3fecd1a4add430_bg.wasm", "app_bg.wasm");
        check("opening-fc0f6bf082212d23.css", "opening.css");
        check("form-830da14e9396116.css", "form.css");
        check("fonts/news-cycle-basic-700-normal.woff2", "fonts/news-cycle-basic-700-normal.woff2");
        check("index.html", "index.html");
    }
}
