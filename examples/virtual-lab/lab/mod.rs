//! A small real lab on loopback: a control host, an SD card behind a mux, a power switch, a board.
//!
//! The control host is an SSH server that runs what it is told as real processes; the card is a
//! file; mux and power switch are commands that leave their position in files; the board boots from
//! the card when it is powered, has the card on its side and finds a valid image there. Nothing of
//! it needs privilege, and everything of it lies in one temporary folder.
#![allow(
    dead_code,
    reason = "the example and the tests each use their own part"
)]

mod board;
mod commands;
mod fault;
mod image;
mod log;
mod processes;
mod server;
mod web;

use std::fs::{self, Permissions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::ssh_key::LineEnding;
use russh::keys::{Algorithm, PrivateKey};
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{self, Runtime};

use board::Board;
use commands::Commands;
pub(crate) use fault::Fault;
use image::Image;
use log::Log;
use processes::Processes;
use server::{Login, Server};

/// The control host and the board each have an address of their own, as in a lab.
const CONTROL_HOST: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);
const BOARD: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 2);
const USER: &str = "ubuntu";

/// What a lab is to be like.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// What is broken in it.
    pub(crate) fault: Fault,
    /// Size of the image, in MiB.
    pub(crate) image_mib: usize,
    /// From power to the board's SSH server.
    pub(crate) boot: Duration,
    /// Whether what the lab's parts see is printed as it happens.
    pub(crate) echo: bool,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup {
            fault: Fault::None,
            image_mib: 64,
            boot: Duration::from_secs(3),
            echo: false,
        }
    }
}

/// A running lab; it ends when it is dropped.
pub(crate) struct Lab {
    image: Image,
    log: Arc<Log>,
    control: SocketAddr,
    board: SocketAddr,
    runtime: Option<Runtime>,
    control_processes: Arc<Processes>,
    board_processes: Arc<Processes>,
    dir: TempDir,
}

impl Lab {
    /// Starts a lab.
    pub(crate) fn start(setup: &Setup) -> io::Result<Lab> {
        let dir = tempfile::Builder::new().prefix("virtual-lab-").tempdir()?;
        let runtime = runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()?;
        let log = Arc::new(Log::new(setup.echo));
        let image = Image::make(setup.image_mib)?;
        let entered = runtime.enter();
        let control = bind(CONTROL_HOST)?;
        let web = bind(Ipv4Addr::LOCALHOST)?;
        let reservation = board::reserve(BOARD)?;

        let mut lab = Lab {
            image,
            log,
            control: control.local_addr()?,
            board: reservation.local_addr()?,
            control_processes: Arc::default(),
            board_processes: Arc::default(),
            runtime: None,
            dir,
        };
        let commands = lab.furnish(setup)?;
        lab.write_papers(setup, &commands, web.local_addr()?)?;
        runtime.spawn(web::serve(web, lab.image.packed()));
        runtime.spawn(lab.control_host(&commands)?.serve(control));
        runtime.spawn(lab.board_of(setup, &commands, reservation).live());
        drop(entered);
        lab.runtime = Some(runtime);
        Ok(lab)
    }

    /// Folders, keys, commands, an empty card.
    fn furnish(&self, setup: &Setup) -> io::Result<Commands> {
        for folder in ["run", "home/.ssh", "control/.ssh", "board"] {
            fs::create_dir_all(self.dir.path().join(folder))?;
        }
        let key = new_key()?;
        write_key(&key, &self.home().join(".ssh/id_ed25519"))?;
        fs::write(
            self.dir.path().join("control/.ssh/authorized_keys"),
            key.public_key().to_openssh().map_err(io::Error::other)?,
        )?;
        fs::write(self.card(), [])?;
        Commands::install(self.dir.path(), &self.card(), setup.fault)
    }

    fn control_host(&self, commands: &Commands) -> io::Result<Server> {
        Ok(Server {
            key: new_key()?,
            login: Login {
                user: USER.to_owned(),
                password: None,
                home: self.dir.path().join("control"),
                bin: commands.control_bin(),
            },
            processes: Arc::clone(&self.control_processes),
        })
    }

    fn board_of(&self, setup: &Setup, commands: &Commands, reservation: TcpSocket) -> Board {
        Board {
            reservation,
            card: self.card(),
            state: commands.state(),
            login: Login {
                user: USER.to_owned(),
                password: Some(USER.to_owned()),
                home: self.dir.path().join("board"),
                bin: commands.board_bin(),
            },
            boot: setup.boot,
            fault: setup.fault,
            log: Arc::clone(&self.log),
            processes: Arc::clone(&self.board_processes),
        }
    }

    /// The device config and the job, as an agent would hand them over.
    fn write_papers(&self, setup: &Setup, commands: &Commands, web: SocketAddr) -> io::Result<()> {
        let mut device = format!(
            "agent_name: virtual-lab\n\
             device_ip: {}\n\
             device_port: {}\n\
             control_host: {}\n\
             control_port: {}\n\
             control_user: {USER}\n\
             test_device: {}\n\
             control_switch_local_cmd: mux to-host\n\
             control_switch_device_cmd: mux to-dut\n\
             reboot_script:\n  - {} cycle\n",
            self.board.ip(),
            self.board.port(),
            self.control.ip(),
            self.control.port(),
            self.card().display(),
            commands.power().display(),
        );
        if let Some(line) = setup.fault.device_config() {
            device.push_str(line);
            device.push('\n');
        }
        fs::write(self.device_config(), device)?;
        let job = serde_json::json!({
            "job_id": "virtual-lab",
            "provision_data": {
                "url": format!("http://{web}/image.zst"),
                "create_user": false,
            },
        });
        fs::write(self.job(), format!("{job:#}\n"))
    }

    /// The device config that names all of the lab's parts.
    pub(crate) fn device_config(&self) -> PathBuf {
        self.dir.path().join("device.yaml")
    }

    /// The job data: the image's URL, no user to be created.
    pub(crate) fn job(&self) -> PathBuf {
        self.run_dir().join("testflinger.json")
    }

    /// The run directory; the job data are in it.
    pub(crate) fn run_dir(&self) -> PathBuf {
        self.dir.path().join("run")
    }

    /// The engine's home: it holds the key that the control host lets in.
    pub(crate) fn home(&self) -> PathBuf {
        self.dir.path().join("home")
    }

    /// The SD card.
    pub(crate) fn card(&self) -> PathBuf {
        self.dir.path().join("card")
    }

    /// The image, as it must be on the card.
    pub(crate) fn image(&self) -> &[u8] {
        self.image.bytes()
    }

    /// Where everything is.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Whose the card is: `host` or `dut`.
    pub(crate) fn side(&self) -> String {
        let side = fs::read_to_string(self.dir.path().join("state/side"));
        side.unwrap_or_default().trim().to_owned()
    }

    /// What the lab's parts have seen, in order.
    pub(crate) fn events(&self) -> Vec<String> {
        self.log.lines()
    }

    /// Returns once the lab has said `line` for the `times`-th time; false after half a minute.
    pub(crate) fn wait_for(&self, line: &str, times: usize) -> bool {
        self.log.wait_for(line, times, Duration::from_secs(30))
    }

    /// Where the control host answers.
    pub(crate) fn control(&self) -> SocketAddr {
        self.control
    }

    /// Where the board answers, when it does.
    pub(crate) fn board(&self) -> SocketAddr {
        self.board
    }

    /// Processes that the lab's hosts run now, by their groups.
    pub(crate) fn running(&self) -> usize {
        self.control_processes.count() + self.board_processes.count()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.control_processes.kill_all();
        self.board_processes.kill_all();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

fn bind(address: Ipv4Addr) -> io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

fn new_key() -> io::Result<PrivateKey> {
    PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519)
        .map_err(io::Error::other)
}

fn write_key(key: &PrivateKey, path: &Path) -> io::Result<()> {
    let text = key.to_openssh(LineEnding::LF).map_err(io::Error::other)?;
    fs::write(path, text.as_bytes())?;
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    let public = key.public_key().to_openssh().map_err(io::Error::other)?;
    fs::write(path.with_extension("pub"), public)
}
