//! Keys at a terminal: pause, seek, quit.

/// The number of lines that the arrows up and down seek by.
const JUMP_LINES: i64 = 10;

/// The help text for the keys.
pub const HELP: &str = "Keys: Space pause/resume, ← → previous/next line, ↑ ↓ ten lines, q quit.";

/// What a key means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Pause,
    Seek(i64),
    Quit,
}

/// A parser of a terminal's bytes as keys; unknown sequences are ignored.
#[derive(Clone, Copy, Debug, Default)]
struct Decoder {
    state: State,
}

#[derive(Clone, Copy, Debug, Default)]
enum State {
    #[default]
    Plain,
    Escape,
    /// After `ESC [` or `ESC O`; parameters may follow.
    Sequence,
}

impl Decoder {
    fn key(&mut self, byte: u8) -> Option<Key> {
        let state = std::mem::take(&mut self.state);
        match (state, byte) {
            (_, 0x1B) => self.state = State::Escape,
            (State::Escape, b'[' | b'O') => self.state = State::Sequence,
            (State::Sequence, b'A') => return Some(Key::Seek(-JUMP_LINES)),
            (State::Sequence, b'B') => return Some(Key::Seek(JUMP_LINES)),
            (State::Sequence, b'C') => return Some(Key::Seek(1)),
            (State::Sequence, b'D') => return Some(Key::Seek(-1)),
            // Skips to its last byte, which is a letter or a tilde.
            (State::Sequence, 0x20..=0x3F) => self.state = State::Sequence,
            (State::Plain, b' ') => return Some(Key::Pause),
            (State::Plain, b'q' | b'Q') => return Some(Key::Quit),
            _ => {}
        }
        None
    }
}

#[cfg(unix)]
pub use unix::Keys;

#[cfg(unix)]
mod unix {
    use std::io::{IsTerminal, Read};
    use std::thread;

    use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
    use nix::unistd::{getpgrp, tcgetpgrp};

    use super::{Decoder, Key};
    use crate::remote::RemoteHandle;

    /// A reader of keys until dropped; dropping restores the terminal.
    pub struct Keys {
        before: Termios,
    }

    impl Keys {
        /// Reads keys if the program is interactive: standard input and standard error are a terminal, and the program
        /// isn't in the background, where touching the terminal would stop it.
        pub fn listen(remote: &RemoteHandle) -> Option<Self> {
            let stdin = std::io::stdin();
            if !stdin.is_terminal() || !std::io::stderr().is_terminal() || tcgetpgrp(&stdin).ok()? != getpgrp() {
                return None;
            }
            let before = tcgetattr(&stdin).ok()?;
            let mut now = before.clone();
            // Each key at once and without echo; Ctrl-C and line ends work as usual.
            now.local_flags.remove(LocalFlags::ICANON | LocalFlags::ECHO);
            tcsetattr(&stdin, SetArg::TCSANOW, &now).ok()?;
            let keys = Self { before };
            let remote = remote.clone();
            let thread = thread::Builder::new().name("mqtt-crawl keys".to_owned());
            thread.spawn(move || read(&remote)).ok()?;
            Some(keys)
        }
    }

    impl Drop for Keys {
        fn drop(&mut self) {
            // The terminal is gone; nothing can be done about it.
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, &self.before);
        }
    }

    fn read(remote: &RemoteHandle) {
        let mut decoder = Decoder::default();
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = std::io::stdin().lock().read(&mut buffer) {
            for key in buffer[..count].iter().filter_map(|&byte| decoder.key(byte)) {
                match key {
                    Key::Pause => remote.toggle_pause(),
                    Key::Seek(lines) => remote.seek(lines),
                    Key::Quit => remote.stop(),
                }
            }
        }
    }
}

/// Keys aren't supported on this system.
#[cfg(not(unix))]
pub struct Keys {}

#[cfg(not(unix))]
impl Keys {
    /// Never reads keys.
    pub fn listen(_remote: &crate::remote::RemoteHandle) -> Option<Self> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_are_decoded_as_keys() {
        let check = |bytes: &[u8], expected: &[Key]| {
            let mut decoder = Decoder::default();
            let keys: Vec<_> = bytes.iter().filter_map(|&byte| decoder.key(byte)).collect();
            assert_eq!(keys, expected, "{}", bytes.escape_ascii());
        };
        check(b"  q", &[Key::Pause, Key::Pause, Key::Quit]);
        check(b"\x1b[A\x1b[B\x1b[C\x1b[D", &[Key::Seek(-10), Key::Seek(10), Key::Seek(1), Key::Seek(-1)]);
        check(b"\x1bOD\x1bOC", &[Key::Seek(-1), Key::Seek(1)]);
        // With shift or control; other keys; a paste.
        check(b"\x1b[1;5C \x1b[3~q", &[Key::Seek(1), Key::Pause, Key::Quit]);
        check(b"\x1b q", &[Key::Quit]);
        check(b"\x1b\x1b[D\r\nabc\xc3\xa4", &[Key::Seek(-1)]);
    }
}
