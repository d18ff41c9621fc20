//! `firmware_update` on a board with a real SSH server: `fwupdmgr` there, `ilorest` and `maas` here
//! are stand-ins with a state, which refuse what the real ones refuse.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, Ran};
use crate::file_server::{Answer, FileServer, Trouble};
use crate::sshd::{Setup, Sshd};

/// The BMC's password; long enough to be found anywhere.
const PASSWORD: &str = "correct horse; battery 'staple'";

/// Only root reads these files and runs these programs.
const SUDO: &str = r#"
[ "$1" = -n ] || { echo "sudo: a password is required" >&2; exit 1; }
shift
AS_ROOT=yes exec "$@""#;

const CAT: &str = r#"
case "$1" in
    /sys/class/dmi/id/*)
        [ "$AS_ROOT" = yes ] || { echo "cat: $1: Permission denied" >&2; exit 1; }
        exec /bin/cat "$BENCH/${1##*/}" ;;
    /proc/sys/kernel/random/boot_id)
        # A system that goes down answers for a while.
        if [ -e "$BENCH/going-down" ]; then rm "$BENCH/going-down"; echo boot-1; exit; fi
        exec /bin/cat "$BENCH/boot_id" ;;
    *) exec /bin/cat "$@" ;;
esac"#;

const REBOOT: &str = r#"
[ "$AS_ROOT" = yes ] || exit 1
: >"$BENCH/going-down"
echo boot-2 >"$BENCH/boot_id"
kill -KILL "$PPID""#;

const APT_GET: &str = r#"
[ "$AS_ROOT" = yes ] || exit 100
[ ! -e "$BENCH/no-packages" ] || { echo "E: Unable to fetch some archives" >&2; exit 100; }
case "$*" in *"install -y fwupd") mv "$BENCH/fwupdmgr" "$BENCH/bin/fwupdmgr" ;; esac"#;

const FWUPDMGR: &str = r#"
[ "$AS_ROOT" = yes ] || { echo "Failed to obtain auth" >&2; exit 1; }
case "$1" in
    --version) echo "runtime   org.freedesktop.fwupd         1.9.16" ;;
    refresh) [ "$2" = --force ] || { echo "Metadata is up to date" >&2; exit 2; } ;;
    get-devices) echo "WARNING: no TPM"; /bin/cat "$BENCH/devices.json" ;;
    upgrade)
        [ "$3 $4" = "-y --no-reboot-check" ] || { echo "there is nobody to ask" >&2; exit 1; }
        [ ! -e "$BENCH/refused-$2" ] || { echo "device is not plugged in" >&2; exit 1; }
        : >"$BENCH/staged-$2" ;;
    get-results)
        [ "$3" = --json ] || exit 1
        [ -e "$BENCH/staged-$2" ] || { echo '{"Error": {"Domain": "FwupdError", "Code": 9}}'; exit 1; }
        case "$(/bin/cat "$BENCH/boot_id")" in
            boot-2) /bin/cat "$BENCH/results-$2.json" ;;
            *) echo '{"UpdateState": 4, "Releases": [{"Version": "none"}]}' ;;
        esac ;;
    *) exit 1 ;;
esac"#;

/// A board behind a real SSH server.
struct Board {
    bench: ConnectorBench,
    _sshd: Sshd,
}

impl Board {
    fn new(vendor: &str, chassis: &str) -> Board {
        let mut bench = ConnectorBench::new();
        let path = std::env::var("PATH").unwrap_or_default();
        let sshd = Setup::new()
            .env("PATH", &format!("{}:{path}", bench.bin().display()))
            .start();
        let keys = bench.path("home/.ssh");
        fs::create_dir(&keys).expect("a folder");
        fs::copy(sshd.client_key(), keys.join("id_ed25519")).expect("a key");
        bench
            .device("agent_name", "board-01")
            .device("device_ip", "127.0.0.1")
            .device("device_port", sshd.port())
            .job("test_data", json!({"test_username": sshd.user()}));
        for (file, text) in [
            ("chassis_vendor", vendor),
            ("chassis_type", chassis),
            ("boot_id", "boot-1"),
        ] {
            fs::write(bench.path(file), format!("{text}\n")).expect("a file");
        }
        bench.stand_in("sudo", SUDO);
        bench.stand_in("cat", CAT);
        bench.stand_in("reboot", REBOOT);
        Board { bench, _sshd: sshd }
    }

    /// A laptop whose BIOS has a newer release, and whose dock has one too.
    fn laptop() -> Board {
        let board = Board::new("LENOVO", "10");
        let device = |id: &str, name: &str, from: &str, to: &str| {
            json!({"Name": name, "DeviceId": id, "Version": from, "Flags": ["updatable"],
                   "Releases": [{"Version": to, "Flags": ["is-upgrade"]}]})
        };
        let devices = json!({"Devices": [
            device("b105", "System Firmware", "1.2.0", "1.4.0"),
            {"Name": "Core i7", "DeviceId": "c9", "Flags": ["internal"]},
            device("d0cc", "Dock", "5", "6"),
        ]});
        board.write("devices.json", &devices.to_string());
        board.result("b105", 2, "1.4.0");
        board.result("d0cc", 2, "6");
        board.bench.stand_in("fwupdmgr", FWUPDMGR);
        board.bench.stand_in("apt-get", APT_GET);
        board
    }

    fn result(&self, id: &str, state: u8, version: &str) {
        let results =
            json!({"DeviceId": id, "UpdateState": state, "Releases": [{"Version": version}]});
        self.write(&format!("results-{id}.json"), &results.to_string());
    }

    fn write(&self, file: &str, text: &str) {
        fs::write(self.bench.path(file), text).expect("a file");
    }

    fn update(&mut self, data: Value) -> Ran {
        self.bench.job("firmware_update_data", data);
        self.bench.run("noprovision", "firmware_update")
    }

    /// The calls of these programs, in order.
    fn calls(&self, of: &[&str]) -> Vec<String> {
        let mut calls = self.bench.calls();
        calls.retain(|call| of.contains(&call.split(' ').next().unwrap_or_default()));
        calls
    }
}

fn latest() -> Value {
    json!({"version": "latest"})
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_laptop_is_updated_by_lvfs() {
    let mut board = Board::laptop();
    // fwupd is not there yet.
    fs::rename(
        board.bench.path("bin/fwupdmgr"),
        board.bench.path("fwupdmgr"),
    )
    .expect("a file");
    board.update(latest()).ends_with(0);
    let lock = "-o DPkg::Lock::Timeout=300";
    assert_eq!(
        board.calls(&["apt-get", "fwupdmgr", "reboot"]),
        [
            &format!("apt-get {lock} update"),
            &format!("apt-get {lock} install -y fwupd"),
            "fwupdmgr --version",
            "fwupdmgr refresh --force",
            "fwupdmgr get-devices --json",
            "fwupdmgr upgrade b105 -y --no-reboot-check",
            "fwupdmgr upgrade d0cc -y --no-reboot-check",
            "reboot",
            "fwupdmgr get-results b105 --json",
            "fwupdmgr get-results d0cc --json",
        ]
    );
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_board_without_newer_firmware_is_not_rebooted() {
    let mut board = Board::laptop();
    board.write("no-packages", "");
    board.write(
        "devices.json",
        "{\"Devices\": [{\"DeviceId\": \"x\", \"Flags\": [\"updatable\"]}]}",
    );
    let ran = board.update(latest());
    ran.ends_with(0);
    assert!(
        ran.stderr().contains("LVFS has nothing newer"),
        "{}",
        ran.stderr()
    );
    assert_eq!(board.calls(&["reboot"]), [""; 0]);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn updates_that_all_fail_are_a_failure_and_may_be_ignored() {
    let mut board = Board::laptop();
    board.write("refused-b105", "");
    board.write("refused-d0cc", "");
    let ran = board.update(latest());
    ran.ends_with(1);
    assert_eq!(
        ran.outcome["reason"],
        "fwupd could not install any of the updates"
    );
    let ran = board.update(json!({"version": "latest", "ignore_failure": true}));
    ran.ends_with(0);
    let ignored = "which the job ignores: fwupd could not install any of the updates";
    assert!(ran.stderr().contains(ignored), "{}", ran.stderr());
    assert_eq!(board.calls(&["reboot"]), [""; 0]);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn what_is_asked_of_the_wrong_machine_is_refused_by_name() {
    #[track_caller]
    fn case(board: &mut Board, data: Value, status: i32, reason: &str) {
        let ran = board.update(data);
        ran.ends_with(status);
        let told = ran.outcome["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(told.contains(reason), "{told}");
        assert_eq!(
            board.calls(&["fwupdmgr", "apt-get", "ilorest", "maas"]),
            [""; 0]
        );
    }
    let mut board = Board::laptop();
    case(&mut board, json!({}), 2, "firmware_update_data.version");
    case(
        &mut board,
        json!({"version": "newest"}),
        2,
        "firmware_update_data.version",
    );
    let release = json!({"version": "2023.09.00.04"});
    case(&mut board, release.clone(), 1, "`maas_user` and `node_id`");
    assert_eq!(board.bench.calls(), [""; 0]);
    board.bench.device("maas_user", "m").device("node_id", "n");
    case(&mut board, release, 1, "LVFS, which knows no other version");
    let mut board = Board::new("Default string", "3");
    case(&mut board, latest(), 1, "by `Default string` and of type 3");
    let mut board = Board::new("HPE", "17");
    case(
        &mut board,
        latest(),
        1,
        "the device config needs `maas_user` and `node_id`",
    );
    fs::remove_file(board.bench.path("chassis_type")).expect("a file");
    case(&mut board, latest(), 1, "chassis_type");
}

const MAAS: &str = r#"
[ "$*" = "lab node power-parameters abc123" ] || { echo "not found" >&2; exit 2; }
/bin/cat "$BENCH/power.json""#;

/// Keeps the session in its cache folder; the BMC is the bench's folder.
const ILOREST: &str = r#"
[ "$1" = --nologo ] || exit 3
folder=${2#--cache-dir=}
shift 2
config=
case "$1" in --config=*) config=${1#--config=}; shift ;; esac
session="$folder/cache-session"
[ "$1" = --version ] && { echo "RESTful Interface Tool 5.3.0.0"; exit 0; }
if [ "$1" = login ]; then
    [ "$(stat -c %a "$folder") $(stat -c %a "$config")" = "700 600" ] || { echo "others can read it"; exit 3; }
    [ "$2" = 127.0.0.2 ] || exit 33
    cmp -s "$config" "$BENCH/expected.conf" || exit 32
    : >"$session"
    exit 0
fi
[ -e "$session" ] || { echo "Unable to locate instance: no session"; exit 44; }
case "$*" in
    logout) rm "$session" ;;
    "rawget /redfish/v1/UpdateService/FirmwareInventory/ --expand --silent") /bin/cat "$BENCH/inventory.json" ;;
    "systeminfo --system --json") echo '{"system": {"Model": "HPE ProLiant DL380 Gen10"}}' ;;
    taskqueue) if [ -e "$BENCH/tasks" ]; then echo "Task Update-1:"; else echo "No tasks found."; fi ;;
    "taskqueue -c") rm "$BENCH/tasks"; echo "Cleaning update task queue..."; echo "No tasks found." ;;
    "flashfwpkg --forceupload "*)
        [ "$(/bin/cat "$3")" = "firmware in ${3##*/}" ] || exit 7
        [ ! -e "$BENCH/refused-${3##*/}" ] || { echo "FirmwareUpdateError"; exit 41; }
        [ ! -p "$BENCH/flashing" ] || { echo begun >"$BENCH/flashing"; exec sleep 600; }
        case "$3" in
            */ilo5*) rm "$session"; echo "iLO will reboot to complete flashing. Session will be terminated." ;;
            *) echo "Firmware has successfully been flashed and a reboot is required for this firmware to take effect." ;;
        esac ;;
    types) echo "ComputerSystem.v1_10_0" ;;
    reboot) rm "$session"; mv "$BENCH/after.json" "$BENCH/inventory.json"; echo boot-2 >"$BENCH/boot_id" ;;
    "select ComputerSystem --refresh") ;;
    "get Oem/Hpe/PostState --json") echo '{"Oem": {"Hpe": {"PostState": "FinishedPost"}}}' ;;
    *) echo "not a command"; exit 13 ;;
esac"#;

/// A server with a BMC, and HPE's repository.
struct Server {
    board: Board,
    repository: FileServer,
}

impl Server {
    fn new() -> Server {
        let mut board = Board::new("HPE", "23");
        let repository = FileServer::start();
        let page = "<a href=\"2023.09.00.04/\">2023.09.00.04/</a> <a href=\"2023.10.00.00/\">x</a> \
                    <a href=\"current/\">current/</a>";
        repository.put("/repo/fwpp-gen10/", Answer::ok(page));
        let package = |version: &str, target: &str| {
            json!({"date": "2023-09-01", "description": "x", "deviceclass": "cl-1", "reboot_required": "yes",
                   "minimum_active_version": "null", "target": [target], "version": version})
        };
        let mut old = package("2.99", "t-ilo");
        old["target"] = json!("see the current index");
        let index = json!({
            "ilo5_299.fwpkg": old,
            "U30_2.80.fwpkg": package("2.80_06-01-2023", "t-rom"),
            "other.fwpkg": package("9", "t-other"),
            "nic.fwpkg": package("10.2", "t-nic"),
        });
        let current = json!({"ilo5_299.fwpkg": package("2.99", "t-ilo")});
        let release = "/repo/fwpp-gen10/2023.10.00.00";
        repository.put(
            &format!("{release}/fwrepodata/fwrepo.json"),
            Answer::ok(index.to_string()),
        );
        repository.put(
            "/repo/fwpp-gen10/current/fwrepodata/fwrepo.json",
            Answer::ok(current.to_string()),
        );
        repository.put(
            &format!("{release}/ilo5_299.fwpkg"),
            Answer::ok("firmware in ilo5_299.fwpkg"),
        );
        repository.put(
            &format!("{release}/U30_2.80.fwpkg"),
            // The connection drops once: what is there is kept.
            Answer::ok("firmware in U30_2.80.fwpkg").trouble(9, Trouble::Cut, 1),
        );
        board
            .bench
            .device("maas_user", "lab")
            .device("node_id", "abc123")
            .device("bmc_restart_time", 0)
            .device("firmware_repository", repository.url("/repo/"));
        board.bench.stand_in("maas", MAAS);
        board.bench.stand_in("ilorest", ILOREST);
        let power =
            json!({"power_address": "127.0.0.2", "power_user": "admin", "power_pass": PASSWORD});
        board.write("power.json", &power.to_string());
        board.write(
            "expected.conf",
            &format!("[redfish]\nusername = admin\npassword = {PASSWORD}\n"),
        );
        let inventory = |ilo: &str, rom: &str| {
            let part = |name: &str, version: &str, target: &str| {
                json!({"Name": name, "Version": version, "Updateable": true, "Oem": {"Hpe":
                    {"DeviceContext": "System Board", "DeviceClass": "cl-1", "Targets": [target]}}})
            };
            let parts = [
                part("iLO 5", ilo, "t-ilo"),
                part("System ROM", rom, "t-rom"),
                part("HPE Eth", "10.02", "t-nic"),
                json!({"Name": "TPM", "Version": "7.2", "Updateable": false}),
            ];
            json!({"Members": parts}).to_string()
        };
        board.write(
            "inventory.json",
            &inventory("2.96 Aug 17 2023", "U30 v2.76 (02/09/2023)"),
        );
        board.write(
            "after.json",
            &inventory("2.99 Oct 01 2023", "U30 v2.80 (06/01/2023)"),
        );
        Server { board, repository }
    }

    /// What `ilorest` was asked, without what every call has.
    fn asked(&self) -> Vec<String> {
        let calls = self.board.calls(&["ilorest"]);
        let start = "ilorest --nologo --cache-dir=hpe-firmware ";
        let asked = calls
            .iter()
            .map(|call| call.strip_prefix(start).unwrap_or(call).to_owned());
        asked.collect()
    }
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_server_is_updated_by_its_bmc() {
    let mut server = Server::new();
    server.board.write("tasks", "");
    let ran = server.board.update(latest());
    ran.ends_with(0);
    let login = "--config=hpe-firmware/ilorest.conf login 127.0.0.2";
    let inventory = "rawget /redfish/v1/UpdateService/FirmwareInventory/ --expand --silent";
    assert_eq!(
        server.asked(),
        [
            "--version",
            login,
            inventory,
            "systeminfo --system --json",
            "taskqueue",
            "taskqueue -c",
            login,
            "flashfwpkg --forceupload hpe-firmware/U30_2.80.fwpkg",
            login,
            "flashfwpkg --forceupload hpe-firmware/ilo5_299.fwpkg",
            login,
            login,
            "types",
            "reboot",
            login,
            "select ComputerSystem --refresh",
            "get Oem/Hpe/PostState --json",
            login,
            inventory,
            "logout",
        ]
    );
    // The password is nowhere but in the folder that is gone.
    let run_dir = server.board.bench.run_dir();
    assert!(!run_dir.join("hpe-firmware").exists());
    let mut said = format!(
        "{}{}{:?}",
        ran.stdout(),
        ran.stderr(),
        server.board.bench.calls()
    );
    for entry in fs::read_dir(&run_dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        said.push_str(&String::from_utf8_lossy(&read(&path)));
    }
    assert!(!said.contains("battery"), "{said}");
}

fn read(path: &Path) -> Vec<u8> {
    fs::read(path).expect("a file")
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_part_that_was_not_updated_fails_the_stage_by_name() {
    let mut server = Server::new();
    server.board.write("refused-U30_2.80.fwpkg", "");
    let after = fs::read_to_string(server.board.bench.path("after.json")).expect("a file");
    server.board.write(
        "after.json",
        &after.replace("v2.80 (06/01/2023)", "v2.76 (02/09/2023)"),
    );
    let ran = server.board.update(latest());
    ran.ends_with(1);
    assert_eq!(
        ran.outcome["reason"],
        "System ROM: U30 v2.76 (02/09/2023) is there, not 2.80_06-01-2023"
    );
    nothing_is_left_of(&server);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_server_that_has_the_release_is_not_rebooted() {
    let mut server = Server::new();
    let board = &server.board;
    fs::copy(
        board.bench.path("after.json"),
        board.bench.path("inventory.json"),
    )
    .expect("a file");
    server.board.update(latest()).ends_with(0);
    assert_eq!(server.asked().last().map(String::as_str), Some("logout"));
    assert!(!server.asked().contains(&"reboot".to_owned()));
    assert!(
        !server
            .repository
            .requests()
            .iter()
            .any(|request| request.contains(".fwpkg"))
    );
}

/// A run that has come as far as its first flash, which takes for ever.
fn flashing(server: &mut Server) -> Child {
    let data = json!({"version": "latest", "ignore_failure": true});
    server.board.bench.job("firmware_update_data", data);
    let fifo = server.board.bench.path("flashing");
    let made = Command::new("mkfifo").arg(&fifo).status();
    assert!(made.expect("mkfifo").success());
    let (begun, has_begun) = mpsc::channel();
    // Reading it returns once a flash has begun.
    thread::spawn(move || begun.send(fs::read_to_string(fifo).is_ok()));
    let running = server
        .board
        .bench
        .command("noprovision", "firmware_update")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tf-engine can be executed");
    has_begun
        .recv_timeout(Duration::from_secs(60))
        .expect("a flash begins");
    running
}

#[track_caller]
fn nothing_is_left_of(server: &Server) {
    assert_eq!(server.asked().last().map(String::as_str), Some("logout"));
    assert!(!server.board.bench.path("run/hpe-firmware").exists());
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn a_job_that_is_cancelled_leaves_no_session_and_no_password() {
    let mut server = Server::new();
    let mut running = flashing(&mut server);
    kill_process(Pid::from_child(&running), Signal::TERM).expect("it runs");
    assert_eq!(running.wait().expect("it ends").code(), Some(143));
    nothing_is_left_of(&server);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn what_a_killed_run_left_is_taken_away_by_the_next_stage() {
    let mut server = Server::new();
    let mut running = flashing(&mut server);
    running.kill().expect("it runs");
    running.wait().expect("it ends");
    let config = server.board.bench.path("run/hpe-firmware/ilorest.conf");
    assert!(config.exists());
    server
        .board
        .bench
        .run("noprovision", "cleanup")
        .ends_with(0);
    nothing_is_left_of(&server);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd")]
fn what_keeps_a_server_from_being_updated_is_named() {
    #[track_caller]
    fn case(spoil: impl Fn(&mut Server), data: Value, reason: &str) {
        let mut server = Server::new();
        spoil(&mut server);
        let ran = server.board.update(data);
        ran.ends_with(1);
        let told = ran.outcome["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        assert!(told.contains(reason), "{told}\n{}", ran.stderr());
        assert!(
            !format!("{}{}", ran.stderr(), ran.outcome).contains("battery"),
            "{}",
            ran.stderr()
        );
        assert!(!server.board.bench.path("run/hpe-firmware").exists());
    }
    case(
        |server| fs::remove_file(server.board.bench.path("bin/ilorest")).expect("a file"),
        latest(),
        "HPE's tool `ilorest`",
    );
    case(
        |server| {
            server.board.bench.device("node_id", "unknown");
        },
        latest(),
        "`maas lab node power-parameters unknown >",
    );
    case(
        |server| {
            let fails = "/bin/cat \"$BENCH/power.json\"; exit 2";
            server.board.bench.stand_in("maas", fails);
        },
        latest(),
        "`maas lab node power-parameters abc123 >",
    );
    case(
        |server| {
            let power = json!({"power_address": "300.0.0.0", "power_user": "admin", "power_pass": PASSWORD});
            server.board.write("power.json", &power.to_string());
        },
        latest(),
        "`power_address`",
    );
    case(
        |_| {},
        json!({"version": "2023.09.10.04"}),
        "SPP 2023.09.10.04 is not in",
    );
}
