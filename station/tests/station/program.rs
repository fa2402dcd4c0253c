//! The program itself, as a child that ends with the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The program without an app.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mqtt-crawl-station");

pub struct Running {
    child: Child,
    pub http: SocketAddr,
    pub mqtt: SocketAddr,
}

impl Running {
    /// Starts it on free ports, in an empty folder, and waits until it listens.
    pub fn start(program: &Path, options: &[&str]) -> Self {
        Self::start_in(program, options, &[])
    }

    /// The same, with further variables in its environment.
    pub fn start_in(program: &Path, options: &[&str], environment: &[(&str, &Path)]) -> Self {
        // Nothing is written there, and a removal would take it from a program that another test starts.
        let nowhere = tests_folder("nowhere");
        std::fs::create_dir_all(&nowhere).unwrap();
        let mut child = Command::new(program)
            .args(["--http", "127.0.0.1:0", "--mqtt", "127.0.0.1:0"])
            .args(options)
            .envs(environment.iter().copied())
            .current_dir(nowhere)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let value =
            |key: &str| line.split_whitespace().find_map(|word| word.strip_prefix(key)).unwrap().parse().unwrap();
        Self { http: value("http="), mqtt: value("mqtt="), child }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Reads log lines until one has these words, or it has ended.
    pub fn wait_for_log(&mut self, log: &mut String, words: &str) {
        let mut lines = BufReader::new(self.child.stderr.as_mut().unwrap());
        while !log.contains(words) {
            assert!(lines.read_line(log).unwrap() > 0, "it ended: {log}");
        }
    }

    /// Ends it with a signal; what it has logged.
    pub fn stop(mut self, signal: &str) -> String {
        self.signal(signal);
        let mut log = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        assert_eq!(self.child.wait().unwrap().code(), Some(0), "{log}");
        log
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails only if it has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of the tests' own.
fn tests_folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("station").join(name)
}

/// An empty folder of the tests' own.
pub fn empty_folder(name: &str) -> PathBuf {
    let folder = tests_folder(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
