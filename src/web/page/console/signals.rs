//! What the console shows around its rows.

use leptos::prelude::*;

use crate::config::settings::{Columns, TimeMode};

/// What the console shows around its rows. Everything here is small and is set at most once a frame.
#[derive(Clone, Copy)]
pub(super) struct ConsoleSignals {
    /// The filter's text, wherever it was typed.
    pub(super) filter: RwSignal<String>,
    /// What is wrong with the filter; empty if nothing is.
    pub(super) filter_error: RwSignal<String>,
    pub(super) frame: RwSignal<FrameState>,
    pub(super) columns: RwSignal<Columns>,
    /// What the time column shows.
    pub(super) time: RwSignal<TimeMode>,
}

/// What depends on the rows.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct FrameState {
    pub(super) is_frozen: bool,
    pub(super) is_following: bool,
    pub(super) unread: u64,
    pub(super) lists_all: bool,
    /// The number of matches; `None` if there is no filter.
    pub(super) matches: Option<u64>,
    /// The place of the chosen match among them, from 1.
    pub(super) rank: Option<u64>,
    /// The text that is shown if there are no rows, and whether a sample may be played.
    pub(super) empty: Option<(&'static str, bool)>,
    pub(super) has_messages: bool,
}

impl ConsoleSignals {
    pub(super) fn new() -> Self {
        Self {
            filter: RwSignal::default(),
            filter_error: RwSignal::default(),
            frame: RwSignal::new(FrameState { is_following: true, ..FrameState::default() }),
            columns: RwSignal::new(Columns::default()),
            time: RwSignal::new(TimeMode::Absolute),
        }
    }
}
