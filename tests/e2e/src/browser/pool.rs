//! Browsers that tests use in turn, because starting one takes longer than many tests.
//!
//! A test that names no [`Feature`] gets a browser that other tests have used, with a new tab and empty storage. A test
//! that names one gets a browser of its own, because its changes may be permanent.

use std::sync::{LazyLock, Mutex, PoisonError};

use anyhow::{Context, Result};
use fantoccini::Client;
use tokio::runtime::{Builder, Handle};

use super::{Session, chromium, firefox, webkit};
use crate::engine::{Engine, Feature};

/// A size that every page of a test fits into, in CSS pixels.
const WINDOW_PX: (u32, u32) = (1_400, 1_000);

/// Browsers that no test uses now.
static IDLE: Mutex<Vec<(Engine, Session)>> = Mutex::new(Vec::new());

/// The runtime of the connections to drivers, because a test's own runtime ends with the test.
static RUNTIME: LazyLock<Handle> = LazyLock::new(|| {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime can be made");
    let handle = runtime.handle().clone();
    std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
    handle
});

/// Whether a test with these needs uses a shared browser.
pub(super) fn shares(engine: Engine, needs: &[Feature]) -> bool {
    // WebKit's driver starts a browser for each session.
    engine != Engine::WebKit && needs.is_empty()
}

/// Returns an idle browser, or a new one.
pub(super) async fn take(engine: Engine) -> Result<Session> {
    let idle = {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        idle.iter().position(|(other, _)| *other == engine).map(|index| idle.swap_remove(index))
    };
    match idle {
        Some((_, session)) => Ok(session),
        None => start(engine, &[]).await,
    }
}

/// Starts a browser.
pub(super) async fn start(engine: Engine, needs: &[Feature]) -> Result<Session> {
    let (is_still, draws_all) = (needs.contains(&Feature::ReducedMotion), needs.contains(&Feature::FrameRate));
    let starting = RUNTIME.spawn(async move {
        anyhow::Ok(match engine {
            Engine::Chromium => {
                let (client, control) = chromium::start().await?;
                Session { client, control: Box::new(control) }
            }
            Engine::Firefox => {
                let (client, control) = firefox::start(draws_all).await?;
                Session { client, control: Box::new(control) }
            }
            Engine::WebKit => {
                let (client, control) = webkit::start(is_still).await?;
                Session { client, control: Box::new(control) }
            }
        })
    });
    starting.await.context("the browser's runtime")?
}

/// Removes what a test has left, for the next one.
pub(super) async fn give_back(engine: Engine, session: Session) -> Result<()> {
    let Session { client, control } = &session;
    // It has neither the size nor the scripts of the old one.
    let tab = client.new_window(true).await?.handle;
    close_others(client, &tab).await?;
    client.set_window_rect(0, 0, WINDOW_PX.0, WINDOW_PX.1).await?;
    control.clear(client).context("it is used once")?.await.context("clearing a browser")?;
    for entry in std::fs::read_dir(control.downloads())? {
        std::fs::remove_file(entry?.path())?;
    }
    control.errors(client).await?;
    IDLE.lock().unwrap_or_else(PoisonError::into_inner).push((engine, session));
    Ok(())
}

async fn close_others(client: &Client, tab: &fantoccini::wd::WindowHandle) -> Result<()> {
    for other in client.windows().await? {
        if other != *tab {
            client.switch_to_window(other).await?;
            client.close_window().await?;
        }
    }
    Ok(client.switch_to_window(tab.clone()).await?)
}
