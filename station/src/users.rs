//! Who may connect: a file of users, and the check of a name with its password.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use tokio::sync::Semaphore;

/// Checks that may run at once. Each takes about 19 MiB and a core for some milliseconds, so that
/// a flood of wrong passwords must queue instead of taking the machine.
const CONCURRENT_CHECKS: usize = 2;

/// Longest password that is looked at, in bytes; longer ones are wrong without a check.
const LONGEST_PASSWORD_BYTES: usize = 1024;

/// Why the file of users can't be taken.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    /// The file can't be read.
    #[error("cannot read the users in {path}: {source}")]
    Unreadable {
        /// The file named by `--users`.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A line isn't `user:hash`.
    #[error("{path}, line {line}: {fault}")]
    Line {
        /// The file named by `--users`.
        path: PathBuf,
        /// Counted from 1.
        line: usize,
        /// What is wrong with the line, without quoting it.
        fault: LineFault,
    },
    /// The file names nobody, so nobody could ever connect.
    #[error("{path} names no user; a line is `user:hash`, and --hash-password makes the hash")]
    Nobody {
        /// The file named by `--users`.
        path: PathBuf,
    },
}

/// What is wrong with a line of the file of users. The line itself is never repeated: it may hold
/// a password that somebody put there in plain.
#[derive(Debug, thiserror::Error)]
pub enum LineFault {
    /// There is no colon.
    #[error("expected `user:hash`")]
    NoColon,
    /// Nothing before the colon.
    #[error("the user name before the colon is empty")]
    NoName,
    /// The part after the colon isn't an Argon2 hash.
    #[error("what follows the colon is no Argon2 hash; make one with --hash-password")]
    NoHash,
    /// The same name stands on an earlier line.
    #[error("this user already stands on line {0}")]
    Repeated(usize),
}

/// The users of a station.
#[derive(Debug)]
pub struct Users {
    hashes: HashMap<String, String>,
    /// Checked when the name is unknown, so that the time taken doesn't tell which names exist.
    decoy: String,
    checks: Arc<Semaphore>,
}

impl Users {
    /// Reads the file named by `--users`: a line per user, `#` starts a comment line.
    ///
    /// # Errors
    /// When the file can't be read, a line isn't `user:hash`, or nobody is named.
    pub fn read(path: &Path) -> Result<Self, UsersError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| UsersError::Unreadable { path: path.to_owned(), source })?;
        let hashes = parse(&text).map_err(|(line, fault)| UsersError::Line { path: path.to_owned(), line, fault })?;
        let decoy = hashes.values().next().cloned();
        let decoy = decoy.ok_or_else(|| UsersError::Nobody { path: path.to_owned() })?;
        Ok(Self { hashes, decoy, checks: Arc::new(Semaphore::new(CONCURRENT_CHECKS)) })
    }

    /// Whether this password is the one of this user.
    pub async fn accepts(&self, name: &str, password: &[u8]) -> bool {
        if password.len() > LONGEST_PASSWORD_BYTES {
            return false;
        }
        let known = self.hashes.get(name);
        let hash = known.unwrap_or(&self.decoy).clone();
        let password = password.to_vec();
        let Ok(permit) = Arc::clone(&self.checks).acquire_owned().await else {
            return false;
        };
        let check = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            Argon2::default().verify_password(&password, hash.as_str()).is_ok()
        });
        check.await.unwrap_or(false) && known.is_some()
    }
}

/// The text that stands for a password in the file of users: an Argon2id hash in PHC form with a
/// fresh salt.
///
/// # Errors
/// When the system gives no random bytes.
pub fn hash_password(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

fn parse(text: &str) -> Result<HashMap<String, String>, (usize, LineFault)> {
    let mut hashes = HashMap::new();
    let mut lines = HashMap::new();
    for (index, row) in text.lines().enumerate() {
        let line = index + 1;
        let row = row.trim();
        if row.is_empty() || row.starts_with('#') {
            continue;
        }
        let (name, hash) = row.split_once(':').ok_or((line, LineFault::NoColon))?;
        if name.is_empty() {
            return Err((line, LineFault::NoName));
        }
        let sound = PasswordHash::new(hash).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"));
        if !sound {
            return Err((line, LineFault::NoHash));
        }
        if let Some(earlier) = lines.insert(name, line) {
            return Err((line, LineFault::Repeated(earlier)));
        }
        hashes.insert(name.to_owned(), hash.to_owned());
    }
    Ok(hashes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `open sesame`, with the least work Argon2 allows so that tests stay quick.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$oWpxAZ9GNQwNm9bsx3yDVQ$/Yl0T74pOp3+wxzkhTJwow";

    fn check(text: &str, expected: Result<usize, &str>) {
        match (parse(text), expected) {
            (Ok(hashes), Ok(count)) => assert_eq!(hashes.len(), count, "{text}"),
            (Err((line, fault)), Err(words)) => assert_eq!(format!("{line}: {fault}"), words),
            (outcome, _) => panic!("{text:?}: {outcome:?}"),
        }
    }

    #[test]
    fn lines_are_read_or_refused_by_number() {
        check("", Ok(0));
        check(&format!("# the crew\n\nana:{HASH}\nben:{HASH}\r\n"), Ok(2));
        check("ana", Err("1: expected `user:hash`"));
        check(&format!("\n:{HASH}"), Err("2: the user name before the colon is empty"));
        check(&format!("ana:{HASH}\nana:{HASH}"), Err("2: this user already stands on line 1"));
        let plain = "1: what follows the colon is no Argon2 hash; make one with --hash-password";
        check("ana:plain", Err(plain));
        check("ana:$scrypt$ln=1,r=1,p=1$c2FsdHNhbHRzYWx0", Err(plain));
    }

    #[test]
    fn a_made_hash_fits_its_password() {
        let hash = hash_password(b"open sesame").unwrap();
        assert!(Argon2::default().verify_password(b"open sesame", hash.as_str()).is_ok());
        assert!(Argon2::default().verify_password(b"open", hash.as_str()).is_err());
        assert_ne!(hash, hash_password(b"open sesame").unwrap(), "the salt is fresh");
    }

    #[tokio::test]
    async fn only_the_right_password_of_a_known_user_is_taken() {
        let hash = HASH.to_owned();
        let hashes = HashMap::from([("ana".to_owned(), hash.clone())]);
        let users = Users { hashes, decoy: hash, checks: Arc::new(Semaphore::new(1)) };
        assert!(users.accepts("ana", b"open sesame").await);
        assert!(!users.accepts("ana", b"open").await);
        assert!(!users.accepts("ben", b"open sesame").await, "the decoy's password opens nothing");
        assert!(!users.accepts("ana", &[b'x'; LONGEST_PASSWORD_BYTES + 1]).await);
    }
}
