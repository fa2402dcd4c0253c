//! The program with the app inside.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::file;
use super::program::{PROGRAM, Running, empty_folder};
use super::web::request;

const WASM: &str = "page-1ed99b442fcba759_bg.wasm";

/// Makes a program with an app whose page says these words.
fn embed(program: &Path, name: &str, words: &str) -> PathBuf {
    let index = file(&format!("{name}-dist/index.html"), words);
    file(&format!("{name}-dist/{WASM}"), &"wasm ".repeat(1000));
    let target = empty_folder(name).join("station");
    let output =
        Command::new(program).arg("--dist").arg(index.parent().unwrap()).arg("--embed").arg(&target).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    target
}

#[tokio::test]
async fn program_with_the_app_inside_needs_no_folder() {
    let program = embed(Path::new(PROGRAM), "embedded", "a page");
    let running = Running::start(&program, &[]);
    let fetch = async |line: &str, headers: &[&str]| {
        request(running.http, line, &[&["Host: x", "Connection: close"], headers].concat()).await
    };
    let (head, body) = fetch("GET /", &[]).await;
    assert!(head.starts_with("http/1.1 200") && head.contains("cache-control: no-cache\r\n"), "{head}");
    assert_eq!(body, "a page");
    for (accepted, coding) in [("gzip, deflate, br", Some("br")), ("br;q=0, gzip", Some("gzip")), ("zstd", None)] {
        let accepted = format!("Accept-Encoding: {accepted}");
        let (head, body) = fetch(&format!("HEAD /{WASM}"), &[&accepted]).await;
        assert_eq!(body, "", "HEAD has no body");
        let expected = ["content-type: application/wasm", "immutable", "vary: accept-encoding", "etag: \""];
        assert!(expected.iter().all(|words| head.contains(words)), "{head}");
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        assert_eq!(header("content-encoding: "), coding);
        let length: usize = header("content-length: ").unwrap().parse().unwrap();
        assert_eq!(length < 1000, coding.is_some(), "{accepted}: {length}");
    }
}

#[tokio::test]
async fn embedded_app_can_be_replaced() {
    let first = embed(Path::new(PROGRAM), "first", "the first page");
    let second = embed(&first, "second", "the second page");
    let bytes = |path: &Path| std::fs::metadata(path).unwrap().len();
    assert!(bytes(&second) < bytes(&first) + 100, "the first one is still inside");
    let running = Running::start(&second, &[]);
    let (_, body) = request(running.http, "GET /", &["Host: x", "Connection: close"]).await;
    assert_eq!(body, "the second page");
}

#[test]
fn a_damaged_app_is_not_served() {
    let program = embed(Path::new(PROGRAM), "damaged", "a page to be damaged");
    let mut bytes = std::fs::read(&program).unwrap();
    let place = bytes.len() - 60;
    bytes[place] ^= 1;
    let damaged = program.with_file_name("damaged-station");
    std::fs::copy(&program, &damaged).unwrap();
    std::fs::write(&damaged, bytes).unwrap();
    let output = Command::new(&damaged).args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(words.contains("is damaged") && words.contains("--dist"), "{words}");
}
