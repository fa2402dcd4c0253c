//! The program with Debian's mosquitto, and with peers that aren't brokers.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

mod support;
use support::{Access, BreakingLink, Mosquitto, Terminal, USER, answering, free_port, producer, run, start};

/// Returns a script with this number of lines below its header row.
fn write_script(folder: &TempDir, lines: usize) -> PathBuf {
    let rows = (1..=lines).map(|n| format!("\"{n}\" \"RELAY {n}\" \"Line \\\"{n}\\\"\"\n"));
    write(folder, &format!("\"character\" \"dialogue\"\n{}", rows.collect::<String>()))
}

fn write(folder: &TempDir, text: &str) -> PathBuf {
    write_as(folder, "script.txt", text)
}

fn write_as(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a script");
    path
}

fn json(n: usize) -> String {
    format!(r#"{{"character":"RELAY {n}","text":"Line \"{n}\""}}"#)
}

#[test]
fn all_lines_arrive_in_order_with_the_requested_qos() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 40);
    let check = |protocol: &str, subscriber_version: &str, qos: usize, version: &str| {
        let subscriber = broker.subscribe(subscriber_version, "StarWars", 40);
        let qos_text = qos.to_string();
        let ended = run(producer()
            .args(["--broker", &broker.url(), "--protocol", protocol, "--qos", &qos_text, "--interval", "2ms"])
            .arg(&script));
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        for n in 1..=40 {
            assert_eq!(subscriber.line(), format!("{qos} 0 StarWars {}", json(n)));
        }
        assert!(subscriber.end().success());
        let summary = if qos == 0 { "40 of 40 lines sent" } else { "40 of 40 lines acknowledged" };
        assert!(ended.stdout.contains(summary), "{}", ended.stdout);
        assert!(ended.stderr.contains(version), "{}", ended.stderr);
    };
    check("auto", "mqttv311", 1, "MQTT 5.0");
    check("auto", "mqttv5", 0, "MQTT 5.0");
    check("5", "mqttv5", 2, "MQTT 5.0");
    check("3.1.1", "mqttv5", 0, "MQTT 3.1.1");
    check("3.1.1", "mqttv311", 1, "MQTT 3.1.1");
    check("3.1.1", "mqttv311", 2, "MQTT 3.1.1");
}

#[test]
fn every_transport_works() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 10);
    let check = |url: String| {
        let subscriber = broker.subscribe("mqttv5", "StarWars", 10);
        let mut command = producer();
        command.args(["--broker", &url, "--interval", "2ms"]).arg(&script);
        if url.starts_with("mqtts") || url.starts_with("wss") {
            command.arg("--ca").arg(&broker.ca_file);
        }
        let ended = run(&mut command);
        assert_eq!(ended.status, 0, "{url}: {}", ended.stderr);
        for n in 1..=10 {
            assert_eq!(subscriber.line(), format!("1 0 StarWars {}", json(n)), "{url}");
        }
    };
    check(broker.url());
    check(format!("mqtts://127.0.0.1:{}", broker.mqtts_port));
    check(format!("mqtts://localhost:{}", broker.mqtts_port));
    check(format!("ws://127.0.0.1:{}/mqtt?a=b", broker.ws_port));
    check(format!("WS://127.0.0.1:{}", broker.ws_port));
    check(format!("wss://127.0.0.1:{}/diffusion", broker.wss_port));
}

#[test]
fn text_topic_retain_start_and_standard_input() {
    let broker = Mosquitto::start(Access::Everybody);
    let subscriber = broker.subscribe("mqttv5", "a/ü", 2);
    let mut child = producer()
        .args(["--broker", &broker.url(), "--topic", "a/ü", "--payload", "text", "--retain", "--start", "3"])
        .args(["--interval", "1ms", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let rows = "\"1\" \"A\" \"one\"\n\"2\" \"B\" \"two\"\n\"3\" \"C\" \"three\"\n\"4\" \"\" \"Four: a number\"\n";
    child.stdin.take().expect("piped").write_all(rows.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 of 2 lines acknowledged\n");
    assert_eq!(subscriber.line(), "1 0 a/ü C: three");
    assert_eq!(subscriber.line(), "1 0 a/ü Four: a number");
    assert!(subscriber.end().success());
    let later = broker.subscribe("mqttv5", "a/ü", 1);
    assert_eq!(later.line(), "1 1 a/ü Four: a number");
}

#[test]
fn broken_rows_are_reported_and_skipped() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write(
        &broker.folder,
        "\"character\" \"dialogue\"\n\"1\" \"A\" \"one\"\n\n\"2\" \"B\" \"two\n\"3\" C \"three\"\n\"4\" \"D\" \"four\"\n",
    );
    let subscriber = broker.subscribe("mqttv5", "StarWars", 2);
    let ended = run(producer().args(["--broker", &broker.url(), "--interval", "1ms", "--quiet"]).arg(&script));
    assert_eq!((ended.status, ended.stdout.as_str()), (0, ""));
    let reports: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(reports.len(), 2, "{reports:?}");
    for (report, place) in reports.iter().zip(["line 4, column 9:", "line 5, column 5:"]) {
        assert!(report.contains(place) && report.contains("script.txt"), "{report:?} should say {place:?}");
    }
    assert_eq!(subscriber.line(), r#"1 0 StarWars {"character":"A","text":"one"}"#);
    assert_eq!(subscriber.line(), r#"1 0 StarWars {"character":"D","text":"four"}"#);
}

#[test]
fn read_rows_are_counted_and_strict_refuses_skipped_rows() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_as(&broker.folder, "talk.csv", "speaker,text\nA,one\nB\nC,\"You said \"two\"\"\n");
    let options = ["--broker", &broker.url(), "--interval", "1ms"];
    let ended = run(producer().args(options).arg(&script));
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "2 of 2 lines acknowledged\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("talk.csv: 2 of 3 rows read, 1 skipped."), "{}", ended.stderr);

    let subscriber = broker.subscribe("mqttv5", "StarWars", 1);
    for dry in [&[][..], &["--dry-run"]] {
        let ended = run(producer().args(options).args(["--strict"]).args(dry).arg(&script));
        assert_eq!((ended.status, ended.stdout.as_str()), (1, ""), "{}", ended.stderr);
        for expected in ["talk.csv, line 3, column 2: The row ends", "2 of 3 rows read", "Nothing was sent"] {
            assert!(ended.stderr.contains(expected), "{:?} should say {expected:?}", ended.stderr);
        }
    }
    // Standard input is read to its end first.
    let piped = format!(
        "printf 'speaker,text\\nA,one\\nB\\n' | {} --strict {} -",
        env!("CARGO_BIN_EXE_mqtt-crawl-producer"),
        options.join(" ")
    );
    let output = Command::new("sh").args(["-c", &piped]).output().expect("sh");
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let whole = write_as(&broker.folder, "whole.csv", "speaker,text\nA,first that was sent\n");
    let ended = run(producer().args(options).arg("--strict").arg(&whole));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(subscriber.line().contains("first that was sent"));
}

#[test]
fn unknown_table_columns_must_be_given_as_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = write_as(&folder, "talk.csv", "id,foo,bar\n1,A,one\n2,B,two\n");
    let dry =
        |arguments: &[&str]| run(producer().args(["--dry-run", "--payload", "text"]).args(arguments).arg(&script));
    let ended = dry(&[]);
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    for expected in
        ["Can't read ", "talk.csv. ", "The columns are id, foo, bar.", "--speaker-column and --words-column"]
    {
        assert!(ended.stderr.contains(expected), "{:?} should say {expected:?}", ended.stderr);
    }
    assert!(!ended.stderr.contains("CHARACTER:"), "{}", ended.stderr);
    let ended = dry(&["--speaker-column", "FOO", "--words-column", "3"]);
    assert_eq!(ended.stdout, "0.000s\tStarWars\tA: one\n1.000s\tStarWars\tB: two\n", "{}", ended.stderr);
    assert!(ended.stderr.contains("talk.csv: 2 of 2 rows read."), "{}", ended.stderr);
    let ended = dry(&["--speaker-column", "2", "--words-column", "3", "--no-header"]);
    assert!(ended.stdout.starts_with("0.000s\tStarWars\tfoo: bar\n"), "{}", ended.stdout);
    let ended = dry(&["--words-column", "baz"]);
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("There is no column baz"), "{}", ended.stderr);
    let document = write_as(&folder, "talk.docx", "PK\u{3}\u{4}\0\0\0\0");
    let ended = run(producer().arg("--dry-run").arg(&document));
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""));
    assert!(ended.stderr.contains("an office document"), "{}", ended.stderr);
}

#[test]
fn several_files_are_published_in_order() {
    let broker = Mosquitto::start(Access::Everybody);
    let files = [
        write_as(&broker.folder, "1.csv", "Text;Speaker;Note\n\"one; \"\"1\"\"\";A;x\n;B;y\n"),
        write_as(&broker.folder, "2.tsv", "name\tmessage\nC\ttwo, 2\n"),
        write_as(&broker.folder, "3.jsonl", "{\"text\":\"three\",\"character\":\"D\"}\n{\"text\":\n"),
        write_as(&broker.folder, "4.txt", "E: four\n\nfive\n"),
        write_as(&broker.folder, "5", "\"1\" \"F\" \"six\"\n"),
    ];
    let subscriber = broker.subscribe("mqttv5", "StarWars", 6);
    let options = ["--broker", &broker.url(), "--interval", "1ms", "--payload", "text"];
    let ended = run(producer().args(options).args(&files));
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "6 of 6 lines acknowledged\n"), "{}", ended.stderr);
    for text in ["A: one; \"1\"", "C: two, 2", "D: three", "E: four", "five", "F: six"] {
        assert_eq!(subscriber.line(), format!("1 0 StarWars {text}"));
    }
    for place in ["1.csv, line 3, column 1: The row has no text", "3.jsonl, line 2, column 9: The row isn't valid JSON"]
    {
        assert!(ended.stderr.contains(place), "{:?} should say {place:?}", ended.stderr);
    }

    // --format takes precedence; lines are reported with their files.
    let nowhere = format!("mqtt://127.0.0.1:{}", free_port());
    let ended = run(producer().args(["--broker", &nowhere, "--format", "text"]).args(&files[1..3]));
    assert_eq!(ended.status, 1);
    for expected in ["Lines 1–2 (", "2.tsv, rows 1–2): not sent", "Lines 3–4 (", "3.jsonl, rows 1–2): not sent"]
    {
        assert!(ended.stderr.contains(expected), "{:?} should say {expected:?}", ended.stderr);
    }
}

#[test]
fn standard_input_is_published_as_it_arrives() {
    let broker = Mosquitto::start(Access::Everybody);
    let subscriber = broker.subscribe("mqttv5", "StarWars", 5);
    let mut child = producer()
        .args(["--broker", &broker.url(), "--interval", "1ms", "--payload", "text", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut input = child.stdin.take().expect("piped");
    let mut write = |text: &str| input.write_all(text.as_bytes()).expect("it reads");
    write("ADA: Is anybody");
    write(" listening?\n");
    assert_eq!(subscriber.line(), "1 0 StarWars ADA: Is anybody listening?");
    write("BEN: Now they are.\nB\n");
    assert_eq!(subscriber.line(), "1 0 StarWars BEN: Now they are.");
    assert_eq!(subscriber.line(), "1 0 StarWars B");
    input.write_all(b"\x81\nCY: Yes\nDEE: no line end").expect("it reads");
    assert_eq!(subscriber.line(), "1 0 StarWars CY: Yes");
    drop(input);
    assert_eq!(subscriber.line(), "1 0 StarWars DEE: no line end");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success());
    assert_eq!(String::from_utf8_lossy(&output.stdout), "5 of 5 lines acknowledged\n");
    let reports = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(reports.contains("standard input, line 4, column 1: The row is neither UTF-8 nor"), "{reports}");
    assert!(reports.contains("standard input: 5 of 6 rows read, 1 skipped."), "{reports}");
}

#[test]
fn input_without_lines_is_an_error() {
    let broker = Mosquitto::start(Access::Everybody);
    let ended = run(producer().args(["--broker", &broker.url(), "-"]));
    assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("No usable lines"), "{}", ended.stderr);
}

#[test]
fn dry_run_prints_what_would_be_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = write_script(&folder, 3);
    let other = write_as(&folder, "b.csv", "text,n\nHello,1\n,2\n");
    // Nothing is listening there, and a dry run doesn't connect.
    let nowhere = format!("mqtt://127.0.0.1:{}", free_port());
    let options = ["--dry-run", "--broker", &nowhere, "--topic", "a/b", "--interval", "1.5s"];
    let ended = run(producer().args(options).args(["--start", "2"]).args([&script, &other]));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let expected = format!(
        "0.000s\ta/b\t{}\n1.500s\ta/b\t{}\n3.000s\ta/b\t{}\n",
        json(2),
        json(3),
        r#"{"character":"","text":"Hello"}"#
    );
    assert_eq!(ended.stdout, expected);
    assert!(ended.stderr.contains("b.csv, line 3, column 1: The row has no text"), "{}", ended.stderr);
    assert_eq!(run(producer().args(options).args(["--start", "9"]).arg(&script)).status, 2);
    assert_eq!(run(producer().args(options).args(["--topic", "#"]).arg(&script)).status, 2);
    assert_eq!(run(producer().args(options).arg("-")).status, 2);
}

#[test]
fn manual_and_completions_are_printed() {
    let manual = run(producer().arg("--print-man"));
    assert_eq!(manual.status, 0, "{}", manual.stderr);
    for expected in [".TH mqtt-crawl-producer 1", "\\-\\-interval", "MQTT_PASSWORD", "Exit status"] {
        assert!(manual.stdout.contains(expected), "{expected:?} should be in {}", manual.stdout);
    }
    for shell in ["bash", "zsh", "fish"] {
        let ended = run(producer().args(["--print-completions", shell]));
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert!(ended.stdout.contains("mqtt-crawl-producer") && ended.stdout.contains("dry-run"), "{shell}");
    }
    // The completion that bash requests after `--format `.
    let bash = run(producer().args(["--print-completions", "bash"])).stdout;
    let asked = format!(
        "{bash}\nCOMP_WORDS=(mqtt-crawl-producer --format ''); COMP_CWORD=2\n\
         _mqtt__crawl__producer mqtt-crawl-producer '' --format; echo \"${{COMPREPLY[@]}}\""
    );
    let output = Command::new("bash").args(["--norc", "-c", &asked]).output().expect("bash");
    let completions = String::from_utf8_lossy(&output.stdout);
    assert_eq!(
        completions.trim_end(),
        "rows csv tsv jsonl subtitles screenplay chat text",
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn lowered_qos_is_reported_and_used() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 3);
    let subscriber = broker.subscribe("mqttv5", "StarWars", 3);
    let low = format!("mqtt://127.0.0.1:{}", broker.low_qos_port);
    let ended = run(producer().args(["--broker", &low, "--interval", "1ms", "--qos", "2"]).arg(&script));
    assert_eq!((ended.status, ended.stdout.as_str()), (0, "3 of 3 lines acknowledged\n"), "{}", ended.stderr);
    assert!(ended.stderr.contains("supports QoS 1 at most. Lines are sent at QoS 1 instead of 2."), "{}", ended.stderr);
    for n in 1..=3 {
        assert_eq!(subscriber.line(), format!("1 0 StarWars {}", json(n)));
    }
}

#[test]
fn system_certificate_authorities_are_trusted() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 2);
    let check = |url: String| {
        let run_with = |variable: &str| {
            run(producer().args(["--broker", &url, "--interval", "1ms"]).arg(&script).env(variable, &broker.ca_file))
        };
        // The variable with the location of a system's authorities.
        let trusted = run_with("SSL_CERT_FILE");
        assert_eq!(trusted.status, 0, "{url}: {}", trusted.stderr);
        let unknown = run_with("SOMETHING_ELSE");
        assert!(unknown.status == 1 || unknown.status == 2, "{url}: {}", unknown.stderr);
        assert!(unknown.stderr.contains("certificate"), "{url}: {}", unknown.stderr);
    };
    check(format!("mqtts://localhost:{}", broker.mqtts_port));
    check(format!("wss://127.0.0.1:{}/mqtt", broker.wss_port));
}

#[test]
fn keys_at_a_terminal_pause_seek_and_quit() {
    let [left, right, up, down] = ["\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B"];
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 30);
    let subscriber = broker.subscribe("mqttv5", "StarWars", 1_000);
    let arrives = |n: usize| assert_eq!(subscriber.line(), format!("1 0 StarWars {}", json(n)));
    let mut terminal = Terminal::start(producer().args(["--broker", &broker.url(), "--interval", "1h"]).arg(&script));
    terminal.wait_for("Space pause/resume");
    arrives(1);
    terminal.wait_for("line 1 of 30 · 29 h 0 min left");
    assert!(terminal.is_in_key_mode());
    for (key, n) in [(right, 2), (down, 12), (left, 11), (up, 1), (right, 2)] {
        terminal.press(key);
        arrives(n);
    }
    terminal.press(" ");
    terminal.wait_for("line 2 of 30 · 28 h 0 min left · paused");
    terminal.press(down);
    terminal.wait_for("line 12 of 30 · 19 h 0 min left · paused");
    terminal.press(" ");
    arrives(12);
    terminal.wait_for("line 12 of 30 · 18 h 0 min left");
    terminal.press("q");
    let mut summary = terminal.program.line();
    assert_eq!(summary, "7 of 25 lines acknowledged");
    terminal.wait_for("Lines 13–30 (rows 14–31): not sent");
    assert_eq!(terminal.end(), (Some(1), false), "the terminal is left as it was");

    // Ctrl-C still interrupts.
    terminal = Terminal::start(producer().args(["--broker", &broker.url(), "--interval", "1h"]).arg(&script));
    arrives(1);
    terminal.wait_for("line 1 of 30 · 29 h");
    terminal.press("\x03");
    summary = terminal.program.line();
    assert_eq!(summary, "1 of 30 lines acknowledged");
    terminal.wait_for("Lines 2–30");
    assert_eq!(terminal.end(), (Some(1), false));
}

#[test]
fn invalid_use_is_reported_before_anything_is_sent() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = write_script(&folder, 3);
    let script = script.to_str().expect("UTF-8");
    let empty = folder.path().join("empty.txt");
    std::fs::write(&empty, "\"character\" \"dialogue\"\n\nnonsense\n").expect("a file");
    let missing = folder.path().join("missing");
    let (empty, missing) = (empty.to_str().expect("UTF-8"), missing.to_str().expect("UTF-8"));
    let check = |arguments: &[&str], expected: &str| {
        let ended = run(producer().args(arguments));
        assert_eq!(ended.status, 2, "{arguments:?}: {}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{arguments:?}: {:?} should say {expected:?}", ended.stderr);
        assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    };
    check(&[script, "--broker", "mqtt://ann:hunter2@127.0.0.1"], "user name or password");
    check(&[script, "--broker", "htps://127.0.0.1/?token=hunter2"], "htps");
    check(&[missing], "Can't read");
    check(&[empty], "No usable lines");
    check(&[script, "--broker", "127.0.0.1:1883"], "has no scheme");
    check(&[script, "--broker", "mqtt://127.0.0.1:0"], "port");
    check(&[script, "--topic", "a/#"], "can't contain + or #");
    check(&[script, "--topic", ""], "topic is empty");
    check(&[script, "--start", "4"], "start at line 4");
    check(&[script, "--qos", "3"], "0, 1 or 2");
    check(&[script, "--interval", "soon"], "500ms or 1.5s");
    check(&[script, "--ca", missing], "isn't encrypted");
    check(&[script, "--broker", "mqtts://127.0.0.1", "--ca", missing], "Can't use the CA file");
    check(&[script, "--broker", "mqtts://127.0.0.1", "--ca", script], "no PEM certificate");
    check(&[script, "--username", "u", "--password-file", missing], "Can't read");
    let long = "x".repeat(70_000);
    let port = answering(b"").to_string();
    check(&[script, "--broker", &format!("mqtt://127.0.0.1:{port}"), "--client-id", &long], "65,535");
}

#[test]
fn unreachable_broker_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = write_script(&folder, 3);
    let check = |url: String, expected: &str| {
        let ended = run(producer().args(["--broker", &url, "--interval", "1ms"]).arg(&script));
        assert_eq!(ended.status, 1, "{url}: {}", ended.stderr);
        assert_eq!(ended.stderr.matches(expected).count(), 3, "{url}: {:?} should say {expected:?}", ended.stderr);
        assert_eq!(ended.stderr.matches("Retrying in").count(), 2, "{url}: {}", ended.stderr);
        assert!(ended.stderr.contains("Lines 1–3 (rows 2–4): not sent"), "{url}: {}", ended.stderr);
        assert_eq!(ended.stdout, "0 of 3 lines acknowledged\n");
    };
    check(format!("mqtt://127.0.0.1:{}", free_port()), "connection refused");
    check(format!("mqtt://127.0.0.1:{}", answering(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "violated the MQTT protocol");
    check(format!("mqtt://127.0.0.1:{}", answering(b"")), "instead of answering CONNECT");
    check(format!("ws://127.0.0.1:{}/", answering(b"HTTP/1.1 404 Not Found\r\n\r\n")), "HTTP 404");
    check(format!("ws://127.0.0.1:{}/", answering(b"\x20\x02\x00\x00")), "doesn't speak WebSocket");
    let tls = answering(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    check(format!("mqtts://127.0.0.1:{tls}"), "doesn't speak TLS");
    check(format!("wss://127.0.0.1:{tls}/mqtt"), "doesn't speak TLS");
}

#[test]
fn certificate_of_an_unknown_authority_is_refused() {
    let (broker, other) = (Mosquitto::start(Access::Everybody), Mosquitto::start(Access::Everybody));
    let script = write_script(&broker.folder, 3);
    let check = |url: String| {
        let ended = run(producer().args(["--broker", &url]).arg("--ca").arg(&other.ca_file).arg(&script));
        assert_eq!(ended.status, 1, "{}", ended.stderr);
        assert!(ended.stderr.contains("certificate"), "{}", ended.stderr);
    };
    check(format!("mqtts://127.0.0.1:{}", broker.mqtts_port));
    check(format!("wss://127.0.0.1:{}/mqtt", broker.wss_port));
}

#[test]
fn line_that_ends_the_connection_is_given_up_and_the_others_are_sent() {
    let broker = Mosquitto::start(Access::SmallPackets);
    let script = write(&broker.folder, &format!("A: one\nB: {}\nC: three\n", "x".repeat(3_000)));
    for (protocol, expected) in [
        ("3.1.1", "the broker closed the connection each of the 3 times it was sent"),
        ("auto", "but the server accepts 2048 at most"),
    ] {
        let ended =
            run(producer().args(["--broker", &broker.url(), "--protocol", protocol, "--interval", "1ms"]).arg(&script));
        assert_eq!((ended.status, ended.stdout.as_str()), (1, "2 of 3 lines acknowledged\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("Line 2 (row 2): ") && ended.stderr.contains(expected), "{}", ended.stderr);
    }
}

#[test]
fn forbidden_topic_ends_the_program() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 40);
    for protocol in ["3.1.1", "5"] {
        let begun = std::time::Instant::now();
        // Mosquitto closes the connection on a control character in a topic.
        let ended = run(producer()
            .args(["--broker", &broker.url(), "--protocol", protocol, "--topic", "Star\tWars", "--interval", "1ms"])
            .arg(&script));
        assert_eq!((ended.status, ended.stdout.as_str()), (1, "0 of 40 lines acknowledged\n"), "{}", ended.stderr);
        assert!(ended.stderr.contains("its topic may be forbidden"), "{}", ended.stderr);
        // It is given up after the third line.
        assert!(ended.stderr.contains("–40 (rows ") && ended.stderr.contains("–41): not sent"), "{}", ended.stderr);
        assert!(begun.elapsed().as_secs() < 120, "{} s", begun.elapsed().as_secs());
    }
}

#[test]
fn wrong_password_is_reported_and_not_retried() {
    let broker = Mosquitto::start(Access::User);
    let script = write_script(&broker.folder, 3);
    let (name, password) = USER;
    let check = |protocol: &str, user: Option<&str>, given: &str, status: i32, expected: &str| {
        let mut command = producer();
        command.args(["--broker", &broker.url(), "--protocol", protocol, "--interval", "1ms"]).arg(&script);
        if let Some(user) = user {
            command.args(["--username", user]).env("MQTT_PASSWORD", given);
        }
        let ended = run(&mut command);
        assert_eq!(ended.status, status, "{}", ended.stderr);
        assert!(ended.stderr.contains(expected), "{:?} should say {expected:?}", ended.stderr);
        assert!(!ended.stderr.contains("Retrying"), "{}", ended.stderr);
        assert!(!ended.stderr.contains(given) && !ended.stdout.contains(given));
    };
    check("auto", Some(name), password, 0, "Connected");
    check("3.1.1", Some(name), password, 0, "Connected");
    check("auto", Some(name), "wrong pony", 3, "rejected the connection");
    check("5", Some(name), "wrong pony", 3, "rejected the connection");
    check("3.1.1", Some(name), "wrong pony", 3, "(not authorized, 3.1.1 return code 5)");
    check("auto", None, "wrong pony", 3, "rejected the connection");

    let file = broker.folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).expect("a file");
    let ended = run(producer()
        .args(["--broker", &broker.url(), "--interval", "1ms", "--username", name])
        .env("MQTT_PASSWORD", "the file wins")
        .arg("--password-file")
        .arg(&file)
        .arg(&script));
    assert_eq!(ended.status, 0, "{}", ended.stderr);
}

#[test]
fn interrupted_loop_ends_cleanly() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 3);
    let check = |signal: &str| {
        let subscriber = broker.subscribe("mqttv5", "StarWars", 8);
        let program = start(
            producer()
                .args(["--broker", &broker.url(), "--loop", "--interval", "5ms", "--client-id", "looping"])
                .arg(&script),
        );
        for n in [1, 2, 3, 1, 2, 3, 1, 2] {
            assert_eq!(subscriber.line(), format!("1 0 StarWars {}", json(n)));
        }
        let sent = Command::new("kill").args([signal, &program.id().to_string()]).status();
        assert!(sent.expect("kill").success());
        let summary = program.line();
        let words: Vec<_> = summary.split(' ').collect();
        assert!(matches!(words.as_slice(), [a, "of", b, "lines", "acknowledged"] if a == b), "{summary}");
        assert!(program.end().success());
        // Mosquitto's message for a connection that ended with DISCONNECT.
        broker.process.wait_for("Client looping disconnected.");
    };
    check("-INT");
    check("-TERM");
}

#[test]
fn interrupted_script_reports_unsent_lines() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 3);
    let subscriber = broker.subscribe("mqttv5", "StarWars", 1);
    let program = start(producer().args(["--broker", &broker.url(), "--interval", "1h"]).arg(&script));
    subscriber.line();
    let sent = Command::new("kill").args(["-INT", &program.id().to_string()]).status();
    assert!(sent.expect("kill").success());
    assert_eq!(program.line(), "1 of 3 lines acknowledged");
    assert_eq!(program.end().code(), Some(1));
}

#[test]
fn broken_connection_loses_no_line() {
    let broker = Mosquitto::start(Access::Everybody);
    let script = write_script(&broker.folder, 30);
    let check = |protocol: &str, qos: &str, cuts_bytes: &[usize]| {
        let topic = format!("cut/{protocol}/{qos}");
        // One more than the number of lines, so that it doesn't end before a duplicate.
        let subscriber = broker.subscribe("mqttv5", "cut/#", 1_000);
        let link = BreakingLink::to(broker.mqtt_port, cuts_bytes.to_vec());
        let ended = run(producer()
            .args(["--broker", &format!("mqtt://127.0.0.1:{}", link.port), "--protocol", protocol, "--qos", qos])
            .args(["--interval", "2ms", "--topic", &topic])
            .arg(&script));
        assert_eq!(ended.status, 0, "{}", ended.stderr);
        assert_eq!(ended.stdout, "30 of 30 lines acknowledged\n");
        let lost = ended.stderr.matches("was lost").count();
        assert_eq!(lost, cuts_bytes.len(), "{}", ended.stderr);
        assert_eq!(ended.stderr.matches("Connected to").count(), cuts_bytes.len() + 1, "{}", ended.stderr);

        // Everything has arrived when a later message has.
        let later = write(&broker.folder, "\"1\" \"END\" \"end\"\n");
        run(producer().args(["--broker", &broker.url(), "--topic", "cut/end"]).arg(later));
        write_script(&broker.folder, 30);
        let mut received = Vec::new();
        loop {
            let line = subscriber.line();
            if line.contains("cut/end") {
                break;
            }
            let text = line.split_once(&topic).expect("the topic").1.trim_start().to_owned();
            received.push((1..=30).find(|n| text == json(*n)).unwrap_or_else(|| panic!("{line}")));
        }
        if qos == "2" {
            assert_eq!(received, (1..=30).collect::<Vec<_>>(), "exactly once");
        }
        let mut once = received.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once, (1..=30).collect::<Vec<_>>(), "at least once");
        assert!(received.len() <= 30 + lost * 30, "{received:?}");
    };
    check("5", "1", &[900]);
    check("3.1.1", "1", &[500, 700]);
    check("5", "2", &[907, 311]);
    check("3.1.1", "2", &[1_001]);
}

#[test]
fn sample_script_has_no_errors() {
    let broker = Mosquitto::start(Access::Everybody);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../assets/dialogues/the-quiet-broker.txt");
    let ended = run(producer().args(["--broker", &broker.url(), "--interval", "0s", "--quiet"]).arg(sample));
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}
