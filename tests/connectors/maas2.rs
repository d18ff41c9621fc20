//! maas2 against a `maas` command with a node behind it, and a real OpenSSH server as the deployed
//! system.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::connector_bench::{ConnectorBench, Ran, read_json};
use crate::maas::{Maas, PROFILE, SYSTEM_ID};
use crate::maas_node::{Flaw, Node};
use crate::sshd::{Setup, Sshd};

const GB: u64 = 1_000_000_000;

/// A lab with a MAAS, and the deployed system's SSH where there is one.
struct Lab {
    bench: ConnectorBench,
    maas: Maas,
    sshd: Option<Sshd>,
}

impl Lab {
    /// Without a system that answers: its port refuses.
    fn new(sizes: &[u64]) -> Lab {
        let mut bench = ConnectorBench::new();
        bench
            .device("maas_user", PROFILE)
            .device("node_id", SYSTEM_ID)
            .device("agent_name", "lab-node")
            .device("device_ip", "127.0.0.1")
            .device("device_port", 1)
            .device("poll_interval", "10ms")
            .device("deploy_poll_interval", "10ms")
            .device("retry_delay", "10ms");
        let maas = Maas::start(Node::new("127.0.0.1", sizes), &bench.bin());
        Lab {
            bench,
            maas,
            sshd: None,
        }
    }

    /// With the system's SSH; the bench's stand-ins are on its `PATH`.
    fn with_system(sizes: &[u64]) -> Lab {
        let mut lab = Lab::new(sizes);
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", lab.bench.bin().display());
        let sshd = Setup::new().env("PATH", &path).start();
        let keys = lab.bench.path("home").join(".ssh");
        fs::create_dir(&keys).expect("a folder");
        fs::copy(sshd.client_key(), keys.join("id_ed25519")).expect("a key");
        fs::set_permissions(keys.join("id_ed25519"), Permissions::from_mode(0o600)).expect("chmod");
        lab.bench
            .device("device_port", sshd.port())
            .device("device_user", sshd.user());
        lab.sshd = Some(sshd);
        lab
    }

    /// What the job asks for.
    fn job(&mut self, data: Value) -> &mut Lab {
        self.bench.job("provision_data", data);
        self
    }

    fn provision(&self) -> Ran {
        self.bench.run("maas2", "provision")
    }
}

/// Two disks: the system on the larger one, the other formatted as a whole.
fn two_disks() -> Value {
    json!([
        {"type": "disk", "id": "d0", "disk": 0, "ptable": "gpt", "name": "system"},
        {"type": "partition", "id": "p0", "device": "d0", "number": 1, "size": "500M"},
        {"type": "partition", "id": "p1", "device": "d0", "number": 2, "size": "150G", "alloc_pct": 80},
        {"type": "disk", "id": "d1", "disk": 1},
        {"type": "format", "id": "f0", "volume": "p0", "fstype": "fat32", "label": "efi"},
        {"type": "format", "id": "f1", "volume": "p1", "fstype": "ext4", "label": "root"},
        {"type": "format", "id": "f2", "volume": "d1", "fstype": "xfs", "label": "data"},
        {"type": "mount", "id": "m1", "device": "f1", "path": "/"},
        {"type": "mount", "id": "m0", "device": "f0", "path": "/boot/efi"},
        {"type": "mount", "id": "m2", "device": "f2", "path": "/srv/bootstrap"},
    ])
}

fn reason(ran: &Ran) -> &str {
    ran.outcome["reason"].as_str().unwrap_or_default()
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn a_node_is_deployed_with_the_layout_of_the_job() {
    let mut lab = Lab::with_system(&[100 * GB, 200 * GB]);
    lab.maas.node().status = "Deployed".into();
    lab.job(json!({
        "distro": "noble", "kernel": "hwe-24.04", "user_data": "#cloud-config\n",
        "ephemeral": true, "disks": two_disks(),
    }));
    lab.provision().ends_with(0);
    assert_eq!(
        lab.maas.node().layout(),
        [
            "sda-0 100000000000 xfs data /srv/bootstrap",
            "boot system",
            "system-1 499122176 fat32 efi /boot/efi",
            "system-2 159995920384 ext4 root /",
        ]
    );
    assert_eq!(
        lab.maas.node().deployed_with(),
        [
            "distro_series=noble",
            "hwe_kernel=hwe-24.04",
            "user_data=I2Nsb3VkLWNvbmZpZwo=",
            "ephemeral_deploy=true",
        ]
    );
    // The old partition has another id after the release than it had before.
    assert_eq!(
        lab.maas.changes(),
        [
            "machine release",
            "partition delete 1 12",
            "block-device set-boot-disk 2",
            "block-device update 2 name=system",
            "partitions create 2 size=500000000",
            "partitions create 2 size=160000000000",
            "partition format 2 15 fstype=fat32 label=efi",
            "partition format 2 16 fstype=ext4 label=root",
            "block-device format 1 fstype=xfs label=data",
            "partition mount 2 16 mount_point=/",
            "partition mount 2 15 mount_point=/boot/efi",
            "block-device mount 1 mount_point=/srv/bootstrap",
            "machines allocate system_id=4y3h7n",
            "machine deploy distro_series=noble hwe_kernel=hwe-24.04 user_data=I2Nsb3VkLWNvbmZpZwo= ephemeral_deploy=true",
        ]
    );
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn without_a_layout_it_is_the_flat_one_and_an_old_maas_deploys_to_the_disk() {
    let mut lab = Lab::with_system(&[100 * GB]);
    lab.maas.node().version = "3.4.9~rc1".into();
    lab.job(json!({"disks": [], "ephemeral": true}));
    let ran = lab.provision();
    ran.ends_with(0);
    assert_eq!(lab.maas.node().deployed_with(), ["distro_series=jammy"]);
    assert!(
        ran.stderr()
            .contains("`ephemeral` needs MAAS 3.5.0, this is 3.4.9~rc1"),
        "{}",
        ran.stderr()
    );
    assert_eq!(
        lab.maas.changes(),
        [
            "machine release",
            "machine set-storage-layout storage_layout=flat",
            "machines allocate system_id=4y3h7n",
            "machine deploy distro_series=jammy",
        ]
    );
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn a_volume_group_goes_before_the_layout_and_the_lab_may_have_a_layout_of_its_own() {
    let mut lab = Lab::with_system(&[100 * GB]);
    lab.maas.node().group_first_disk();
    lab.bench.device(
        "default_disks",
        json!([
            {"type": "disk", "id": 0},
            {"type": "partition", "id": 1, "device": 0, "alloc_pct": 100},
            {"type": "format", "id": 2, "volume": 1, "fstype": "ext4", "label": "root"},
            {"type": "mount", "id": 3, "device": 2, "path": "/"},
        ]),
    );
    lab.provision().ends_with(0);
    assert_eq!(
        lab.maas.node().layout(),
        ["boot sda", "sda-1 99983818752 ext4 root /"]
    );
    assert!(
        lab.maas
            .changes()
            .contains(&"machine set-storage-layout storage_layout=blank".to_owned())
    );
}

#[test]
fn a_layout_that_cannot_be_had_changes_nothing() {
    let mut lab = Lab::new(&[100 * GB]);
    lab.maas.node().status = "Deployed".into();
    let root =
        json!({"type": "format", "id": "f", "volume": "p", "fstype": "ext4", "label": "root"});
    let layout = |partition: Value| json!([{"type": "disk", "id": "d"}, partition, root]);
    for (disks, sentence) in [
        (
            layout(json!({"type": "partition", "id": "p", "device": "d", "size": "200G"})),
            "disks[0] (disk \"d\"): no block device has room for its partitions",
        ),
        (
            layout(json!({"type": "partition", "id": "p", "device": "d", "size": "1Tb"})),
            "disks[1] (partition \"p\"): `size`: `1Tb` is no size",
        ),
        (
            layout(json!({"type": "partition", "id": "p", "device": "x", "size": "1G"})),
            "disks[1] (partition \"p\"): `device`: no entry has the `id` \"x\"",
        ),
    ] {
        let ran = lab.job(json!({"disks": disks})).provision();
        ran.ends_with(1);
        assert!(reason(&ran).contains(sentence), "{}", reason(&ran));
        assert_eq!(ran.outcome["verdict"], "job");
    }
    let ran = lab
        .job(json!({"disks": [{"type": "bcache", "id": "b"}]}))
        .provision();
    ran.ends_with(2);
    assert!(
        ran.stderr().contains("`bcache` is not allowed"),
        "{}",
        ran.stderr()
    );
    assert_eq!(lab.maas.changes(), [""; 0]);
}

#[test]
fn a_deployment_that_fails_is_told_at_once_and_with_maas_own_log() {
    let lab = Lab::new(&[100 * GB]);
    lab.maas.node().flaw = Flaw::InstallFails;
    let ran = lab.provision();
    ran.ends_with(1);
    assert!(
        reason(&ran).contains("the deployment failed: MAAS says `Failed deployment`"),
        "{}",
        reason(&ran)
    );
    assert!(
        reason(&ran).contains("curtin: log of 1"),
        "{}",
        reason(&ran)
    );
}

#[test]
fn the_agent_is_told_why_a_deployment_failed() {
    let lab = Lab::new(&[100 * GB]);
    lab.maas.node().flaw = Flaw::InstallFails;
    let link = lab.bench.bin().join("testflinger-device-connector");
    symlink(env!("CARGO_BIN_EXE_tf-engine"), &link).expect("a link");
    let config = lab.bench.write_inputs();
    let mut command = Command::new(link);
    command
        .args(["maas2", "provision", "-c"])
        .arg(config)
        .arg("testflinger.json");
    lab.bench.surround(&mut command);
    let output = command.output().expect("tf-engine can be executed");
    assert_eq!(output.status.code(), Some(1));
    let told = read_json(&lab.bench.run_dir().join("device-connector-error.json"));
    let message = &told["provision_exception_info"]["exception_message"];
    let message = message.as_str().unwrap_or_default();
    assert!(
        message.contains("MAAS says `Failed deployment`"),
        "{message}"
    );
    assert!(message.contains("curtin: log of"), "{message}");
}

#[test]
fn what_maas_answers_is_shown_where_the_job_wants_it() {
    let mut lab = Lab::new(&[100 * GB]);
    let answer = "\"hostname\":\"lab-node\"";
    let ran = lab.bench.run("maas2", "cleanup");
    assert!(
        !ran.ends_with(0).stderr().contains(answer),
        "{}",
        ran.stderr()
    );
    lab.bench.job("debug", true);
    let ran = lab.bench.run("maas2", "cleanup");
    assert!(
        ran.ends_with(0).stderr().contains(answer),
        "{}",
        ran.stderr()
    );
}

#[test]
fn a_system_with_another_address_is_not_this_board() {
    let lab = Lab::new(&[100 * GB]);
    lab.maas.node().flaw = Flaw::OtherAddress;
    let ran = lab.provision();
    ran.ends_with(1);
    let sentence = "deployed without the address 127.0.0.1: MAAS lists [\"192.0.2.99\"]";
    assert!(reason(&ran).contains(sentence), "{}", reason(&ran));
}

#[test]
fn a_deployment_has_its_time_and_so_has_its_ssh() {
    let mut lab = Lab::new(&[100 * GB]);
    lab.bench.device("timeout_min", "1s");
    let ran = lab.provision();
    ran.ends_with(1);
    assert!(
        reason(&ran).contains("the node is deployed, but SSH does not answer at 127.0.0.1"),
        "{}",
        reason(&ran)
    );
    lab.maas.node().flaw = Flaw::NeverDeployed;
    let ran = lab.provision();
    ran.ends_with(1);
    assert!(
        reason(&ran)
            .contains("not deployed within the 1 s of `timeout_min`: MAAS says `Deploying`"),
        "{}",
        reason(&ran)
    );
}

#[test]
fn a_node_that_never_gets_ready_is_taken_out_of_service() {
    let mut lab = Lab::new(&[100 * GB]);
    lab.maas.node().status = "Deployed".into();
    lab.maas.node().flaw = Flaw::Stuck;
    lab.bench
        .device("release_timeout", "1s")
        .device("recover_timeout", "1s");
    let ran = lab.provision();
    ran.ends_with(46);
    assert!(
        reason(&ran).contains("neither by a release nor by mark-broken, mark-fixed and power-off"),
        "{}",
        reason(&ran)
    );
    assert_eq!(
        lab.maas.changes(),
        [
            "machine release",
            "machine mark-broken",
            "machine mark-fixed",
            "machine power-off",
        ]
    );
}

#[test]
fn a_release_that_never_ends_is_helped_along() {
    let mut lab = Lab::new(&[100 * GB]);
    lab.maas.node().status = "Deployed".into();
    lab.maas.node().flaw = Flaw::NeverReleased;
    lab.bench.device("release_timeout", "1s");
    lab.bench.run("maas2", "cleanup").ends_with(0);
    assert_eq!(
        lab.maas.changes(),
        [
            "machine release",
            "machine mark-broken",
            "machine mark-fixed",
        ]
    );
}

#[test]
fn a_refused_release_goes_on_to_stronger_means() {
    let lab = Lab::new(&[100 * GB]);
    lab.maas.node().status = "Rescue mode".into();
    let ran = lab.bench.run("maas2", "cleanup");
    ran.ends_with(0);
    assert_eq!(lab.maas.node().status, "Ready");
    assert!(
        ran.stderr()
            .contains("cannot be released in its current state"),
        "{}",
        ran.stderr()
    );
    assert_eq!(
        lab.maas.changes(),
        [
            "machine release",
            "machine release",
            "machine release",
            "machine release",
            "machine mark-broken",
            "machine mark-fixed",
        ]
    );
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn the_network_comes_first_in_the_boot_order_before_a_release() {
    let mut lab = Lab::with_system(&[100 * GB]);
    lab.maas.node().status = "Deployed".into();
    lab.bench.device("reset_efi", true);
    fs::write(
        lab.bench.path("efi"),
        "BootCurrent: 0002\nBootOrder: 0000,0001,0002\nBoot0000* ubuntu\tHD(1)\n\
         Boot0001* PXE IPv4 one\tIPv4(0.0.0.0)\nBoot0002* PXE IPv4 two\tIPv4(0.0.0.0)\n",
    )
    .expect("a file");
    lab.bench.stand_in(
        "sudo",
        "case $* in\n\
         'efibootmgr -v') cat \"$BENCH/efi\" ;;\n\
         'efibootmgr -o '*) : ;;\n\
         *) echo \"sudo: $*: command not found\" >&2; exit 1 ;;\n\
         esac",
    );
    lab.bench.run("maas2", "cleanup").ends_with(0);
    assert_eq!(
        lab.bench.calls(),
        ["sudo efibootmgr -v", "sudo efibootmgr -o 0002,0001,0000"]
    );
    assert_eq!(lab.maas.changes(), ["machine release"]);
}

#[test]
#[cfg_attr(not(have = "sshd"), ignore = "needs sshd (openssh-server)")]
fn the_tpm_is_cleared_from_a_plain_system_where_the_node_does_not_answer() {
    let mut lab = Lab::with_system(&[100 * GB]);
    lab.bench.device("clear_tpm", true);
    lab.job(json!({"distro": "noble"}));
    // It takes the request once the node has been deployed.
    lab.bench.stand_in(
        "sudo",
        "[ \"$*\" = 'tee /sys/class/tpm/tpm0/ppi/request' ] || exit 1\n\
         grep -q asked \"$BENCH/tpm\" 2>/dev/null || { echo asked >\"$BENCH/tpm\"; exit 1; }\n\
         cat >\"$BENCH/request\"",
    );
    lab.bench.stand_in(
        "cat",
        "case ${1-} in\n\
         /sys/class/tpm/*) exec /bin/cat \"$BENCH/request\" ;;\n\
         *) exec /bin/cat \"$@\" ;;\n\
         esac",
    );
    lab.provision().ends_with(0);
    let deployments: Vec<String> = lab
        .maas
        .changes()
        .into_iter()
        .filter(|call| call.starts_with("machine deploy"))
        .collect();
    assert_eq!(
        deployments,
        [
            "machine deploy distro_series=jammy",
            "machine deploy distro_series=noble"
        ]
    );
}

#[test]
fn what_a_killed_run_leaves_is_released_by_the_cleanup() {
    let lab = Lab::new(&[100 * GB]);
    lab.maas.node().flaw = Flaw::NeverDeployed;
    let mut command = lab.bench.command("maas2", "provision");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().expect("tf-engine can be executed");
    lab.maas.wait_for("machine deploy");
    let pid = i32::try_from(run.id()).ok().and_then(Pid::from_raw);
    kill_process(pid.expect("a process"), Signal::KILL).expect("it runs");
    run.wait().expect("it has ended");
    assert_eq!(lab.maas.node().status, "Deploying");
    lab.bench.run("maas2", "cleanup").ends_with(0);
    assert_eq!(lab.maas.node().status, "Ready");
}

#[test]
fn a_config_without_its_node_is_refused() {
    let mut lab = Lab::new(&[100 * GB]);
    lab.bench.device("node_id", Value::Null);
    lab.bench.device("timeout_min", "soon");
    let ran = lab.provision();
    ran.ends_with(2);
    assert!(ran.stderr().contains("node_id"), "{}", ran.stderr());
    assert!(ran.stderr().contains("timeout_min"), "{}", ran.stderr());
    assert_eq!(lab.maas.calls(), [""; 0]);
}
