//! Other queue servers, installed so that the report can show them beside this one.
//!
//! Each comes from the registry of its makers in a fixed version, into a directory of its own outside of the repository;
//! those that Debian has come from there. What cannot be installed is left out, and the report says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::process;
use crate::toolchain::{self, Toolchain};

/// The word that asks for them.
pub(crate) const WORD: &str = "--peers";
/// How long one step of an installation may take.
const BOUND: Duration = Duration::from_secs(1200);
/// What Debian has.
const PACKAGES: &[&str] = &["rabbitmq-server", "redis-server", "postgresql"];

/// A server: the directory that it is installed into, and how.
struct Peer {
    /// Its name and version, as the report looks for it.
    directory: &'static str,
    toolchain: Toolchain,
    install: fn(&Path) -> Result<(), String>,
}

const PEERS: &[Peer] = &[
    Peer {
        directory: "moto-5.2.5",
        toolchain: Toolchain::Python,
        install: |place| pip(place, &["moto[server]==5.2.5"]),
    },
    Peer { directory: "localstack-4.8.1", toolchain: Toolchain::Python, install: |place| pip(place, LOCALSTACK) },
    Peer { directory: "elasticmq-1.7.1", toolchain: Toolchain::Java, install: elasticmq },
    Peer { directory: "goaws-0.5.4", toolchain: Toolchain::Go, install: goaws },
];

/// The last version that runs on every Python that Debian has, with libraries of its time: it names no upper bounds.
const LOCALSTACK: &[&str] =
    &["localstack-core[base-runtime,runtime]==4.8.1", "pyopenssl<26", "cbor2<6", "service_identity"];

/// This function installs what is not there yet and returns the directory.
///
/// # Errors
///
/// A sentence when there is no place for them. A server that cannot be installed is none: it is named and left out.
pub(crate) fn install() -> Result<PathBuf, String> {
    let software = directory()?;
    fs::create_dir_all(&software).map_err(|source| format!("{}: {source}", software.display()))?;
    toolchain::install(&[Toolchain::Python, Toolchain::Java, Toolchain::Go]);
    toolchain::install_packages(PACKAGES);
    for peer in PEERS {
        let place = software.join(peer.directory);
        if place.exists() {
            continue;
        }
        println!("installing {} into {}", peer.directory, software.display());
        let installed = peer.toolchain.check().and_then(|()| (peer.install)(&place));
        if let Err(message) = installed {
            eprintln!("left out: {}: {message}", peer.directory);
            // Half of it would be taken for all of it the next time; where nothing was made, there is nothing to remove.
            let _ = fs::remove_dir_all(&place);
        }
    }
    Ok(software)
}

/// Where the user keeps what can be fetched again.
fn directory() -> Result<PathBuf, String> {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
    Ok(cache
        .ok_or("neither XDG_CACHE_HOME nor HOME says where other servers may be installed")?
        .join("stanchion-peers"))
}

fn pip(place: &Path, packages: &[&str]) -> Result<(), String> {
    let mut make = Command::new("python3");
    make.args(["-m", "venv"]).arg(place);
    process::run(make, BOUND)?;
    let mut install = Command::new(place.join("bin").join("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    process::run(install, BOUND)
}

fn elasticmq(place: &Path) -> Result<(), String> {
    const PROJECT: &str = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
        <groupId>peers</groupId><artifactId>peers</artifactId><version>1</version><packaging>pom</packaging>\
        <dependencies><dependency><groupId>org.elasticmq</groupId><artifactId>elasticmq-server_2.13</artifactId>\
        <version>1.7.1</version></dependency></dependencies></project>\n";
    write(place, "pom.xml", PROJECT)?;
    let mut copy = Command::new("mvn");
    copy.args(["--quiet", "--batch-mode", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
    copy.arg("-DoutputDirectory=lib").current_dir(place);
    process::run(copy, BOUND)
}

fn goaws(place: &Path) -> Result<(), String> {
    write(place, "go.mod", "module peers\n\ngo 1.19\n\nrequire github.com/Admiral-Piett/goaws v0.5.4\n")?;
    // Names what is built, so that what it needs is looked up.
    write(place, "peers.go", "package peers\n\nimport _ \"github.com/Admiral-Piett/goaws/app/router\"\n")?;
    for words in [&["mod", "tidy"][..], &["build", "-mod=mod", "-o", "goaws", "github.com/Admiral-Piett/goaws/app/cmd"]]
    {
        let mut go = Command::new("go");
        go.args(words).current_dir(place);
        process::run(go, BOUND)?;
    }
    Ok(())
}

fn write(place: &Path, name: &str, text: &str) -> Result<(), String> {
    let failed = |source: std::io::Error| format!("{}: {source}", place.display());
    fs::create_dir_all(place).map_err(failed)?;
    fs::write(place.join(name), text).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_is_in_a_directory_that_ends_with_its_version() {
        for peer in PEERS {
            let (name, version) = peer.directory.rsplit_once('-').expect("a name and a version");
            assert!(!name.is_empty() && version.split('.').all(|part| part.parse::<u32>().is_ok()), "{version}");
        }
    }

    #[test]
    fn they_are_installed_outside_of_the_repository() {
        let directory = directory().expect("there is a home");
        assert!(!directory.starts_with(process::root()), "{}", directory.display());
    }
}
