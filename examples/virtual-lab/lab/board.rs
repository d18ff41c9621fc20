//! The board: it boots when it is powered, has the card on its side and finds a valid image there.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::fault::Fault;
use super::log::Log;
use super::processes::Processes;
use super::server::{Login, Server};
use super::{image, new_key};

/// How often the board looks at its wires.
const GLANCE: Duration = Duration::from_millis(20);

/// A board that has not been switched on.
pub(crate) struct Board {
    /// From [`reserve`].
    pub(crate) reservation: TcpSocket,
    pub(crate) card: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) login: Login,
    pub(crate) boot: Duration,
    pub(crate) fault: Fault,
    pub(crate) log: Arc<Log>,
    pub(crate) processes: Arc<Processes>,
}

/// Binds a free port on `address` without listening: connections are refused, and the port stays
/// the board's own while it is off.
pub(crate) fn reserve(address: Ipv4Addr) -> io::Result<TcpSocket> {
    bind(SocketAddr::from((address, 0)))
}

fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    // Reservation and listener share the port.
    socket.set_reuseport(true)?;
    socket.bind(address)?;
    Ok(socket)
}

enum Phase {
    Off,
    Booting {
        ready: Instant,
    },
    /// Powered, and not running.
    Dead,
    Up(System),
}

/// What runs on a board that is up; it ends when dropped.
struct System {
    server: JoinHandle<()>,
    processes: Arc<Processes>,
}

impl Drop for System {
    fn drop(&mut self) {
        self.server.abort();
        self.processes.kill_all();
    }
}

impl Board {
    /// Lives until it is dropped.
    pub(crate) async fn live(self) {
        if let Err(error) = self.run().await {
            self.log.say(format!("board: {error}"));
        }
    }

    async fn run(&self) -> io::Result<()> {
        let address = self.reservation.local_addr()?;
        let mut phase = Phase::Off;
        let mut cycle = String::new();
        loop {
            let power = self.read("power");
            let card_here = self.read("side") == "dut";
            phase = if !power.starts_with("on") {
                if !matches!(phase, Phase::Off) {
                    self.log.say("board: power off");
                }
                Phase::Off
            } else if power != cycle {
                drop(phase);
                self.log.say("board: power on");
                Phase::Booting {
                    ready: Instant::now() + self.boot,
                }
            } else {
                match phase {
                    Phase::Booting { ready } if Instant::now() >= ready => {
                        self.boot_now(address, card_here).await?
                    }
                    Phase::Up(_) if !card_here => {
                        self.log.say("board: down, the card is gone");
                        Phase::Dead
                    }
                    same => same,
                }
            };
            cycle = power;
            tokio::time::sleep(GLANCE).await;
        }
    }

    async fn boot_now(&self, address: SocketAddr, card_here: bool) -> io::Result<Phase> {
        if !card_here {
            self.log.say("board: no card, nothing to boot");
            return Ok(Phase::Dead);
        }
        let card = self.card.clone();
        let checked = tokio::task::spawn_blocking(move || image::check(&card)).await;
        if let Err(reason) = checked.map_err(io::Error::other)? {
            self.log.say(format!("board: {reason}"));
            return Ok(Phase::Dead);
        }
        if self.fault == Fault::NoBoot {
            self.log.say("board: kernel panic");
            return Ok(Phase::Dead);
        }
        fs::write(self.state.join("boot_id"), boot_id())?;
        let listener = bind(address)?.listen(1024)?;
        let server = if self.fault == Fault::Mute {
            self.log.say("board: up, and mute");
            tokio::spawn(keep_silent(listener))
        } else {
            self.log.say("board: up");
            let server = Server {
                key: new_key()?,
                login: self.login.clone(),
                processes: Arc::clone(&self.processes),
            };
            tokio::spawn(server.serve(listener))
        };
        Ok(Phase::Up(System {
            server,
            processes: Arc::clone(&self.processes),
        }))
    }

    fn read(&self, name: &str) -> String {
        let text = fs::read_to_string(self.state.join(name)).unwrap_or_default();
        text.trim().to_owned()
    }
}

async fn keep_silent(listener: TcpListener) {
    let mut held: Vec<TcpStream> = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}

/// A new UUID, as `/proc/sys/kernel/random/uuid` gives one at every reading.
fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default()
}
