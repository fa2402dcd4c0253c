//! WebKitGTK's MiniBrowser, through WebKitWebDriver, on a virtual screen.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use fantoccini::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::Command;

use super::guardian::Guarded;
use super::{Control, Doing, connect, driver_command};
use crate::eventually;
use crate::process::{Process, find_program, free_port};

/// Larger than any page of a test.
const SCREEN_PX: (u32, u32) = (2_600, 1_600);

/// Its bars would keep the window from being as narrow as a phone.
const STYLE: &str = "* { min-width: 0; min-height: 0; padding: 0; margin: 0; border: none; font-size: 1px; }";

/// The folder of downloads, in the home folder.
const DOWNLOADS: &str = "downloads";

/// Records what a developer would call an error. The driver has no log.
const LISTEN: &str = "
    if (window.__errors) return;
    const errors = window.__errors = [];
    const original = console.error;
    console.error = (...values) => { errors.push(values.map(String).join(' ')); original.apply(console, values); };
    // Resize notifications delivered in the next frame are no error; other browsers keep them out of their consoles.
    const isError = (message) => message && !message.startsWith('ResizeObserver loop');
    addEventListener('error', ({ message }) => { if (isError(message)) errors.push(message); });
    addEventListener('unhandledrejection', ({ reason }) => errors.push(String(reason)));";

/// Ends the browser, its driver and its screen.
pub(super) struct WebKit {
    /// Errors of pages that were left.
    errors: Mutex<Vec<String>>,
    is_still: bool,
    downloads: PathBuf,
    _home: TempDir,
    _driver: Process,
    /// Ended last, and the browser with it.
    _screen: Process,
    _guarded: Guarded,
}

pub(super) async fn start(is_still: bool) -> Result<(Client, WebKit)> {
    let mut screen = Command::new(find_program("Xvfb", "xvfb")?);
    let size = format!("{}x{}x24", SCREEN_PX.0, SCREEN_PX.1);
    screen.args(["-displayfd", "1", "-screen", "0", &size, "-nolisten", "tcp"]);
    let (screen, display) = Process::start(&mut screen, |line| line.trim().parse::<u32>().ok()).await?;

    let home = make_home(is_still)?;
    let port = free_port()?;
    let mut driver = driver_command("WebKitWebDriver", "webkit2gtk-driver")?;
    driver.arg(format!("--port={port}")).arg("--host=127.0.0.1").env("DISPLAY", format!(":{display}"));
    for (variable, folder) in
        [("XDG_CONFIG_HOME", "config"), ("XDG_CACHE_HOME", "cache"), ("XDG_DATA_HOME", "data"), ("HOME", "")]
    {
        driver.env(variable, home.path().join(folder));
    }
    // Without a graphics card, both the painting and the compositing thread use Mesa's rasterizer, and one of them
    // crashes in it about once in a hundred tests.
    driver.env("WEBKIT_SKIA_ENABLE_CPU_RENDERING", "1");
    // The desktop's settings don't apply to tests.
    driver.env("GSETTINGS_BACKEND", "memory").env_remove("WAYLAND_DISPLAY").env_remove("DBUS_SESSION_BUS_ADDRESS");
    let driver = Process::spawn(&mut driver)?;
    eventually("WebKit's driver", async || Ok(TcpStream::connect(("127.0.0.1", port)).await.ok())).await?;

    let options = json!({"binary": mini_browser()?.to_string_lossy(), "args": ["--automation"]});
    let client = connect(port, json!({"webkitgtk:browserOptions": options})).await?;
    let downloads = home.path().join(DOWNLOADS);
    let guarded = Guarded::new(&[driver.pid()?, screen.pid()?], &[home.path()]);
    let webkit = WebKit {
        errors: Mutex::default(),
        is_still,
        downloads,
        _home: home,
        _driver: driver,
        _screen: screen,
        _guarded: guarded,
    };
    Ok((client, webkit))
}

/// Creates a home folder with the folder of downloads, and with the setting for reduced motion.
fn make_home(is_still: bool) -> Result<TempDir> {
    let home = tempfile::tempdir()?;
    let gtk = home.path().join("config").join("gtk-3.0");
    fs::create_dir_all(&gtk)?;
    fs::write(gtk.join("gtk.css"), STYLE)?;
    let animations = u8::from(!is_still);
    fs::write(gtk.join("settings.ini"), format!("[Settings]\ngtk-enable-animations={animations}\n"))?;
    let downloads = home.path().join(DOWNLOADS);
    fs::create_dir(&downloads)?;
    let folders = format!("XDG_DOWNLOAD_DIR=\"{}\"\n", downloads.display());
    fs::write(home.path().join("config").join("user-dirs.dirs"), folders)?;
    Ok(home)
}

/// Returns the browser that comes with the driver; in Debian it isn't a separate program.
fn mini_browser() -> Result<PathBuf> {
    for folder in fs::read_dir("/usr/lib").context("no /usr/lib")? {
        let Ok(entries) = fs::read_dir(folder?.path()) else { continue };
        for entry in entries.flatten() {
            let program = entry.path().join("MiniBrowser");
            if fs::metadata(&program).is_ok_and(|found| found.permissions().mode() & 0o111 != 0) {
                return Ok(program);
            }
        }
    }
    anyhow::bail!("MiniBrowser is missing (it comes with Debian's package webkit2gtk-driver; `cargo xtask setup`)")
}

async fn run(client: &Client, script: &str) -> Result<Value> {
    Ok(client.execute(script, Vec::new()).await?)
}

impl WebKit {
    fn keep(&self, errors: Vec<String>) {
        self.errors.lock().unwrap_or_else(PoisonError::into_inner).extend(errors);
    }

    async fn reported_errors(client: &Client) -> Result<Vec<String>> {
        Ok(serde_json::from_value(run(client, "return window.__errors?.splice(0) ?? [];").await?)?)
    }
}

impl Control for WebKit {
    fn resize<'a>(&'a self, client: &'a Client, (width, height): (u32, u32), _: f64) -> Doing<'a> {
        Box::pin(async move {
            // The window has bars as well; this measures their height.
            let want = (f64::from(width), f64::from(height));
            let is_placed = Cell::new(false);
            eventually(&format!("a page of {width} by {height}"), async || {
                let inner: (f64, f64) =
                    serde_json::from_value(run(client, "return [innerWidth, innerHeight];").await?)?;
                if inner == want && is_placed.get() {
                    return Ok(Some(()));
                }
                let (outer_width, outer_height) = client.get_window_size().await?;
                let bars = (outer_width as f64 - inner.0, outer_height as f64 - inner.1);
                // Before it is drawn again the size may be anything.
                let bars = if bars.0 < 0.0 || bars.1 < 0.0 { (0.0, 0.0) } else { bars };
                let (width, height) = ((want.0 + bars.0) as u32, (want.1 + bars.1) as u32);
                // Without a window manager a window has the focus while the pointer is over it, which is in the middle.
                let (left, top) = ((SCREEN_PX.0 - width) / 2, (SCREEN_PX.1 - height) / 2);
                client.set_window_rect(left, top, width, height).await?;
                is_placed.set(true);
                Ok(None)
            })
            .await
        })
    }

    fn goto<'a>(&'a self, client: &'a Client, url: &'a str) -> Doing<'a> {
        Box::pin(async move {
            self.keep(Self::reported_errors(client).await?);
            client.goto(url).await?;
            run(client, LISTEN).await.map(drop)
        })
    }

    fn bring_to_front<'a>(&'a self, _: &'a Client) -> Doing<'a> {
        // Each tab is a window, and WebKit doesn't consider any covered by another.
        Box::pin(async { Ok(()) })
    }

    fn downloads(&self) -> &Path {
        &self.downloads
    }

    fn errors<'a>(&'a self, client: &'a Client) -> Doing<'a, Vec<String>> {
        Box::pin(async move {
            self.keep(Self::reported_errors(client).await?);
            Ok(std::mem::take(&mut *self.errors.lock().unwrap_or_else(PoisonError::into_inner)))
        })
    }

    fn reduce_motion<'a>(&'a self, _: &'a Client) -> Doing<'a> {
        Box::pin(async {
            anyhow::ensure!(self.is_still, "WebKit has to be started without motion");
            Ok(())
        })
    }
}
