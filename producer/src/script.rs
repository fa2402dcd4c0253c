//! The script of a transmission: files in order, or a live source.

use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

use mqtt_crawl::dialogue::Line;
use mqtt_crawl::dialogue::script::{
    ColumnChoice, Format, Reader, ReaderOptions, ScriptError, ScriptLine, Summary, Unreadable,
};

use crate::printable::printable;
use crate::remote::RemoteHandle;

/// A file of the command line can't be read.
#[derive(Debug, thiserror::Error)]
#[error("Can't read {}: {error}", path.display())]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub error: std::io::Error,
}

/// The number of bytes read at once.
const READ_BYTES: usize = 16 * 1024;
/// The number of rows of a live source that may be queued for the transmission; at this limit the source blocks.
const QUEUED_ROWS_MAX: usize = 256;
/// The name shown for standard input.
const STANDARD_INPUT: &str = "standard input";

/// The lines to send.
#[derive(Debug)]
pub struct Script {
    pub(crate) rows: Rows,
    /// The outcome of each file that was read as a whole.
    pub(crate) files: Vec<FileSummary>,
}

/// Options for reading scripts.
#[derive(Clone, Debug, Default)]
pub struct ScriptOptions {
    /// Their format; `None` detects it from name and beginning.
    pub format: Option<Format>,
    /// The roles of a table's columns.
    pub columns: ColumnChoice,
    /// Whether a live source is read to its end before anything is sent.
    pub reads_ahead: bool,
}

/// The outcome of reading a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSummary {
    /// Its name.
    pub name: Arc<str>,
    /// The number of rows read and skipped.
    pub summary: Box<Summary>,
}

impl fmt::Display for FileSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, summary } = self;
        match &summary.unreadable {
            Some(unreadable) => {
                write!(f, "Can't read {name}. {unreadable}")?;
                match unreadable {
                    Unreadable::NotAScript(_) => Ok(()),
                    _ => f.write_str(" Set --speaker-column and --words-column to a name, or to a number from 1."),
                }
            }
            None if summary.read == 0 => write!(f, "No usable lines in {name}. {}", summary.example()),
            None => write!(f, "{name}: {summary}"),
        }
    }
}

/// Why scripts can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum ScriptReadError {
    /// One can't be opened, or read to its end.
    #[error(transparent)]
    File(#[from] FileError),
    /// One isn't a script.
    #[error("{}", printable(&.0.to_string()))]
    Unreadable(FileSummary),
}

#[derive(Debug)]
pub(crate) enum Rows {
    /// All lines, read in advance.
    All(Vec<Row>),
    /// A source that may never end.
    Live(Live),
}

type Row = Result<TimedLine, SkippedRow>;

/// An item read from scripts, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptItem {
    /// A row.
    Row(Result<TimedLine, SkippedRow>),
    /// The end of a live file.
    End(FileSummary),
}

/// A line to send, and its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimedLine {
    /// The name of its file, if there are several.
    pub file: Option<Arc<str>>,
    /// The line of the file that its row begins in, from 1.
    pub row: usize,
    /// The speaker and the text.
    pub line: Line,
}

impl From<ScriptLine> for TimedLine {
    fn from(line: ScriptLine) -> Self {
        Self { file: None, row: line.number, line: line.line }
    }
}

/// Something that isn't sent, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SkippedRow {
    /// A row.
    Row {
        /// The file's name.
        file: Arc<str>,
        /// What is wrong with it.
        error: ScriptError,
    },
    /// Everything that follows: reading failed in the middle.
    Rest {
        /// The file's name.
        file: Arc<str>,
        /// The system's error message.
        reason: String,
    },
}

impl SkippedRow {
    pub(crate) fn is_cut_short(&self) -> bool {
        matches!(self, Self::Rest { .. })
    }
}

impl fmt::Display for SkippedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Row { file, error } => write!(f, "{file}, {error}"),
            Self::Rest { file, reason } => write!(f, "Can't read {file} to its end: {reason}."),
        }
    }
}

impl From<Vec<ScriptLine>> for Script {
    fn from(lines: Vec<ScriptLine>) -> Self {
        let rows = lines.into_iter().map(|line| Ok(line.into())).collect();
        Self { rows: Rows::All(rows), files: Vec::new() }
    }
}

impl Script {
    /// Opens files, to be sent in this order; `-` is standard input. Regular files are read now. Pipes, terminals,
    /// devices, and everything listed with them, are read while they are sent.
    ///
    /// # Errors
    /// Fails when a file can't be read or isn't a script.
    pub fn open(paths: &[PathBuf], options: &ScriptOptions) -> Result<Self, ScriptReadError> {
        let is_one = paths.len() == 1;
        let sources: Result<Vec<_>, _> = paths.iter().map(|path| Source::open(path, options, is_one)).collect();
        let sources = sources?;
        if sources.iter().any(|source| source.options.is_live) && !options.reads_ahead {
            return Ok(Self { rows: Rows::Live(Live { sources }), files: Vec::new() });
        }
        let (mut rows, mut files) = (Vec::new(), Vec::new());
        for (source, path) in sources.into_iter().zip(paths) {
            let name = Arc::clone(&source.name);
            let read = source.read(&mut |row| {
                rows.push(row);
                true
            });
            let summary = read.map_err(|error| FileError { path: path.clone(), error })?;
            let file = FileSummary { name, summary: Box::new(summary) };
            if file.summary.unreadable.is_some() {
                return Err(ScriptReadError::Unreadable(file));
            }
            files.push(file);
        }
        Ok(Self { rows: Rows::All(rows), files })
    }

    /// Returns the outcome of each file, if they were read as a whole.
    pub fn files(&self) -> &[FileSummary] {
        &self.files
    }

    /// Returns the skipped rows, if all of them are known.
    pub fn skipped_rows(&self) -> impl Iterator<Item = &SkippedRow> {
        let rows = match &self.rows {
            Rows::All(rows) => rows.as_slice(),
            Rows::Live(_) => &[],
        };
        rows.iter().filter_map(|row| row.as_ref().err())
    }

    /// Iterates over all rows, those of a live source as they arrive.
    pub fn into_rows(self) -> Box<dyn Iterator<Item = ScriptItem>> {
        match self.rows {
            Rows::All(rows) => Box::new(rows.into_iter().map(ScriptItem::Row)),
            Rows::Live(live) => Box::new(live.begin(RemoteHandle::new()).into_iter()),
        }
    }
}

/// Sources that are read while they are sent.
#[derive(Debug)]
pub(crate) struct Live {
    sources: Vec<Source>,
}

impl Live {
    /// Starts reading on a new thread; wakes the transmission when rows have arrived.
    pub(crate) fn begin(self, remote: RemoteHandle) -> Receiver<ScriptItem> {
        let (sender, rows) = sync_channel(QUEUED_ROWS_MAX);
        let on_failure = sender.clone();
        let thread = thread::Builder::new().name("mqtt-crawl script".to_owned());
        if let Err(error) = thread.spawn(move || self.read(sender, &remote)) {
            let reason = format!("can't start a thread ({error})");
            // The channel is still empty, so there is room for it.
            let rest = SkippedRow::Rest { file: "The script".into(), reason };
            let _ = on_failure.try_send(ScriptItem::Row(Err(rest)));
        }
        rows
    }

    fn read(self, sender: SyncSender<ScriptItem>, remote: &RemoteHandle) {
        for source in self.sources {
            let name = Arc::clone(&source.name);
            let read = source.read_with(&mut |row| send_row(ScriptItem::Row(row), &sender, remote), &|| remote.wake());
            let item = match read {
                Ok(summary) => ScriptItem::End(FileSummary { name, summary: Box::new(summary) }),
                Err(error) => ScriptItem::Row(Err(SkippedRow::Rest { file: name, reason: error.to_string() })),
            };
            // The transmission is over, so nothing receives it.
            let _ = sender.send(item);
        }
        // The transmission detects the end by this, when it is woken.
        drop(sender);
        remote.wake();
    }
}

/// Passes a row on; returns whether the transmission continues.
fn send_row(row: ScriptItem, sender: &SyncSender<ScriptItem>, remote: &RemoteHandle) -> bool {
    match sender.try_send(row) {
        Ok(()) => true,
        Err(TrySendError::Disconnected(_)) => false,
        Err(TrySendError::Full(row)) => {
            remote.wake();
            sender.send(row).is_ok()
        }
    }
}

/// An open file.
struct Source {
    name: Arc<str>,
    /// The name, if it has to be distinguished from others.
    label: Option<Arc<str>>,
    options: ReaderOptions,
    input: Box<dyn Read + Send>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).field("options", &self.options).finish_non_exhaustive()
    }
}

impl Source {
    fn open(path: &Path, options: &ScriptOptions, is_one: bool) -> Result<Self, FileError> {
        let (name, input, is_live): (Arc<str>, Box<dyn Read + Send>, bool) = if path == Path::new("-") {
            (STANDARD_INPUT.into(), Box::new(std::io::stdin()), !is_stdin_a_file())
        } else {
            let failed = |error| FileError { path: path.to_owned(), error };
            let file = File::open(path).map_err(failed)?;
            let metadata = file.metadata().map_err(failed)?;
            if metadata.is_dir() {
                return Err(failed(ErrorKind::IsADirectory.into()));
            }
            (path.to_string_lossy().into(), Box::new(file), !metadata.is_file())
        };
        let options = ReaderOptions {
            format: options.format.or_else(|| Format::of_file_name(&name)),
            columns: options.columns.clone(),
            is_live,
        };
        Ok(Self { label: (!is_one).then(|| Arc::clone(&name)), name, options, input })
    }

    /// Delivers all rows, until the receiver stops.
    fn read(mut self, take: &mut dyn FnMut(Row) -> bool) -> std::io::Result<Summary> {
        // No receiver is waiting for a row.
        self.options.is_live = false;
        self.read_with(take, &|| {})
    }

    /// Delivers all rows, and signals whenever everything read so far was delivered.
    fn read_with(mut self, take: &mut dyn FnMut(Row) -> bool, paused: &dyn Fn()) -> std::io::Result<Summary> {
        let mut reader = Reader::new(self.options.clone());
        let mut buffer = vec![0; READ_BYTES];
        loop {
            let count = match self.input.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                count => count?,
            };
            match count {
                0 => reader.end(),
                _ => reader.push(&buffer[..count]),
            }
            while let Some(row) = reader.poll() {
                let row = match row {
                    Ok(ScriptLine { number, line }) => Ok(TimedLine { file: self.label.clone(), row: number, line }),
                    Err(error) => Err(SkippedRow::Row { file: Arc::clone(&self.name), error }),
                };
                if !take(row) {
                    return Ok(reader.summary());
                }
            }
            if count == 0 {
                return Ok(reader.summary());
            }
            paused();
        }
    }
}

/// Whether standard input is a file by redirection (`< FILE`), which can be read at once.
fn is_stdin_a_file() -> bool {
    #[cfg(unix)]
    {
        use std::os::fd::AsFd;
        let stdin = std::io::stdin().as_fd().try_clone_to_owned();
        stdin.and_then(|stdin| File::from(stdin).metadata()).is_ok_and(|metadata| metadata.is_file())
    }
    #[cfg(not(unix))]
    false
}
