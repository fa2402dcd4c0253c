//! Ends browsers and removes their folders when this program ends, even if it is killed: no test may drop the shared
//! browsers, and the test runner ends the program without a chance to do it here.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use nix::unistd::Pid;

/// Reads what to remember and what to forget, and cleans up at the end of its input, which is when this program has
/// ended, in whatever way.
const SCRIPT: &str = r#"
while read -r sign entry; do
    left=
    for other in $all; do
        [ "$other" = "$entry" ] || left="$left $other"
    done
    all=$left
    [ "$sign" = + ] && all="$all $entry"
done
for entry in $all; do
    case $entry in /*) ;; *) kill -KILL "$entry" ;; esac
done
# What they started ends a moment later.
sleep 1
for entry in $all; do
    case $entry in /*) rm -rf -- "$entry" ;; esac
done
"#;

/// Its standard input; `None` if it couldn't be started, and then browsers may be left over.
static INPUT: LazyLock<Mutex<Option<ChildStdin>>> = LazyLock::new(|| {
    let started = Command::new("sh")
        .args(["-c", SCRIPT])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // An interrupt from the keyboard is for this program; the guardian acts afterwards.
        .process_group(0)
        .spawn();
    Mutex::new(started.ok().and_then(|mut child| child.stdin.take()))
});

/// Resources that are removed when the program ends, unless this value is dropped before.
pub(super) struct Guarded(Vec<String>);

impl Guarded {
    /// Kills these processes and removes these folders at the end.
    pub(super) fn new(processes: &[Pid], folders: &[&Path]) -> Self {
        let processes = processes.iter().map(ToString::to_string);
        let folders = folders.iter().map(|folder| folder.display().to_string());
        let entries: Vec<String> = processes.chain(folders).collect();
        write('+', &entries);
        Self(entries)
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        write('-', &self.0);
    }
}

fn write(sign: char, entries: &[String]) {
    if let Some(input) = INPUT.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
        let lines: String = entries.iter().map(|entry| format!("{sign} {entry}\n")).collect();
        // Without it, browsers may be left over; the tests are unaffected.
        let _ = input.write_all(lines.as_bytes());
    }
}
