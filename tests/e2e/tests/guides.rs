//! The guides in `docs/`: each is run as it is written.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use mqtt_crawl_e2e::guide;
use mqtt_crawl_e2e::page::check_equal;
use mqtt_crawl_e2e::root;

/// A test for each guide, by the name of its file.
macro_rules! guides {
    ($($name:ident),* $(,)?) => {
        const GUIDES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[tokio::test]
            async fn $name() -> Result<()> {
                guide::run(&file_name(stringify!($name))).await
            }
        )*
    };
}

guides![diffusion, emqx, go, hivemq, https, mosquitto, mosquitto_clients, python, rabbitmq, vernemq];

fn file_name(test: &str) -> String {
    test.replace('_', "-")
}

/// Files in docs/ that explain and aren't run step by step.
const MANUALS: [&str; 4] = ["hosting.md", "producer.md", "station.md", "user-guide.md"];

#[test]
fn every_guide_is_executed() -> Result<()> {
    let mut files = BTreeSet::new();
    for entry in std::fs::read_dir(guide::folder())? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            files.insert(entry.file_name().to_string_lossy().into_owned());
        }
    }
    ensure!(files.remove("README.md"), "docs/ has no README.md");
    for manual in MANUALS {
        ensure!(files.remove(manual), "docs/ has no {manual}");
    }
    let tested = GUIDES.iter().map(|test| format!("{}.md", file_name(test))).collect();
    check_equal("the guides in docs/", &files, &tested)?;

    let overview = std::fs::read_to_string(guide::folder().join("README.md"))?;
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    for file in files.iter().map(String::as_str).chain(MANUALS) {
        ensure!(overview.contains(&format!("]({file})")), "docs/README.md has no link to {file}");
        ensure!(readme.contains(&format!("](docs/{file})")), "README.md has no link to docs/{file}");
    }
    for port in guide::PORTS {
        ensure!(overview.contains(port), "docs/README.md doesn't list the replaced port {port}");
    }
    Ok(())
}
