//! What the crawl shows in addition to its lines.

use leptos::prelude::*;

use crate::crawl::opening::Scene;

/// What the crawl shows in addition to its lines. Everything here is small and is set at most once a tick.
#[derive(Clone, Copy)]
pub(super) struct CrawlSignals {
    pub(super) controls: RwSignal<Controls>,
    /// Whether the crawl fills the screen.
    pub(super) fills_screen: RwSignal<bool>,
}

/// What the controls show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Controls {
    pub(super) scene: Scene,
    pub(super) is_paused: bool,
    pub(super) is_plain: bool,
    /// Nobody has moved for a while.
    pub(super) is_idle: bool,
    pub(super) speed_percent: u32,
    /// The number of lines the crawl is behind, if it is behind.
    pub(super) lag: Option<u64>,
}

impl CrawlSignals {
    pub(super) fn new() -> Self {
        let controls = Controls {
            scene: Scene::Idle,
            is_paused: false,
            is_plain: false,
            is_idle: false,
            speed_percent: 100,
            lag: None,
        };
        Self { controls: RwSignal::new(controls), fills_screen: RwSignal::new(false) }
    }
}
