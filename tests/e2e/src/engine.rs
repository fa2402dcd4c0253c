//! The browser engine of a run, and its features.
//!
//! A test names the [`Feature`]s it needs next to its own name. If an engine lacks one, the test is skipped there and
//! prints the reason; `cargo xtask test` counts it as skipped. A test that uses a feature it hasn't named fails
//! instead.

use std::fmt::{self, Display, Formatter};

use anyhow::{Result, bail};

/// The variable with the engine of a run; without it, Chromium.
const VARIABLE: &str = "MQTT_CRAWL_ENGINE";

/// Printed by a skipped test, followed by the reason. `cargo xtask test` reads it.
const SKIPPED: &str = "skipped here: ";

/// A browser engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Chrome, Edge, Opera.
    Chromium,
    /// Firefox.
    Firefox,
    /// Safari; here WebKitGTK.
    WebKit,
}

/// The features that not every engine can be driven to provide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Feature {
    /// Slowing down the page's thread.
    SlowProcessor,
    /// Chromium's own protocol: frames as they are drawn, memory, processes.
    DevTools,
    /// Checking whether the browser would install the page.
    Installability,
    /// Several device pixels per CSS pixel.
    PixelRatio,
    /// A script that runs before the page's own.
    InitScript,
    /// Reduced motion while the browser runs. Every engine can be started with it.
    ReducedMotion,
    /// Failing requests for files.
    BlockedFiles,
    /// A browser that reports that it is offline, and then online again.
    Offline,
    /// A light or dark system colour scheme.
    ColourScheme,
    /// A maximised window.
    FullScreenWindow,
    /// A page in full screen.
    FullScreenPage,
    /// Errors from the page's very beginning.
    EarlyErrors,
    /// A running audio source.
    Sound,
    /// A screen wake lock.
    WakeLock,
    /// All frames of a 60 Hz screen. Every engine can be started with them; Firefox otherwise draws half of them,
    /// because without a graphics card they take half a processor.
    FrameRate,
}

impl Engine {
    /// Returns the engine of this run.
    ///
    /// # Errors
    /// Fails when it has an unknown name.
    pub fn of_run() -> Result<Self> {
        match std::env::var(VARIABLE).as_deref() {
            Err(_) | Ok("" | "chromium") => Ok(Self::Chromium),
            Ok("firefox") => Ok(Self::Firefox),
            Ok("webkit") => Ok(Self::WebKit),
            Ok(other) => bail!("{VARIABLE} is {other:?}, not chromium, firefox or webkit"),
        }
    }

    /// All engines.
    pub const ALL: [Self; 3] = [Self::Chromium, Self::Firefox, Self::WebKit];

    /// Whether it lacks one of these features; then the test must return, and this prints why.
    pub fn skips(self, needs: &[Feature]) -> bool {
        let reason = needs.iter().find_map(|feature| self.lacks(*feature));
        if let Some(reason) = reason {
            // The runner shows it next to the test's name.
            println!("{SKIPPED}{reason}");
        }
        reason.is_some()
    }

    /// Returns why the engine lacks this feature; `None` if it has it.
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
                Some("WebKit's driver has no log: errors are recorded once the page has loaded")
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
