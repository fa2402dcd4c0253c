//! What a station says as it starts, and when it doesn't.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mqtt_crawl_station::{Options, Station};

use super::client::tcp;
use super::program::{PROGRAM, Running};
use super::{file, quiet, station};

async fn check_refusal(options: Options, words: &[&str]) {
    let refusal = format!("{:#}", Station::start(&options).await.err().expect("it started"));
    for word in words {
        assert!(refusal.contains(word), "{refusal:?} lacks {word:?}");
    }
}

#[tokio::test]
async fn free_ports_are_picked_and_announced() {
    let station = station().await;
    let (http, mqtt) = (station.http(), tcp(&station));
    assert!(http.port() != 0 && mqtt.port() != 0);
    let announcement = station.announcement();
    assert_eq!(announcement.lines().next(), Some(format!("listening http={http} mqtt={mqtt}").as_str()));
    assert!(announcement.contains(&format!("ws://{http}/diffusion")), "{announcement}");
    station.stop().await;
}

#[tokio::test]
async fn ports_are_released_after_a_stop() {
    let first = station().await;
    let options = Options { http: first.http(), mqtt: tcp(&first), ..quiet() };
    check_refusal(Options { http: first.http(), ..quiet() }, &["--http", "in use", &first.http().to_string()]).await;
    check_refusal(Options { mqtt: tcp(&first), ..quiet() }, &["--mqtt", "in use", &tcp(&first).to_string()]).await;
    first.stop().await;
    Station::start(&options).await.unwrap().stop().await;
}

#[tokio::test]
async fn invalid_options_are_refused_with_a_message() {
    let open = Options { http: "0.0.0.0:0".parse().unwrap(), ..quiet() };
    check_refusal(open, &["--http 0.0.0.0:0", "--users", "--hash-password"]).await;
    let directory = file("start/readme.txt", "no app").parent().unwrap().to_owned();
    check_refusal(Options { dist: Some(directory), ..quiet() }, &["index.html", "cargo xtask dist"]).await;
    let users = file("start-users", "# crew\nana:plain\n");
    check_refusal(Options { users: Some(users), ..quiet() }, &["start-users", "line 2", "--hash-password"]).await;
    let nobody = file("start-nobody", "# crew\n");
    check_refusal(Options { users: Some(nobody), ..quiet() }, &["contains no users"]).await;
    let upstream = Options { upstream: Some("mqtt://127.0.0.1".to_owned()), ..quiet() };
    let open = Options { http: "0.0.0.0:0".parse().unwrap(), ..upstream.clone() };
    check_refusal(open, &["--http 0.0.0.0:0", "--upstream-checks-users"]).await;
    let framed = Options { upstream: Some("ws://127.0.0.1/mqtt".to_owned()), ..upstream.clone() };
    check_refusal(framed, &["--upstream", "TCP port"]).await;
    let authorities = file("start-authorities", "none");
    let unknown =
        Options { upstream: Some("mqtts://127.0.0.1".to_owned()), upstream_ca: Some(authorities), ..upstream };
    check_refusal(unknown, &["start-authorities", "--upstream-ca", "no certificate"]).await;
    let missing = PathBuf::from("/no/such/script");
    check_refusal(Options { transmit: Some(missing), ..quiet() }, &["/no/such/script"]).await;
    let silence = file("start-silence", "\n\n");
    check_refusal(Options { transmit: Some(silence), ..quiet() }, &["start-silence", "No usable lines"]).await;
}

#[test]
fn program_announces_its_addresses_and_exits_on_a_signal() {
    for signal in ["-INT", "-TERM"] {
        Running::start(Path::new(PROGRAM), &[]).stop(signal);
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

/// What went wrong is said once, and a password in an address isn't said at all.
#[test]
fn cause_is_printed_once() {
    let check = |options: &[&str], words: &str| {
        let output =
            Command::new(PROGRAM).args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"]).args(options).output();
        let output = output.unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(text.matches(words).count(), 1, "{text}");
        assert!(!output.status.success() && !text.contains("secret"), "{text}");
    };
    check(&["--users", "/no/such/users"], "No such file");
    check(&["--transmit", "/no/such/script"], "No such file");
    check(&["--tls-cert", "/no/such/cert", "--tls-key", "/no/such/key"], "No such file");
    check(&["--upstream", "mqtts://127.0.0.1", "--upstream-ca", "/no/such/ca"], "No such file");
    check(&["--upstream", "mqtt://ana:secret@broker.example"], "--upstream");
    check(&["--upstream", "ws://ana:secret@broker.example"], "--upstream");
}
