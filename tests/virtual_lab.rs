//! The virtual lab: its parts do what such parts do, seen by OpenSSH's own client; and muxpi ends as
//! it should with each of its faults.
#![allow(clippy::print_stderr, reason = "the lab says what it sees")]

#[path = "../examples/virtual-lab/lab/mod.rs"]
mod lab;

use std::fs;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use lab::{Fault, Lab, Setup};

fn start(fault: Fault) -> Lab {
    let setup = Setup {
        fault,
        image_mib: 2,
        boot: Duration::from_millis(100),
        echo: false,
    };
    let lab = Lab::start(&setup).expect("a lab");
    fs::create_dir_all(lab.dir().join("board/.ssh")).expect("a folder");
    fs::copy(
        lab.home().join(".ssh/id_ed25519.pub"),
        lab.dir().join("board/.ssh/authorized_keys"),
    )
    .expect("the board's keys");
    lab
}

fn ssh(lab: &Lab, host: SocketAddr, command: &str, input: &[u8]) -> Output {
    let mut child = Command::new("ssh")
        .args([
            "-F",
            "none",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "BatchMode=yes",
        ])
        .args(["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=5", "-o"])
        .arg(format!(
            "UserKnownHostsFile={}",
            lab.dir().join("known_hosts").display()
        ))
        .arg("-i")
        .arg(lab.home().join(".ssh/id_ed25519"))
        .args(["-p", &host.port().to_string()])
        .arg(format!("ubuntu@{}", host.ip()))
        .arg(command)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("ssh can be executed");
    // One that ends before it has read everything shows in its status.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("ssh ends")
}

#[track_caller]
fn control(lab: &Lab, command: &str, input: &[u8]) -> String {
    let output = ssh(lab, lab.control(), command, input);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn power_cycle(lab: &Lab) {
    let status = Command::new(lab.dir().join("bin/power"))
        .arg("cycle")
        .status();
    assert!(status.expect("a script").success());
}

fn host_key(lab: &Lab) -> String {
    let known = fs::read_to_string(lab.dir().join("known_hosts")).expect("known hosts");
    let port = lab.board().port().to_string();
    known
        .lines()
        .rfind(|line| line.contains(&port))
        .expect("the board's key")
        .to_owned()
}

#[test]
#[cfg_attr(not(have = "ssh"), ignore = "needs ssh (openssh-client)")]
fn a_board_boots_from_its_card_with_a_new_host_key_each_time() {
    let lab = start(Fault::None);
    assert!(lab.wait_for("board: no image on the card", 1));
    assert!(TcpStream::connect(lab.board()).is_err());

    control(&lab, "mux to-host", b"");
    let card = lab.card();
    control(
        &lab,
        &format!("sudo -n dd of={} bs=1M", card.display()),
        lab.image(),
    );
    assert_eq!(fs::read(&card).expect("the card"), lab.image());
    power_cycle(&lab);
    assert!(lab.wait_for("board: no card, nothing to boot", 1));

    control(&lab, "mux to-dut", b"");
    power_cycle(&lab);
    assert!(lab.wait_for("board: up", 1));
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let first = ssh(&lab, lab.board(), boot_id, b"");
    assert_eq!(first.stdout.len(), 37, "{first:?}");
    let first_key = host_key(&lab);

    fs::remove_file(lab.dir().join("known_hosts")).expect("known hosts");
    power_cycle(&lab);
    assert!(lab.wait_for("board: up", 2));
    let second = ssh(&lab, lab.board(), boot_id, b"");
    assert_ne!(second.stdout, first.stdout);
    assert_ne!(host_key(&lab), first_key);

    control(&lab, "mux to-host", b"");
    assert!(lab.wait_for("board: down, the card is gone", 1));
}

#[test]
#[cfg_attr(not(have = "ssh"), ignore = "needs ssh (openssh-client)")]
fn commands_end_as_real_ones_do() {
    let lab = start(Fault::None);
    let ends = |command: &str| ssh(&lab, lab.control(), command, b"");
    assert_eq!(ends("exit 7").status.code(), Some(7));
    assert_eq!(
        String::from_utf8_lossy(&ends("echo a >&2; echo b").stderr).trim(),
        "a"
    );
    assert_eq!(ends("no-such-command").status.code(), Some(127));
    assert_eq!(ends("kill -TERM $$").status.code(), Some(255));
    assert_eq!(ends("sudo -n umount /dev/card").status.code(), Some(32));
    let large = vec![b'x'; 8 << 20];
    assert_eq!(
        control(&lab, "wc -c", &large).trim(),
        large.len().to_string()
    );
    assert_eq!(
        control(&lab, "head -c 3000000 /dev/zero | wc -c", b"").trim(),
        "3000000"
    );
    assert_eq!(lab.running(), 0);
}

#[test]
#[cfg_attr(not(have = "ssh"), ignore = "needs ssh (openssh-client)")]
fn a_damaged_card_is_not_what_was_written_and_does_not_boot() {
    let lab = start(Fault::Card);
    let card = lab.card();
    control(
        &lab,
        &format!("sudo dd of={} bs=1M", card.display()),
        lab.image(),
    );
    let held = fs::read(&card).expect("the card");
    assert_eq!(held.len(), lab.image().len());
    assert_ne!(held, lab.image());
    power_cycle(&lab);
    assert!(lab.wait_for("board: the image is damaged: its digest is another", 1));
}

#[test]
#[cfg_attr(not(have = "ssh"), ignore = "needs ssh (openssh-client)")]
fn each_fault_shows_where_it_should() {
    let lab = start(Fault::MuxFail);
    assert_eq!(
        ssh(&lab, lab.control(), "mux to-host", b"").status.code(),
        Some(1)
    );

    let lab = start(Fault::Power);
    let power = Command::new(lab.dir().join("bin/power"))
        .arg("cycle")
        .output();
    assert_eq!(power.expect("a script").status.code(), Some(1));

    for (fault, seen) in [
        (Fault::NoBoot, "board: kernel panic"),
        (Fault::Mute, "board: up, and mute"),
    ] {
        let lab = start(fault);
        fs::write(lab.card(), lab.image()).expect("the card");
        power_cycle(&lab);
        assert!(lab.wait_for(seen, 1));
    }
}

/// muxpi against a lab with this fault: it ends with the status that the fault should give.
fn run_muxpi(fault: Fault) -> (Lab, Output) {
    let setup = Setup {
        fault,
        image_mib: 8,
        boot: Duration::from_millis(100),
        echo: false,
    };
    let lab = Lab::start(&setup).expect("a lab");
    let output = Command::new(env!("CARGO_BIN_EXE_tf-engine"))
        .args(["run", "muxpi", "-c"])
        .arg(lab.device_config())
        .current_dir(lab.run_dir())
        .env("HOME", lab.home())
        .env_remove("SSH_AUTH_SOCK")
        .env_remove("XDG_STATE_HOME")
        .output()
        .expect("tf-engine can be executed");
    assert_eq!(
        output.status.code(),
        Some(fault.exit_status()),
        "{}\n{}\n{:#?}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
        lab.events()
    );
    assert_eq!(lab.running(), 0, "something still runs in the lab");
    (lab, output)
}

#[test]
fn muxpi_brings_the_board_up_without_privilege() {
    let (lab, _) = run_muxpi(Fault::None);
    assert_eq!(fs::read(lab.card()).expect("the card"), lab.image());
    assert_eq!(lab.events().last().map(String::as_str), Some("board: up"));
}

#[test]
fn muxpi_finds_the_damaged_card() {
    let (lab, _) = run_muxpi(Fault::Card);
    assert_eq!(lab.side(), "dut");
}

#[test]
fn muxpi_gives_up_on_a_mux_that_hangs() {
    run_muxpi(Fault::MuxHang);
}

#[test]
fn muxpi_gives_up_on_a_mux_that_fails() {
    let (_, output) = run_muxpi(Fault::MuxFail);
    assert!(String::from_utf8_lossy(&output.stderr).contains("the switch does not answer"));
}

#[test]
fn muxpi_calls_for_a_person_where_power_fails() {
    let (lab, _) = run_muxpi(Fault::Power);
    assert_eq!(lab.side(), "dut");
}

#[test]
fn muxpi_gives_up_on_a_board_that_never_boots() {
    let (lab, _) = run_muxpi(Fault::NoBoot);
    assert_eq!(lab.side(), "dut");
}

#[test]
fn muxpi_gives_up_on_a_board_that_is_mute() {
    let (lab, _) = run_muxpi(Fault::Mute);
    assert_eq!(lab.side(), "dut");
}
