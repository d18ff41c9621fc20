//! Boards that install themselves from a reset partition, or by their control host.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tf_engine::diagnostic::{Findings, Sources};
use tf_engine::recipe::yaml::{Dialect, read};
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::connector_bench::ConnectorBench;
use crate::file_server::{Answer, FileServer};
use crate::image::{program, run};
use crate::oem_board::{OemBoard, iso_image, quiet};

const ISO: &str = "/noble-oem.iso";
const TOKEN: &str = "username: reader\ntoken: tok:en with='quotes'\n";

/// A board, and a server with an image of the kind.
fn lab() -> (OemBoard, FileServer) {
    let mut board = OemBoard::new();
    let web = FileServer::of(ISO, Answer::ok(iso_image()));
    for (path, content) in [
        ("casper/vmlinuz", "kernel"),
        ("casper/initrd", "ramdisk"),
        ("cloud-configs/grub/reset.cfg", "the image's"),
        ("sideloads/hook.sh", "#!/bin/sh"),
        ("boot/grub/grub.cfg", "the image's"),
        ("EFI/boot/bootx64.efi", "loader"),
    ] {
        board.on_iso(path, content);
    }
    // The kernel may have no FAT.
    board.bench.stand_in(
        "mkfs.vfat",
        "for device; do :; done\n\
         exec mkfs.ext4 -q -F -L \"$(case $* in *RESET*) echo RESET ;; esac)\" \"$device\"",
    );
    let url = web.url(ISO);
    fs::create_dir_all(board.bench.run_dir().join("attachments/provision")).expect("a folder");
    board.bench.job("provision_data", json!({"url": url}));
    (board, web)
}

fn attach(bench: &ConnectorBench, name: &str, content: &str) {
    let place = bench.run_dir().join("attachments/provision");
    fs::create_dir_all(&place).expect("a folder");
    fs::write(place.join(name), content).expect("an attachment");
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn a_board_installs_itself_by_the_jobs_own_files() {
    let (mut board, web) = lab();
    attach(&board.bench, "mine.yaml", "#cloud-config\n");
    attach(
        &board.bench,
        "menu.cfg",
        "linux rp-partuuid=RP_PARTUUID rp-partuuid=RP_PARTUUID\n",
    );
    attach(&board.bench, "token", TOKEN);
    // In the original an attachment of this name wins over the one that the job names.
    attach(&board.bench, "user-data", "not this one\n");
    let url = web.url(ISO);
    board.bench.job(
        "provision_data",
        json!({"url": url, "user_data": "mine.yaml", "redeploy_cfg": "menu.cfg", "token_file": "token"}),
    );
    let ran = board.run("oem_autoinstall");
    ran.ends_with(0);

    let [esp, reset] = [1, 2].map(|number| board.partition(number).display().to_string());
    assert_eq!(
        board.calls(),
        [
            format!("mkfs.vfat -F 32 -n RESET {reset}"),
            format!("mkfs.vfat -F 32 {esp}"),
            "reboot".to_owned(),
        ]
    );
    let uuid = run(program("blkid")
        .args([
            "-c",
            "/dev/null",
            "-p",
            "-s",
            "PART_ENTRY_UUID",
            "-o",
            "value",
        ])
        .arg(&reset));
    let uuid = uuid.trim();
    assert_eq!(
        board.files(2),
        [
            "EFI/boot/bootx64.efi loader".to_owned(),
            format!("boot/grub/grub.cfg linux rp-partuuid={uuid} rp-partuuid={uuid}"),
            "casper/initrd ramdisk".to_owned(),
            "casper/vmlinuz kernel".to_owned(),
            "cloud-configs/grub/redeploy.cfg linux rp-partuuid=RP_PARTUUID rp-partuuid=RP_PARTUUID"
                .to_owned(),
            "cloud-configs/grub/reset.cfg the image's".to_owned(),
            "cloud-configs/redeploy/meta-data ".to_owned(),
            "cloud-configs/redeploy/user-data #cloud-config".to_owned(),
            "sideloads/hook.sh #!/bin/sh".to_owned(),
        ]
    );
    // The token went to the server, and is nowhere else.
    let requests = web.requests();
    let expected = run(Command::new("sh").args([
        "-c",
        "printf '%s' \"reader:tok:en with='quotes'\" | base64 -w 0",
    ]));
    assert!(
        requests[0].contains(&format!("Authorization: Basic {expected}")),
        "{requests:?}"
    );
    assert!(!ran.stderr().contains("tok:en"), "{}", ran.stderr());
    let left = fs::read_dir(board.bench.path("var-tmp")).expect("a folder");
    assert_eq!(left.count(), 0);
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn the_default_user_data_make_the_jobs_user() {
    let (mut board, web) = lab();
    attach(
        &board.bench,
        "keys",
        "ssh-ed25519 AAAA one\n\nssh-rsa BBBB two\n",
    );
    let (user, password) = (board.sshd.user(), "it's \"quoted\": #{a}");
    board
        .bench
        .job(
            "test_data",
            json!({"test_username": user, "test_password": password}),
        )
        .job(
            "provision_data",
            // It fails there; the files are ready by then.
            json!({"url": web.url("/gone.iso"), "authorized_keys": "keys"}),
        );
    let ran = board.run("oem_autoinstall");
    ran.ends_with(1);
    assert_eq!(ran.outcome["verdict"], "image");
    assert!(board.calls().is_empty(), "{:?}", board.calls());

    let text =
        fs::read_to_string(board.bench.run_dir().join("redeploy/user-data")).expect("a file");
    assert!(text.starts_with("#cloud-config\n"), "{text}");
    let mut sources = Sources::default();
    let source = sources.add("user-data", text);
    let data = read(&sources, source, Dialect::Data, &mut Findings::default())
        .expect("YAML")
        .to_value();
    let inside = &data["autoinstall"]["user-data"];
    assert_eq!(
        inside["users"][0],
        json!({
            "name": user,
            "plain_text_passwd": password,
            "lock_passwd": false,
            "shell": "/bin/bash",
            "groups": ["adm", "cdrom", "dip", "lpadmin", "plugdev", "sudo"],
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "ssh_authorized_keys": ["ssh-ed25519 AAAA one", "ssh-rsa BBBB two"],
        })
    );
    let files = inside["write_files"].as_array().expect("files");
    assert_eq!(files[0]["encoding"], "b64");
    assert!(
        !data.to_string().contains('@'),
        "a place was left open: {data:#}"
    );
}

#[test]
#[cfg_attr(
    not(have = "oem-board"),
    ignore = "needs sshd, sudo, wget, git, mkfs and loop devices, as root"
)]
fn nothing_is_formatted_that_may_not_be() {
    let (board, _web) = lab();
    let [esp, reset, root] = [1, 2, 3].map(|number| board.partition(number).display().to_string());
    let folder = board.bench.path("redeploy");
    fs::create_dir(&folder).expect("a folder");
    for name in ["user-data", "meta-data", "redeploy.cfg"] {
        fs::write(folder.join(name), name).expect("a file");
    }
    let folder = folder.display().to_string();
    let says = |partitions: [&str; 2], words: &str| {
        let output = board.script(
            "oem_autoinstall/deploy-image.sh",
            &[partitions[0], partitions[1], "/var/tmp/x.iso", &folder],
        );
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(words), "{said}");
    };
    says([&root, &esp], "is not FAT but ext4: it is not formatted");
    says(["/dev/nothing", &esp], "/dev/nothing is not a block device");
    let hook = board.bench.path("iso/sideloads");
    fs::rename(&hook, board.bench.path("sideloads")).expect("a folder");
    says([&reset, &esp], "has no sideloads/: it is not an OEM image");
    fs::rename(board.bench.path("sideloads"), &hook).expect("a folder");
    board.on_iso("casper/filesystem.squashfs", &"x".repeat(33 << 20));
    says([&reset, &esp], "is too small: 33554432 bytes");
    assert!(board.calls().is_empty(), "{:?}", board.calls());
}

#[test]
fn an_image_comes_from_the_share_by_its_project_and_path() {
    let bench = ConnectorBench::new();
    bench.stand_in(
        "rclone",
        "[ \"$1\" = --config ] && grep -q '^secret' \"$2\" || exit 3\n\
         for to; do :; done\necho image >\"$to\"",
    );
    let token = bench.path("token");
    fs::write(
        &token,
        "[somerville]\nsecret = x\n[partners-lab]\nsecret = y\n",
    )
    .expect("a file");
    let to = bench.path("new/image.iso");
    let fetch = |url: &str| {
        let mut command = Command::new("sh");
        bench.surround(&mut command);
        command
            .arg(script("oem_autoinstall/fetch-share.sh"))
            .arg(url)
            .args([&to, &token])
            .output()
            .expect("it can be executed")
    };
    let host = "https://oem-share.canonical.com";
    for url in [
        format!("{host}/share/somerville/a/b c.iso?x=1"),
        format!("{host}/partners/partners-lab/share/d/e.iso"),
    ] {
        let output = fetch(&url);
        assert!(output.status.success(), "{output:?}");
    }
    let calls = bench.calls();
    let path = to.display();
    assert!(
        calls[0].ends_with(&format!("copyto somerville:a/b c.iso {path}")),
        "{calls:?}"
    );
    assert!(
        calls[1].ends_with(&format!("copyto partners-lab:d/e.iso {path}")),
        "{calls:?}"
    );
    for (url, words) in [
        (
            format!("{host}/share/unknown/a.iso"),
            "no section [unknown]",
        ),
        (host.to_owned(), "has no project"),
        (format!("{host}/share/a:b/c.iso"), "has no project"),
    ] {
        let output = fetch(&url);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(words), "{said}");
    }
}

#[test]
fn boot_entries_are_preferred_by_their_name() {
    let bench = ConnectorBench::new();
    quiet(
        &bench,
        "efibootmgr",
        "if [ $# -gt 0 ]; then echo \"$*\" >>\"$BENCH/calls\"; exit; fi\n\
         printf '%s\\n' 'BootCurrent: 0001' 'BootOrder: 0001,0003,0002,0004' \
         'Boot0001* ubuntu HD(1)' 'Boot0002* USB HDD' 'Boot0003* Network' 'Boot0004  UEFI: USB stick 0001'",
    );
    let prefer = |word: &str| {
        let mut command = Command::new("sh");
        bench.surround(&mut command);
        let status = command
            .arg(script("oem_autoinstall/prefer-boot.sh"))
            .arg(word)
            .status();
        assert!(status.expect("it can be executed").success());
    };
    for word in ["USB", "ubuntu", "Windows"] {
        prefer(word);
    }
    assert_eq!(
        bench.calls(),
        [
            "--quiet --bootorder 0002,0004,0001,0003",
            "--quiet --bootorder 0001,0003,0002,0004",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_control_host_is_told_what_it_needs() {
    let server = MockServer::start().await;
    let answers = [
        (
            "POST",
            "/api/v1/provision",
            json!({"job_id": 7}).to_string(),
        ),
        (
            "GET",
            "/api/v1/provision/7/logs",
            "id: 1\ndata: {\"level\": \"INFO\", \"message\": \"writing\"}\n\n".to_owned(),
        ),
        (
            "GET",
            "/api/v1/provision/7",
            json!({"status": "completed"}).to_string(),
        ),
    ];
    for (verb, place, body) in answers {
        Mock::given(method(verb))
            .and(path(place))
            .respond_with(ResponseTemplate::new(200).set_body_string(body))
            .mount(&server)
            .await;
    }
    let port = server.address().port();
    let ran = tokio::task::spawn_blocking(move || {
        let mut bench = ConnectorBench::new();
        bench
            .device("device_ip", "127.0.0.1")
            .device("agent_name", "oem-1")
            .device("reboot_script", json!(["pdu off", "pdu on"]))
            .device("env", json!({"CID": "202401-1"}))
            .device("control_host", "127.0.0.1")
            .device("control_api_port", port)
            .job(
                "provision_data",
                json!({
                    "control_host_iso_url": "http://images/noble.iso",
                    "control_host_iso_type": "stock",
                    "token_file": "token",
                }),
            );
        attach(&bench, "token", TOKEN);
        bench.run("oem_autoinstall", "provision")
    })
    .await
    .expect("it ends");
    ran.ends_with(0);
    assert!(ran.stderr().contains("writing"), "{}", ran.stderr());

    let requests = server.received_requests().await.expect("they are recorded");
    let asked: Vec<_> = requests.iter().map(|request| request.url.path()).collect();
    assert_eq!(
        asked,
        [
            "/api/v1/system/setup/provisioning",
            "/api/v1/provision",
            "/api/v1/provision/7/logs",
            "/api/v1/provision/7",
        ]
    );
    let mut sent: Value = serde_json::from_slice(&requests[1].body).expect("JSON");
    for (key, words) in [
        ("user_data_b64", "#cloud-config"),
        ("grub_cfg_b64", "set default=0"),
        ("meta_data_b64", ""),
    ] {
        let encoded = sent["kwargs"][key].take();
        let text = decoded(encoded.as_str().expect("a text"));
        assert!(text.starts_with(words), "{key}: {text}");
        assert!(!text.contains('@'), "a place was left open: {text}");
    }
    assert_eq!(
        sent,
        json!({
            "method": "ProvisioningOEM",
            "args": [],
            "kwargs": {
                "control_host_iso_url": "http://images/noble.iso",
                "control_host_iso_type": "stock",
                "update_user_data": false,
                "device_ip": "127.0.0.1",
                "username": "ubuntu",
                "password": "insecure",
                "reboot_script": ["pdu off", "pdu on"],
                "poweron_script": null,
                "poweroff_script": null,
                "agent_name": "oem-1",
                "cid": "202401-1",
                "meta_data_b64": null,
                "user_data_b64": null,
                "grub_cfg_b64": null,
            },
        })
    );
}

fn script(name: &str) -> String {
    format!("{}/recipes/files/{name}", env!("CARGO_MANIFEST_DIR"))
}

fn decoded(text: &str) -> String {
    run(Command::new("sh").args(["-c", "printf '%s' \"$1\" | base64 -d", "sh", text]))
}
