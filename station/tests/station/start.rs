//! What a station says as it starts, and when it doesn't.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use mqtt_crawl_station::{Options, Station};

use super::{file, quiet, station};

async fn check_refusal(options: Options, words: &[&str]) {
    let refusal = Station::start(&options).await.err().expect("it started").to_string();
    for word in words {
        assert!(refusal.contains(word), "{refusal:?} lacks {word:?}");
    }
}

#[tokio::test]
async fn free_ports_are_picked_and_announced() {
    let station = station().await;
    let (http, mqtt) = (station.http(), station.mqtt());
    assert!(http.port() != 0 && mqtt.port() != 0);
    let announcement = station.announcement();
    assert_eq!(announcement.lines().next(), Some(format!("listening http={http} mqtt={mqtt}").as_str()));
    assert!(announcement.contains(&format!("ws://{http}/diffusion")), "{announcement}");
    station.stop().await;
}

#[tokio::test]
async fn ports_are_free_again_after_a_stop() {
    let first = station().await;
    let options = Options { http: first.http(), mqtt: first.mqtt(), ..quiet() };
    check_refusal(Options { http: first.http(), ..quiet() }, &["--http", "in use", &first.http().to_string()]).await;
    check_refusal(Options { mqtt: first.mqtt(), ..quiet() }, &["--mqtt", "in use", &first.mqtt().to_string()]).await;
    first.stop().await;
    Station::start(&options).await.unwrap().stop().await;
}

#[tokio::test]
async fn what_cannot_work_is_refused_in_words() {
    let open = Options { http: "0.0.0.0:0".parse().unwrap(), ..quiet() };
    check_refusal(open, &["--http 0.0.0.0:0", "--users", "--hash-password"]).await;
    let directory = file("start/readme.txt", "no app").parent().unwrap().to_owned();
    check_refusal(Options { dist: Some(directory), ..quiet() }, &["index.html", "cargo xtask dist"]).await;
    let users = file("start-users", "# crew\nana:plain\n");
    check_refusal(Options { users: Some(users), ..quiet() }, &["start-users", "line 2", "--hash-password"]).await;
    let nobody = file("start-nobody", "# crew\n");
    check_refusal(Options { users: Some(nobody), ..quiet() }, &["names no user"]).await;
    let missing = PathBuf::from("/no/such/script");
    check_refusal(Options { transmit: Some(missing), ..quiet() }, &["/no/such/script"]).await;
    let silence = file("start-silence", "\n\n");
    check_refusal(Options { transmit: Some(silence), ..quiet() }, &["start-silence", "no line"]).await;
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_mqtt-crawl-station");

#[test]
fn the_program_says_where_it_listens_and_ends_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        let mut program = Command::new(PROGRAM)
            .args(["--http", "127.0.0.1:0", "--mqtt", "localhost:0"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = program.stdout.as_mut().unwrap();
        BufReader::new(stdout).read_line(&mut line).unwrap();
        assert!(line.starts_with("listening http=127.0.0.1:"), "{line}");
        let id = program.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        assert_eq!(program.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn the_program_hashes_a_password_and_refuses_with_status_1() {
    let hash = |password: &[u8]| {
        let mut program = Command::new(PROGRAM)
            .arg("--hash-password")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        program.stdin.take().unwrap().write_all(password).unwrap();
        program.wait_with_output().unwrap()
    };
    let output = hash(b"open sesame\n");
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with("$argon2id$") && !printed.contains("sesame"), "{printed}");
    let output = hash(b"\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no password"));
}
