//! Where the software of a peer is, and how it is started.

use super::{Peer, Task, load};
use stanchion_bench::server::{Home, Server};
use std::fs;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A peer that is installed.
#[derive(Debug, Clone)]
pub(crate) struct Software {
    pub(crate) peer: Peer,
    pub(crate) version: String,
    place: PathBuf,
}

/// How long one look at a peer that is starting may take.
const LOOK: Duration = Duration::from_secs(2);
/// Where Debian puts programs that are not for everyone's path.
const RABBITMQ: &str = "/usr/lib/rabbitmq/lib";
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// The account that PostgreSQL runs under when the report runs as root, which it refuses.
const POSTGRES_USER: &str = "postgres";

impl Software {
    /// This function finds a peer: in the system, or in a directory below `software` that is named after it and its
    /// version, such as `moto-5.2.5`.
    ///
    /// # Errors
    ///
    /// What is missing.
    pub(crate) fn find(peer: Peer, software: &Path) -> Result<Self, String> {
        let (version, place) = match peer {
            Peer::RabbitMq => {
                let place = newest(Path::new(RABBITMQ), "rabbitmq_server-");
                place.ok_or("rabbitmq-server is not installed")?
            }
            Peer::PostgreSql => {
                let (_, place) = newest(Path::new(POSTGRESQL), "").ok_or("postgresql is not installed")?;
                let place = place.join("bin");
                (said(&place.join("postgres"), "--version", 2)?, place)
            }
            Peer::Redis => {
                let version = said(Path::new("redis-server"), "--version", 2)?;
                (version.trim_start_matches("v=").to_owned(), PathBuf::new())
            }
            Peer::Moto | Peer::LocalStack | Peer::ElasticMq | Peer::GoAws => {
                let prefix = format!("{}-", peer.name().to_ascii_lowercase());
                let found = newest(software, &prefix);
                found.ok_or_else(|| format!("there is no {prefix}* in {}", software.display()))?
            }
        };
        Ok(Self { peer, version, place })
    }

    /// This function starts the peer in a directory of its own and waits until it does its work.
    ///
    /// # Errors
    ///
    /// What the system, or the peer, has against it.
    pub(crate) fn start(&self, home: &Home) -> Result<Server, String> {
        let [port, second, third] = free_ports().map_err(|source| format!("a free port: {source}"))?;
        let prepared = self.prepare(home.path(), [port, second, third]);
        let command = prepared.map_err(|source| format!("preparing {}: {source}", self.peer.name()))?;
        let address = format!("127.0.0.1:{port}");
        let ready = || match self.peer.speaks_sqs() {
            true => answers(&address).is_ok(),
            false => load(self.peer, &address, 0, Task::Prepare, 0).is_ok(),
        };
        let endpoint = if self.peer.speaks_sqs() { format!("http://{address}") } else { address.clone() };
        Server::launch_until(command, home, endpoint, ready).map_err(|error| error.to_string())
    }

    /// Writes the peer's settings and says how it is started.
    fn prepare(&self, home: &Path, [port, second, third]: [u16; 3]) -> io::Result<Command> {
        let place = |name: &str| self.place.join(name);
        match self.peer {
            Peer::Moto => {
                let mut command = bound(&place("bin/moto_server"), None);
                command.args(["-H", "127.0.0.1", "-p"]).arg(port.to_string());
                Ok(command)
            }
            Peer::LocalStack => {
                let mut command = bound(&place("bin/python"), None);
                command.args(["-m", "localstack.runtime.main"]);
                command.env("GATEWAY_LISTEN", format!("127.0.0.1:{port}")).env("FILESYSTEM_ROOT", home);
                command.env("XDG_CACHE_HOME", home).env("SERVICES", "sqs").env("EAGER_SERVICE_LOADING", "1");
                // It asks nobody outside for anything.
                command.env("DNS_ADDRESS", "0").env("DISABLE_EVENTS", "1").env("SKIP_SSL_CERT_DOWNLOAD", "1");
                Ok(command)
            }
            Peer::ElasticMq => {
                let settings = home.join("elasticmq.conf");
                fs::write(
                    &settings,
                    format!(
                        "include classpath(\"application.conf\")\n\
                         node-address {{ protocol = http, host = \"127.0.0.1\", port = {port}, context-path = \"\" }}\n\
                         rest-sqs {{ enabled = true, bind-port = {port}, bind-hostname = \"127.0.0.1\" }}\n\
                         rest-stats {{ enabled = false }}\n"
                    ),
                )?;
                let mut command = bound(Path::new("java"), None);
                command.arg(format!("-Dconfig.file={}", settings.display())).arg("-cp").arg(place("lib/*"));
                command.arg("org.elasticmq.server.Main");
                Ok(command)
            }
            Peer::GoAws => {
                let settings = home.join("goaws.yaml");
                fs::write(
                    &settings,
                    format!(
                        "Local:\n  Host: 127.0.0.1\n  Port: {port}\n  Region: us-east-1\n  \
                         AccountId: \"000000000000\"\n  LogToFile: false\n"
                    ),
                )?;
                let mut command = bound(&place("goaws"), None);
                command.arg("-config").arg(settings).arg("Local");
                Ok(command)
            }
            Peer::RabbitMq => {
                let settings = home.join("rabbitmq.conf");
                fs::write(&settings, format!("listeners.tcp.1 = 127.0.0.1:{port}\n"))?;
                // Its port mapper would outlive it as a daemon; started beside it, it ends with it.
                let script = "epmd -port $ERL_EPMD_PORT -address 127.0.0.1 & exec \"$0\"";
                let mut command = bound(Path::new("sh"), None);
                command.args(["-c", script]).arg(place("sbin/rabbitmq-server"));
                command.env("HOME", home).env("RABBITMQ_NODENAME", format!("peer-{port}@localhost"));
                command.env("ERL_EPMD_PORT", second.to_string()).env("RABBITMQ_DIST_PORT", third.to_string());
                command.env("RABBITMQ_CONFIG_FILE", settings).env("RABBITMQ_PID_FILE", home.join("pid"));
                command.env("RABBITMQ_MNESIA_BASE", home.join("data")).env("RABBITMQ_LOG_BASE", home.join("logs"));
                command.env("RABBITMQ_ENABLED_PLUGINS_FILE", home.join("plugins"));
                command.env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}");
                Ok(command)
            }
            Peer::PostgreSql => {
                let user = rustix::process::getuid().is_root().then_some(POSTGRES_USER);
                if let Some(user) = user {
                    chown(home, Some(id_of(user)?), None)?;
                }
                let data = home.join("data");
                let mut initialise = bound(&place("initdb"), user);
                initialise.arg("-D").arg(&data).args(["-A", "trust", "-E", "UTF8", "--locale=C", "-U", POSTGRES_USER]);
                let output = initialise.current_dir(home).output()?;
                if !output.status.success() {
                    return Err(io::Error::other(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
                }
                let mut command = bound(&place("postgres"), user);
                command.arg("-D").arg(data).arg("-p").arg(port.to_string());
                command.args(["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="]);
                Ok(command)
            }
            Peer::Redis => {
                let mut command = bound(Path::new("redis-server"), None);
                command.args(["--bind", "127.0.0.1", "--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
                command.arg("--port").arg(port.to_string());
                Ok(command)
            }
        }
    }
}

/// A command that ends when the report does, however that ends; as another user, where one is named.
fn bound(program: &Path, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// The directory below `parent` whose name begins with `prefix`, and the rest of its name; of several the one whose
/// numbers are highest.
fn newest(parent: &Path, prefix: &str) -> Option<(String, PathBuf)> {
    let entries = fs::read_dir(parent).ok()?.flatten();
    let named = entries.filter_map(|entry| {
        let version = entry.file_name().to_str()?.strip_prefix(prefix)?.to_owned();
        Some((version, entry.path()))
    });
    named.max_by_key(|(version, _)| version.split('.').map(|part| part.parse().unwrap_or(0)).collect::<Vec<u32>>())
}

/// The word at this place of what a program says.
fn said(program: &Path, argument: &str, at: usize) -> Result<String, String> {
    let missing = |why: String| format!("{}: {why}", program.display());
    let output = Command::new(program).arg(argument).output().map_err(|source| missing(source.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().nth(at).map(str::to_owned).ok_or_else(|| missing("it does not say its version".to_owned()))
}

fn id_of(user: &str) -> io::Result<u32> {
    let output = Command::new("id").args(["-u", user]).output()?;
    let id = String::from_utf8_lossy(&output.stdout).trim().parse();
    id.map_err(|_| io::Error::other(format!("there is no user {user}")))
}

/// Ports that nobody listens on at this moment.
fn free_ports() -> io::Result<[u16; 3]> {
    // All at once, so that they differ.
    let listeners =
        [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Servers that pretend to be several services find the right one by this header.
pub(crate) const AUTHORIZATION: &str = "authorization: AWS4-HMAC-SHA256 \
    Credential=peer/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0";

/// Asks for the queues.
fn answers(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LOOK))?;
    let request = format!(
        "POST / HTTP/1.1\r\nhost: {address}\r\n{AUTHORIZATION}\r\nx-amz-target: AmazonSQS.ListQueues\r\n\
         content-type: application/x-amz-json-1.0\r\ncontent-length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes())?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer)?;
    if answer.ends_with(b" 200") { Ok(()) } else { Err(io::Error::other(String::from_utf8_lossy(&answer))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_versions_the_highest_number_counts() {
        let directory = tempfile::tempdir().expect("a directory");
        for name in ["moto-5.2.5", "moto-5.10.0", "moto-4.9.9", "motorcycle", "localstack-9.0.0"] {
            fs::create_dir(directory.path().join(name)).expect("a directory in it");
        }
        let found = Software::find(Peer::Moto, directory.path()).expect("it is there");
        assert_eq!((found.version.as_str(), found.place), ("5.10.0", directory.path().join("moto-5.10.0")));
        let missing = Software::find(Peer::GoAws, directory.path()).expect_err("it is not there");
        assert!(missing.contains("goaws-*"), "{missing}");
    }

    #[test]
    fn ports_that_are_found_differ() {
        let [one, other, third] = free_ports().expect("there are ports");
        assert!(one != other && other != third && one != third);
    }
}
