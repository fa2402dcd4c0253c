//! The repository's own commands, run as `cargo xtask …`.
//!
//! | command | what it does |
//! |---|---|
//! | `setup` | installs what building and testing need and this machine lacks |
//! | `dist` | builds the static site into `dist/`, and a station with the site inside |
//! | `demo` | builds and starts everything on this machine, prints the link |
//! | `test` | every check there is; its last line counts them |
//! | `bench` | how fast it is; `bench soak`: whether the crawl stays on screen for an hour |
//! | `weigh` | what each part of a first visit weighs |

mod arrange;
mod bench;
mod demo;
mod dist;
mod offline;
mod repo;
mod run;
mod setup;
mod shrink;
mod size;
mod suites;
mod weigh;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::repo::Repo;
use crate::suites::{Engine, Suite};

/// The repository's own commands.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what is missing to build and test: wasm target, Trunk, wasm-bindgen, browser, broker
    Setup,
    /// Build everything, start the station and the producer, print the link to open
    Demo,
    /// Run all checks, or only the suites named
    Test {
        /// Suites to run instead of all of them
        suites: Vec<Suite>,
        /// Only the browser tests in this engine, of the site that was built last; may be given again
        #[arg(long, value_name = "ENGINE")]
        engine: Vec<Engine>,
    },
    /// Measure how fast the released site is
    Bench {
        /// What to measure instead of everything. Not part of it are `engines`, which compares Chromium, Firefox and
        /// WebKit, `engines-steady`, ten minutes of a stream in each, and `soak`, which watches the crawl for an hour
        /// and fails when a row is missing on screen
        only: Vec<String>,
        /// How long `soak` takes
        #[arg(long, default_value_t = 60)]
        minutes: u32,
    },
    /// Build the site and say what each part of a first visit weighs
    Weigh,
    /// Build the static site into dist/, and a station that has it inside
    Dist,
}

fn main() -> ExitCode {
    match run(Options::parse().command) {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    let repo = Repo::locate()?;
    match command {
        Command::Setup => {
            setup::install(&repo, setup::Scope::Everything)?;
        }
        Command::Dist => {
            let tools = setup::install(&repo, setup::Scope::Web)?;
            dist::build(&repo, &tools)?;
            demo::build_programs(&repo)?;
            println!("dist: {} has the site inside and needs no other file", dist::embed(&repo)?.display());
        }
        Command::Demo => demo::up(&repo)?,
        Command::Weigh => weigh::tables(&repo)?,
        Command::Bench { only, minutes } => bench::measure(&repo, &only, minutes)?,
        Command::Test { mut suites, engine } => {
            suites.extend(engine.into_iter().map(Engine::suite));
            return suites::run(&repo, &suites);
        }
    }
    Ok(ExitCode::SUCCESS)
}
