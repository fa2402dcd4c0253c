//! Measures the library in a browser.
//!
//! The page provides PUBLISH packets in `packets` and gets the result in `found`: for each kind of work the
//! milliseconds of each round, as JSON, or an error.

use anyhow::{Context, Result, anyhow};
use bytes::BytesMut;
use js_sys::{Function, Reflect, Uint8Array};
use mqtt_crawl_hot_path::{decode, decode_with_mqttbytes, keep};
use wasm_bindgen::prelude::*;

/// The number of rounds during which the browser may still optimize the code.
const WARM_UP: usize = 6;

const ROUNDS: usize = 21;

/// The number of repetitions in a round: the browser's clock is coarse.
const REPETITIONS: usize = 4;

fn main() {
    let result = measure().unwrap_or_else(|error| format!("{error:#}"));
    // It fails only for values without properties.
    let _ = Reflect::set(&js_sys::global(), &"found".into(), &result.into());
}

fn measure() -> Result<String> {
    let global = js_sys::global();
    let property = |name: &str| Reflect::get(&global, &name.into()).map_err(|_| anyhow!("there is no {name}"));
    let packets =
        property("packets")?.dyn_into::<Uint8Array>().map_err(|_| anyhow!("packets isn't a Uint8Array"))?.to_vec();
    let performance = property("performance")?;
    let now = Reflect::get(&performance, &"now".into()).ok().and_then(|now| now.dyn_into::<Function>().ok());
    let now = now.context("there is no clock")?;
    let now_ms = || now.call0(&performance).ok().and_then(|ms| ms.as_f64()).unwrap_or(f64::NAN);

    let mut times_ms = [const { Vec::new() }; 3];
    for _ in 0..WARM_UP + ROUNDS {
        let mut buffers = vec![BytesMut::from(packets.as_slice()); REPETITIONS];
        let mut works: [&mut dyn FnMut() -> Result<()>; 3] = [
            &mut || (0..REPETITIONS).try_for_each(|_| decode(&packets)),
            &mut || buffers.drain(..).try_for_each(decode_with_mqttbytes),
            &mut || (0..REPETITIONS).try_for_each(|_| keep(&packets).map(drop)),
        ];
        for (work, times_ms) in works.iter_mut().zip(&mut times_ms) {
            let started_ms = now_ms();
            work()?;
            times_ms.push((now_ms() - started_ms) / REPETITIONS as f64);
        }
    }
    let [ours, theirs, kept] = times_ms.map(|times| times[WARM_UP..].to_vec());
    Ok(format!(r#"{{"ours":{ours:?},"mqttbytes":{theirs:?},"kept":{kept:?}}}"#))
}
