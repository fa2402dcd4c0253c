//! The repository's own commands, run as `cargo xtask …`.
//!
//! | command | what it does |
//! |---|---|
//! | `setup` | installs missing dependencies of building and testing |
//! | `dist` | builds the static site into `dist/`, and a station with the site inside |
//! | `demo` | builds and starts everything on this machine, prints the link |
//! | `test` | runs every check; its last line counts them |
//! | `bench` | measures the speed; `bench soak`: checks for an hour that the crawl stays on screen |
//! | `picture` | records the README's moving picture |
//! | `weigh` | prints the size of each part of a first visit |

mod bench;
mod demo;
mod dist;
mod minify;
mod offline;
mod picture;
mod repo;
mod run;
mod setup;
mod size;
mod size_report;
mod suites;

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
    /// Install missing dependencies of building and testing: wasm target, Trunk, wasm-bindgen, browsers, brokers
    Setup,
    /// Build everything, start the station and a producer, and print the link to open
    Demo,
    /// Run all checks, or only the given suites
    Test {
        /// Suites to run [default: all]
        suites: Vec<Suite>,
        /// Run only the browser tests in this engine, on the last built site; may repeat
        #[arg(long, value_name = "ENGINE")]
        engine: Vec<Engine>,
    },
    /// Measure the speed of the released site
    Bench {
        /// Benchmarks to run [default: all but the three long ones]. The long ones: `engines` compares Chromium,
        /// Firefox and WebKit; `engines-steady` streams to each of them for ten minutes; `soak` watches the crawl for
        /// an hour and fails if a row is missing on screen
        only: Vec<String>,
        /// Duration of `soak` in minutes
        #[arg(long, default_value_t = 60)]
        minutes: u32,
    },
    /// Record the README's moving picture, assets/mqtt-crawl.webp, on a machine that does nothing else
    Picture,
    /// Build the site and print the size of each part of a first visit
    Weigh,
    /// Build the static site into dist/, and a station with the site inside
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
            println!("dist: {} contains the site and needs no other file", dist::embed(&repo)?.display());
        }
        Command::Demo => demo::run_demo(&repo)?,
        Command::Picture => picture::record(&repo)?,
        Command::Weigh => size_report::print(&repo)?,
        Command::Bench { only, minutes } => bench::measure(&repo, &only, minutes)?,
        Command::Test { mut suites, engine } => {
            suites.extend(engine.into_iter().map(Engine::suite));
            return suites::run(&repo, &suites);
        }
    }
    Ok(ExitCode::SUCCESS)
}
