//! Which browser engine a run is about, and what it can be driven to do.
//!
//! A test names the [`Feature`]s it needs beside its own name. Where an engine lacks one, the test isn't run there, and
//! says so with the reason; `cargo xtask test` counts it as skipped. One that uses what it hasn't named fails instead.

use std::fmt::{self, Display, Formatter};

use anyhow::{Result, bail};

/// Names the engine of a run; without it, Chromium.
const VARIABLE: &str = "MQTT_CRAWL_ENGINE";

/// What a test that isn't run prints, followed by the reason. `cargo xtask test` reads it.
const SKIPPED: &str = "skipped here: ";

/// What draws the page and runs its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Chrome, Edge, Opera.
    Chromium,
    /// Firefox.
    Firefox,
    /// Safari; here WebKitGTK.
    WebKit,
}

/// What not every engine can be driven to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// The page's thread is slowed down.
    SlowProcessor,
    /// Chromium's own protocol: frames as they are drawn, memory, processes.
    DevTools,
    /// Whether the browser would install the page.
    Installability,
    /// Several of the screen's pixels for one of CSS.
    PixelRatio,
    /// A script that runs ahead of the page's own.
    InitScript,
    /// Motion that is kept low. Every engine can be started so; a browser has to know of it then.
    ReducedMotion,
    /// Files that can't be fetched.
    BlockedFiles,
    /// A browser that says that it is offline, and then online again.
    Offline,
    /// Light or dark, as the system has it.
    ColourScheme,
    /// A window that fills the screen.
    FullScreenWindow,
    /// A page that fills the screen.
    FullScreenPage,
    /// Errors from the page's very beginning on.
    EarlyErrors,
    /// A source of sound that runs.
    Sound,
    /// A screen that is kept awake.
    WakeLock,
    /// All frames of a screen of 60 Hz. Every engine can be started so; Firefox draws half of them otherwise, because
    /// without a graphics card they take half a processor.
    FrameRate,
}

impl Engine {
    /// The engine of this run.
    ///
    /// # Errors
    /// When it is asked for by a name that none has.
    pub fn of_run() -> Result<Self> {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "chromium") => Ok(Self::Chromium),
            Ok("firefox") => Ok(Self::Firefox),
            Ok("webkit") => Ok(Self::WebKit),
            Ok(other) => bail!("{VARIABLE} is {other:?}, not chromium, firefox or webkit"),
        }
    }

    /// All of them.
    pub const ALL: [Self; 3] = [Self::Chromium, Self::Firefox, Self::WebKit];

    /// Whether it lacks one of these; then a test is over, and this prints why.
    pub fn skips(self, needs: &[Feature]) -> bool {
        let reason = needs.iter().find_map(|feature| self.lacks(*feature));
        if let Some(reason) = reason {
            // The runner shows it beside the test's name.
            println!("{SKIPPED}{reason}");
        }
        reason.is_some()
    }

    /// Why this can't be had from it; `None` where it can.
    pub fn lacks(self, feature: Feature) -> Option<&'static str> {
        use Feature as F;
        match (self, feature) {
            (Self::Chromium, _) => None,
            (_, F::SlowProcessor) => Some("no driver but Chromium's slows a page down"),
            (_, F::DevTools) => Some("it asks Chromium's own protocol"),
            (_, F::Installability) => Some("no driver but Chromium's says whether a page can be installed"),
            (Self::Firefox, F::Sound) => Some("Firefox runs no source of sound without a sound card"),
            (Self::Firefox, F::WakeLock) => Some("Firefox without a window keeps no screen awake"),
            (Self::Firefox, _) | (_, F::ReducedMotion | F::FrameRate) => None,
            (Self::WebKit, F::PixelRatio) => Some("WebKitGTK takes the screen's pixel ratio, which stays"),
            (Self::WebKit, F::InitScript) => Some("WebKit's driver runs nothing ahead of the page"),
            (Self::WebKit, F::BlockedFiles) => Some("WebKit's driver keeps no file from the page"),
            (Self::WebKit, F::Offline) => Some("WebKit's driver can't take it off the network"),
            (Self::WebKit, F::ColourScheme) => Some("WebKitGTK reads the colour scheme when it starts"),
            (Self::WebKit, F::FullScreenWindow | F::FullScreenPage) => {
                Some("no window fills the screen without a window manager")
            }
            (Self::WebKit, F::EarlyErrors) => {
                Some("WebKit's driver has no log: errors are heard once the page is there")
            }
            (Self::WebKit, F::Sound) => Some("WebKitGTK plays by GStreamer, which isn't there"),
            (Self::WebKit, F::WakeLock) => Some("WebKitGTK keeps a screen awake by the desktop, and there is none"),
        }
    }
}

impl Display for Engine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Chromium => "Chromium",
            Self::Firefox => "Firefox",
            Self::WebKit => "WebKit",
        })
    }
}
