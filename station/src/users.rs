//! Who may connect, and what for: the file of users, the password check, and topic rules.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use mqtt_crawl::mqtt::topic::TopicFilter;
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use crate::connect::Refusal;
use crate::limits::{PASSWORD_BYTES_MAX, PASSWORD_CHECKS_MAX, PASSWORD_QUEUE_MAX};

/// The permissions of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Access {
    /// `None` if nobody has to log in.
    pub user: Option<String>,
    /// Filters that may be subscribed to; all if `None`.
    read: Vec<String>,
    /// Filters of topics that may be published to; all if `None`.
    write: Vec<String>,
}

impl Access {
    /// Whether everything that a filter matches may be read.
    pub(crate) fn may_read(&self, filter: &str) -> bool {
        self.read.is_empty() || self.read.iter().any(|rule| covers(rule, filter))
    }

    /// Whether a topic may be written; `$SYS` belongs to the broker.
    pub(crate) fn may_write(&self, topic: &str) -> bool {
        let is_system = topic.split('/').next() == Some("$SYS");
        !is_system && (self.write.is_empty() || self.write.iter().any(|rule| covers(rule, topic)))
    }
}

/// Whether all topics that `filter` matches are matched by `rule`.
fn covers(rule: &str, filter: &str) -> bool {
    // Wildcards don't match topics that begin with $ [MQTT-4.7.2-1].
    if filter.starts_with('$') && rule.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = filter.split('/');
    for expected in rule.split('/') {
        match (expected, levels.next()) {
            ("#", _) => return true,
            ("+", Some(level)) if level != "#" => {}
            (expected, Some(level)) if expected == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// The hash of a password, and the permissions.
type User = (String, Arc<Access>);

/// The users of a station.
#[derive(Debug)]
pub(crate) struct Users {
    users: HashMap<String, User>,
    /// Checked when the name is unknown, so that the time taken doesn't reveal which names exist.
    decoy: String,
    checks: Semaphore,
    /// The users whose password is being checked or waits for it.
    queue: Semaphore,
    /// By user name, a digest of the password that was accepted last, so that known users don't wait for a check.
    accepted: Mutex<HashMap<String, [u8; 32]>>,
    digest_key: [u8; 16],
}

impl Users {
    /// Reads the file of `--users`: a line per user, `#` starts a comment line.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let shown = path.display();
        let text = std::fs::read_to_string(path).with_context(|| format!("can't read the users in {shown}"))?;
        let users = parse(&text).with_context(|| format!("can't use {shown}"))?;
        Self::new(users).with_context(|| {
            format!("{shown} contains no users; expected lines of `user:hash`, with a hash from --hash-password")
        })
    }

    fn new(users: HashMap<String, User>) -> Option<Self> {
        Some(Self {
            decoy: users.values().next()?.0.clone(),
            users,
            checks: Semaphore::new(PASSWORD_CHECKS_MAX),
            queue: Semaphore::new(PASSWORD_QUEUE_MAX),
            accepted: Mutex::default(),
            digest_key: argon2::password_hash::generate_salt(),
        })
    }

    /// Returns the permissions of a user whose password was accepted before, without waiting.
    pub(crate) fn known(&self, name: &str, password: &[u8]) -> Option<Arc<Access>> {
        let is_known = *self.accepted.lock().get(name)? == self.digest(name, password);
        self.users.get(name).filter(|_| is_known).map(|(_, access)| Arc::clone(access))
    }

    /// Returns the permissions of a user with this password. Only a few checks run at once, and only a few wait.
    pub(crate) async fn check(&self, name: &str, password: &[u8]) -> Result<Arc<Access>, Refusal> {
        if password.len() > PASSWORD_BYTES_MAX {
            return Err(Refusal::WRONG_PASSWORD);
        }
        let user = self.users.get(name);
        let hash = user.map_or(&self.decoy, |(hash, _)| hash).clone();
        let _queue_permit = self.queue.try_acquire().map_err(|_| Refusal::BUSY)?;
        // It is never closed.
        let _permit = self.checks.acquire().await.map_err(|_| Refusal::BUSY)?;
        let given = password.to_vec();
        let check =
            tokio::task::spawn_blocking(move || Argon2::default().verify_password(&given, hash.as_str()).is_ok());
        match (check.await, user) {
            (Ok(true), Some((_, access))) => {
                let digest = self.digest(name, password);
                self.accepted.lock().insert(name.to_owned(), digest);
                Ok(Arc::clone(access))
            }
            _ => Err(Refusal::WRONG_PASSWORD),
        }
    }

    fn digest(&self, name: &str, password: &[u8]) -> [u8; 32] {
        let parts: [&[u8]; 4] = [&self.digest_key, &name.len().to_be_bytes(), name.as_bytes(), password];
        parts.into_iter().fold(Sha256::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }
}

/// Returns the text for a password in the file of users: an Argon2id hash in PHC form with a fresh salt.
///
/// # Errors
/// Fails when the system gives no random bytes.
pub fn hash_password(password: &[u8]) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password)?.to_string())
}

/// Error messages never repeat a line, which may hold a plain password by mistake.
fn parse(text: &str) -> anyhow::Result<HashMap<String, User>> {
    let mut users = HashMap::new();
    let rows = text.lines().map(str::trim).enumerate();
    for (index, row) in rows.filter(|(_, row)| !row.is_empty() && !row.starts_with('#')) {
        let line = || format!("line {}", index + 1);
        let (name, user) = parse_user(row).with_context(line)?;
        let is_first = users.insert(name, user).is_none();
        ensure!(is_first, "{}: duplicate user", line());
    }
    Ok(users)
}

fn parse_user(row: &str) -> anyhow::Result<(String, User)> {
    const RULE: &str = "expected `read=FILTER` or `write=FILTER` with a topic filter after the hash";
    let (name, rest) = row.split_once(':').context("expected `user:hash`")?;
    ensure!(!name.is_empty(), "the user name is empty");
    let mut words = rest.split_whitespace();
    let hash = words.next().unwrap_or_default().to_owned();
    let is_argon2 = PasswordHash::new(&hash).is_ok_and(|hash| hash.algorithm.as_str().starts_with("argon2"));
    ensure!(is_argon2, "expected an Argon2 hash after the colon; create one with --hash-password");
    let mut access = Access { user: Some(name.to_owned()), ..Access::default() };
    for word in words {
        let (rules, filter) = match word.split_once('=') {
            Some(("read", filter)) => (&mut access.read, filter),
            Some(("write", filter)) => (&mut access.write, filter),
            _ => bail!(RULE),
        };
        let is_plain = !filter.contains("%u") || !name.contains(['+', '#', '/']);
        ensure!(is_plain, "%u can't be used for a user name with +, # or /");
        let filter = filter.replace("%u", name);
        TopicFilter::parse(&filter).ok().context(RULE)?;
        rules.push(filter);
    }
    Ok((name.to_owned(), (hash, Arc::new(access))))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// `open sesame`, with the minimum work that Argon2 allows so that tests stay fast.
    const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$oWpxAZ9GNQwNm9bsx3yDVQ$/Yl0T74pOp3+wxzkhTJwow";

    fn check(text: &str, expected: Result<usize, &str>) {
        match (parse(text), expected) {
            (Ok(users), Ok(count)) => assert_eq!(users.len(), count, "{text}"),
            (Err(error), Err(words)) => assert_eq!(format!("{error:#}"), words),
            (outcome, _) => panic!("{text:?}: {outcome:?}"),
        }
    }

    #[test]
    fn invalid_lines_are_reported_by_number() {
        check("", Ok(0));
        check(&format!("# the crew\n\nana:{HASH}\nben:{HASH} read=a/# write=b/%u\r\n"), Ok(2));
        check("ana", Err("line 1: expected `user:hash`"));
        check(&format!("\n:{HASH}"), Err("line 2: the user name is empty"));
        check(&format!("ana:{HASH}\nana:{HASH}"), Err("line 2: duplicate user"));
        let plain = "line 1: expected an Argon2 hash after the colon; create one with --hash-password";
        check("ana:plain", Err(plain));
        check("ana:$scrypt$ln=1,r=1,p=1$c2FsdHNhbHRzYWx0", Err(plain));
        let rule = "line 1: expected `read=FILTER` or `write=FILTER` with a topic filter after the hash";
        check(&format!("ana:{HASH} all"), Err(rule));
        check(&format!("ana:{HASH} read=a/#/b"), Err(rule));
        check(&format!("a/#:{HASH} read=%u"), Err("line 1: %u can't be used for a user name with +, # or /"));
    }

    #[test]
    fn rules_cover_exactly_what_they_match() {
        let check = |rule, filter, expected| assert_eq!(covers(rule, filter), expected, "{rule} {filter}");
        for filter in ["a", "a/b", "a/+/c", "a/#", "a/"] {
            check("a/#", filter, true);
            check("#", filter, true);
            check("b/#", filter, false);
        }
        check("+", "a", true);
        check("+", "+", true);
        check("+", "#", false);
        check("a/+", "a/#", false);
        check("a/+", "a/b/c", false);
        check("a/b", "a/+", false);
        check("a/b", "a", false);
        check("#", "$SYS/#", false);
        check("$SYS/#", "$SYS/uptime", true);
    }

    #[test]
    fn access_is_unlimited_without_rules() {
        let users = parse(&format!("ana:{HASH} read=to/%u/# write=from/%u\nben:{HASH}")).unwrap();
        let (ana, ben) = (&users["ana"].1, &users["ben"].1);
        assert!(ana.may_read("to/ana/x") && !ana.may_read("to/+/x") && !ana.may_read("#"));
        assert!(ana.may_write("from/ana") && !ana.may_write("from/ben"));
        assert!(ben.may_read("#") && ben.may_read("$SYS/#") && ben.may_write("from/ana"));
        assert!(!ben.may_write("$SYS/uptime") && !ben.may_write("$SYS") && ben.may_write("$SYSTEM"));
    }

    #[test]
    fn generated_hash_matches_its_password() {
        let hash = hash_password(b"open sesame").unwrap();
        assert!(Argon2::default().verify_password(b"open sesame", hash.as_str()).is_ok());
        assert!(Argon2::default().verify_password(b"open", hash.as_str()).is_err());
        assert_ne!(hash, hash_password(b"open sesame").unwrap(), "the salt is fresh");
    }

    #[tokio::test]
    async fn only_the_right_password_is_accepted() {
        let users = Users::new(parse(&format!("ana:{HASH}")).unwrap()).unwrap();
        assert_eq!(users.known("ana", b"open sesame"), None, "nobody is known at first");
        assert!(users.check("ana", b"open sesame").await.is_ok());
        assert!(users.known("ana", b"open sesame").is_some());
        assert_eq!(users.known("ana", b"open"), None);
        assert_eq!(users.check("ana", b"open").await, Err(Refusal::WRONG_PASSWORD));
        assert_eq!(users.check("ben", b"open sesame").await, Err(Refusal::WRONG_PASSWORD), "the decoy's opens nothing");
        assert_eq!(users.check("ana", &[b'x'; PASSWORD_BYTES_MAX + 1]).await, Err(Refusal::WRONG_PASSWORD));
    }

    #[tokio::test]
    async fn password_check_queue_is_limited() {
        let users = Users::new(parse(&format!("ana:{HASH}")).unwrap()).unwrap();
        let others = users.queue.try_acquire_many(PASSWORD_QUEUE_MAX as u32).unwrap();
        assert_eq!(users.check("ana", b"open sesame").await, Err(Refusal::BUSY));
        drop(others);
        assert!(users.check("ana", b"open sesame").await.is_ok());
    }
}
