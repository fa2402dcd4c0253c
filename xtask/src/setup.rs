//! `cargo xtask setup`: installs only what is missing.
//!
//! There are two kinds of dependencies. Rust tools are installed in a folder outside the checkout, so that a fresh
//! clone finds them; a tool of the right version on PATH is used instead. Debian packages (browsers, brokers, the
//! guides' tools) are installed as root on Debian; elsewhere they are listed.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::repo::{Repo, cargo};
use crate::run::{capture, format_duration, run};

/// The target of the page and of the worker.
pub const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// The part of the setup that a command needs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd)]
pub enum Scope {
    /// The dependencies of building the site.
    Web,
    /// In addition, those of the tests in Chromium.
    Tests,
    /// In addition, those of the tests in other engines.
    Everything,
}

/// The installed tools, as a search path for the programs that use them.
pub struct Tools {
    path: OsString,
    folder: PathBuf,
    wheels: PathBuf,
}

impl Tools {
    /// Returns a command that finds the pinned tools before any others.
    pub fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.env("PATH", &self.path);
        command
    }

    /// Returns the script of axe-core. It is missing if npm was unavailable; the tests that need it report that.
    pub fn axe(&self) -> PathBuf {
        AXE.script(&self.folder)
    }

    /// Returns the other MQTT clients that the bench measures, downloaded at first use. Unavailable ones are missing;
    /// the bench reports that.
    pub fn peers(&self) -> Peers {
        for package in [&MQTT_JS, &PAHO_JS] {
            package.install(&self.folder);
        }
        Peers { mqtt_js: MQTT_JS.script(&self.folder), paho: PAHO_JS.script(&self.folder) }
    }

    /// Returns the folder of Python packages that the guides install. The guides report missing packages.
    pub fn wheels(&self) -> &Path {
        &self.wheels
    }
}

/// The scripts of other MQTT clients.
pub struct Peers {
    /// MQTT.js.
    pub mqtt_js: PathBuf,
    /// Eclipse Paho.
    pub paho: PathBuf,
}

/// A program from crates.io, pinned.
struct CargoTool {
    package: &'static str,
    version: &'static str,
    /// These must all exist.
    programs: &'static [&'static str],
    /// The build profile. Trunk only copies files, so it needn't be optimised and builds in half the time. wasm-bindgen
    /// processes the whole program at each build and is worth optimising.
    profile: &'static str,
    minutes_expected: u32,
}

const CARGO_TOOLS: [CargoTool; 2] = [
    CargoTool { package: "trunk", version: "0.21.14", programs: &["trunk"], profile: "dev", minutes_expected: 4 },
    CargoTool {
        package: "wasm-bindgen-cli",
        version: "0.2.129",
        programs: &["wasm-bindgen", "wasm-bindgen-test-runner"],
        profile: "release",
        minutes_expected: 3,
    },
];

/// Drives Firefox; Debian has none. It only forwards commands, so it needn't be optimised.
const GECKODRIVER: CargoTool = CargoTool {
    package: "geckodriver",
    version: "0.37.1",
    programs: &["geckodriver"],
    profile: "dev",
    minutes_expected: 2,
};

/// A Debian package, and how to detect it.
struct DebianPackage {
    package: &'static str,
    detection: Detection,
}

/// How to detect that something is installed.
enum Detection {
    /// A program, on PATH or in the folder of daemons.
    Program(&'static str),
    /// A file or folder.
    Path(&'static str),
    /// A module that `python3` finds.
    PythonModule(&'static str),
}

impl Detection {
    fn is_installed(&self) -> bool {
        match self {
            // Daemons are in `/usr/sbin`, which isn't on everybody's PATH.
            Self::Program(program) => which::which(program).is_ok() || Path::new("/usr/sbin").join(program).exists(),
            Self::Path(path) => Path::new(path).exists(),
            Self::PythonModule(module) => {
                capture(Command::new("python3").args(["-c", &format!("import {module}")])).is_some()
            }
        }
    }
}

/// For tests in Firefox and WebKit.
const ENGINE_PACKAGES: [DebianPackage; 3] = [
    DebianPackage { package: "firefox-esr", detection: Detection::Program("firefox-esr") },
    DebianPackage { package: "webkit2gtk-driver", detection: Detection::Program("WebKitWebDriver") },
    DebianPackage { package: "xvfb", detection: Detection::Program("Xvfb") },
];

/// For `cargo xtask picture` only.
const PICTURE_PACKAGES: [DebianPackage; 1] =
    [DebianPackage { package: "webp", detection: Detection::Program("img2webp") }];

const DEBIAN_PACKAGES: [DebianPackage; 11] = [
    DebianPackage { package: "chromium", detection: Detection::Program("chromium") },
    DebianPackage { package: "chromium-driver", detection: Detection::Program("chromedriver") },
    DebianPackage { package: "mosquitto", detection: Detection::Program("mosquitto") },
    DebianPackage { package: "mosquitto-clients", detection: Detection::Program("mosquitto_pub") },
    DebianPackage { package: "brotli", detection: Detection::Program("brotli") },
    DebianPackage { package: "npm", detection: Detection::Program("npm") },
    // Used only by the guides: 121 MB to download, 573 MB on disk, 16 s.
    DebianPackage { package: "golang-go", detection: Detection::Program("go") },
    DebianPackage {
        package: "golang-github-eclipse-paho.mqtt.golang-dev",
        detection: Detection::Path("/usr/share/gocode/src/github.com/eclipse/paho.mqtt.golang"),
    },
    DebianPackage { package: "python3-venv", detection: Detection::PythonModule("ensurepip") },
    DebianPackage { package: "openssl", detection: Detection::Program("openssl") },
    DebianPackage { package: "rabbitmq-server", detection: Detection::Program("rabbitmq-server") },
];

/// A pinned script from npm. It is run, but isn't part of the project.
struct NpmPackage {
    package: &'static str,
    version: &'static str,
    /// Its path in the package.
    script: &'static str,
}

/// Finds accessibility faults in every view (MPL 2.0).
const AXE: NpmPackage = NpmPackage { package: "axe-core", version: "4.11.0", script: "axe.min.js" };

/// The most common MQTT client for web pages (MIT).
const MQTT_JS: NpmPackage = NpmPackage { package: "mqtt", version: "5.16.0", script: "dist/mqtt.min.js" };

/// Eclipse's client for web pages; MQTT 3.1.1 (EPL 1.0).
const PAHO_JS: NpmPackage = NpmPackage { package: "paho-mqtt", version: "1.1.0", script: "paho-mqtt-min.js" };

/// The Python package for the guide of a Python device, which installs it from here, without a network.
const PAHO_VERSION: &str = "2.2.0";

/// Installs the missing dependencies of `scope`.
///
/// # Errors
/// Fails when a dependency of the site's build is unavailable. Dependencies of the tests alone are listed, and the
/// tests that need them fail.
pub fn install(repo: &Repo, scope: Scope) -> Result<Tools> {
    let started = Instant::now();
    let folder = tools_folder()?;
    let mut installed = 0;

    installed += install_wasm_target()?;
    if scope >= Scope::Tests {
        installed += install_components();
    }
    let mut folders = Vec::new();
    for tool in &CARGO_TOOLS {
        let (bin, count) = install_cargo_tool(tool, &folder)?;
        installed += count;
        folders.extend(bin);
    }
    let wheels = folder.join(format!("paho-mqtt-{PAHO_VERSION}"));
    if scope == Scope::Everything {
        let (bin, count) = install_cargo_tool(&GECKODRIVER, &folder)?;
        installed += count;
        folders.extend(bin);
        installed += install_debian_packages(&ENGINE_PACKAGES)?;
    }
    if scope >= Scope::Tests {
        installed += install_debian_packages(&DEBIAN_PACKAGES)?;
        installed += AXE.install(&folder);
        installed += fetch_wheels(&folder, &wheels);
    }

    // Trunk works offline, so the crates must be here before it starts.
    run(Command::new(cargo())
        .args(["fetch", "--quiet", "--locked", "--target", WASM_TARGET])
        .current_dir(repo.root()))?;

    let took = format_duration(started.elapsed());
    match installed {
        0 => println!("setup: nothing to install ({took})"),
        count => println!("setup: {count} installed in {took}"),
    }

    folders.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    Ok(Tools {
        path: env::join_paths(folders).context("the path of the tools folder contains a colon")?,
        folder,
        wheels,
    })
}

/// Returns `$MQTT_CRAWL_TOOLS`, or a folder in the user's cache.
fn tools_folder() -> Result<PathBuf> {
    if let Some(folder) = env::var_os("MQTT_CRAWL_TOOLS").filter(|folder| !folder.is_empty()) {
        return Ok(folder.into());
    }
    let cache = match env::var_os("XDG_CACHE_HOME").filter(|folder| !folder.is_empty()) {
        Some(cache) => PathBuf::from(cache),
        None => {
            env::home_dir().context("no home folder; set MQTT_CRAWL_TOOLS to a folder for the tools")?.join(".cache")
        }
    };
    Ok(cache.join("mqtt-crawl").join("tools"))
}

impl NpmPackage {
    /// Returns the tool's folder, one per version.
    fn folder(&self, tools: &Path) -> PathBuf {
        tools.join(format!("{}-{}", self.package, self.version))
    }

    fn script(&self, tools: &Path) -> PathBuf {
        self.folder(tools).join("node_modules").join(self.package).join(self.script)
    }

    /// Returns the number installed. Without them the tests that need them fail with the reason; the others are worth
    /// running.
    fn install(&self, tools: &Path) -> u32 {
        let Self { package, version, .. } = self;
        let script = self.script(tools);
        if script.is_file() {
            return 0;
        }
        println!("setup: fetching {package} {version} with npm (seconds)");
        let folder = self.folder(tools);
        let fetched = fs::create_dir_all(&folder).context("creating its folder").and_then(|()| {
            run(Command::new("npm")
                .args(["install", "--silent", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix"])
                .arg(&folder)
                .arg(format!("{package}@{version}")))
        });
        match fetched {
            Ok(()) if script.is_file() => 1,
            Ok(()) => {
                eprintln!("setup: npm didn't install {package} as {}", script.display());
                0
            }
            Err(error) => {
                eprintln!("setup: can't install {package}: {error:#}");
                0
            }
        }
    }
}

/// Without them one guide fails, with the reason.
fn fetch_wheels(tools: &Path, wheels: &Path) -> u32 {
    if wheels.is_dir() {
        return 0;
    }
    println!("setup: fetching paho-mqtt {PAHO_VERSION} with pip (seconds)");
    // Debian's Python has pip in virtual environments only.
    let environment = tools.join("venv");
    let unfinished = wheels.with_extension("part");
    let fetched = run(Command::new("python3").args(["-m", "venv"]).arg(&environment))
        .and_then(|()| {
            run(Command::new(environment.join("bin").join("pip"))
                .args(["download", "--quiet", "--disable-pip-version-check", "--no-deps", "--dest"])
                .arg(&unfinished)
                .arg(format!("paho-mqtt=={PAHO_VERSION}")))
        })
        .and_then(|()| fs::rename(&unfinished, wheels).context("renaming its folder"));
    fs::remove_dir_all(&environment).ok();
    match fetched {
        Ok(()) => 1,
        Err(error) => {
            eprintln!("setup: can't install paho-mqtt: {error:#}");
            0
        }
    }
}

fn install_wasm_target() -> Result<u32> {
    let library = capture(Command::new("rustc").args(["--print", "target-libdir", "--target", WASM_TARGET]))
        .context("rustc doesn't run; install Rust from https://rustup.rs")?;
    // A standard library that is built with the program isn't installed.
    if Path::new(&library).is_dir() || env::var_os("CARGO_UNSTABLE_BUILD_STD").is_some() {
        return Ok(0);
    }

    let help = "install Rust with rustup, or Debian's rustc-web, cargo-web and rust-web-src \
                (the README says how to use them)";
    if which::which("rustup").is_err() {
        bail!("the Rust target {WASM_TARGET} is missing and there is no rustup to add it: {help}");
    }
    println!("setup: adding the Rust target {WASM_TARGET} (seconds)");
    run(Command::new("rustup").args(["target", "add", WASM_TARGET])).context(help)?;
    Ok(1)
}

/// Installs rustfmt and clippy; if they are unavailable, their checks report it.
fn install_components() -> u32 {
    let mut installed = 0;
    for (component, program) in [("rustfmt", "fmt"), ("clippy", "clippy")] {
        if capture(Command::new(cargo()).args([program, "--version"])).is_some() {
            continue;
        }
        println!("setup: adding {component} (seconds)");
        match run(Command::new("rustup").args(["component", "add", component])) {
            Ok(()) => installed += 1,
            Err(error) => eprintln!("setup: can't add {component}: {error:#}"),
        }
    }
    installed
}

/// Returns the folder to put on PATH for this tool, if it isn't on PATH already, and the number installed.
fn install_cargo_tool(tool: &CargoTool, folder: &Path) -> Result<(Option<PathBuf>, u32)> {
    if tool.programs.iter().all(|program| is_version(Path::new(program), tool.version)) {
        return Ok((None, 0));
    }
    let bin = folder.join("bin");
    let is_installed = || tool.programs.iter().all(|program| is_version(&bin.join(program), tool.version));
    if is_installed() {
        return Ok((Some(bin), 0));
    }

    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    let started = Instant::now();
    if has_binstall() {
        println!("setup: fetching {} {} with cargo binstall", tool.package, tool.version);
        let fetched = run(Command::new(cargo())
            .args(["binstall", "--no-confirm", "--disable-strategies", "compile"])
            .args(["--version", tool.version, "--root"])
            .arg(folder)
            .arg(tool.package));
        match fetched {
            Ok(()) if is_installed() => return Ok((Some(bin), 1)),
            _ => println!("setup: cargo binstall failed"),
        }
    }

    println!(
        "setup: building {} {} from source, about {} minutes on two cores",
        tool.package, tool.version, tool.minutes_expected
    );
    let build_folder = folder.join("build");
    run(Command::new(cargo())
        .args(["install", tool.package, "--version", tool.version, "--locked", "--force"])
        .args(["--profile", tool.profile, "--root"])
        .arg(folder)
        .arg("--target-dir")
        .arg(&build_folder)
        // They aren't debugged: no symbols, less to link.
        .env("CARGO_PROFILE_DEV_DEBUG", "false")
        .env_remove("CARGO_BUILD_TARGET"))?;
    fs::remove_dir_all(&build_folder).ok();
    if !is_installed() {
        bail!("{} {} was built but doesn't run", tool.package, tool.version);
    }
    println!("setup: {} done in {}", tool.package, format_duration(started.elapsed()));
    Ok((Some(bin), 1))
}

fn has_binstall() -> bool {
    capture(Command::new(cargo()).args(["binstall", "-V"])).is_some()
}

/// Whether `program --version` answers with exactly this version.
fn is_version(program: &Path, version: &str) -> bool {
    capture(Command::new(program).arg("--version")).is_some_and(|answer| states_version(&answer, version))
}

fn states_version(answer: &str, version: &str) -> bool {
    answer.split_whitespace().any(|word| word == version)
}

/// Installs what encodes the README's picture.
///
/// # Errors
/// Fails when it can't be installed.
pub fn install_picture_packages() -> Result<()> {
    install_debian_packages(&PICTURE_PACKAGES).map(drop)
}

fn install_debian_packages(packages: &[DebianPackage]) -> Result<u32> {
    let missing: Vec<&str> =
        packages.iter().filter(|package| !package.detection.is_installed()).map(|package| package.package).collect();
    if missing.is_empty() {
        return Ok(0);
    }

    let packages = missing.join(" ");
    if which::which("apt-get").is_err() {
        eprintln!("setup: not Debian: install the equivalents of Debian's {packages}; the tests need them");
        return Ok(0);
    }
    let is_root = capture(Command::new("id").arg("-u")).is_some_and(|id| id == "0");
    if !is_root {
        eprintln!("setup: not root: run `sudo apt-get install {packages}`; the tests need them");
        return Ok(0);
    }

    println!("setup: installing Debian's {packages}, about a minute");
    let was_listening = [MQTT_PORT, AMQP_PORT].map(is_listening);
    let apt =
        |arguments: &[&str]| run(Command::new("apt-get").args(arguments).env("DEBIAN_FRONTEND", "noninteractive"));
    apt(&["update", "-qq"])?;
    let mut install = vec!["install", "-y", "-qq", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)?;
    for ((service, port), was_listening) in
        [("mosquitto", MQTT_PORT), ("rabbitmq-server", AMQP_PORT)].into_iter().zip(was_listening)
    {
        if missing.contains(&service) && !was_listening && is_listening(port) {
            stop_service(service, port);
        }
    }
    Ok(u32::try_from(missing.len())?)
}

/// The port of MQTT over TCP.
const MQTT_PORT: u16 = 1883;

/// The port of AMQP, RabbitMQ's own protocol.
const AMQP_PORT: u16 = 5672;

/// Debian starts brokers when it installs them. They aren't needed here, and the demo needs the standard port of MQTT
/// for its own.
fn stop_service(service: &str, port: u16) {
    println!("setup: stopping the service {service}, which the package started");
    let stopped = run(Command::new("systemctl").args(["disable", "--now", service]))
        .or_else(|_| run(Command::new("service").args([service, "stop"])));
    if stopped.is_err() {
        eprintln!("setup: couldn't stop {service}; port {port} stays in use");
    }
}

fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_whole_words() {
        let check = |answer, version, expected| {
            assert_eq!(states_version(answer, version), expected, "{answer} is {version}");
        };
        check("trunk 0.21.14", "0.21.14", true);
        check("wasm-bindgen 0.2.129 (abc)", "0.2.129", true);
        check("trunk 0.21.140", "0.21.14", false);
        check("wasm-bindgen 0.2.130", "0.2.129", false);
        check("", "0.2.129", false);
    }
}
