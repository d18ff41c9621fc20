//! netboot: an imager that really fetches what it is told to, and one that breaks off or has no room.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::json;

use crate::bench_board::BoardBench;
use crate::connector_bench::Ran;
use crate::web::Web;

/// What becomes of an image.
#[derive(Clone, Copy, PartialEq)]
enum Disk {
    /// It is written.
    Takes,
    /// There is no room for it.
    Full,
    /// The imager fetches a part, and says that all is well.
    TakesAPart,
}

/// The imager: an HTTP service that is there while `runs` says `imager`. What it writes is in `disk`.
struct Imager {
    port: u16,
    requests: PathBuf,
}

impl Imager {
    fn start(board: &BoardBench, disk: Disk) -> Imager {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let folder = Arc::new(board.bench.path(""));
        let requests = folder.join("requests");
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is its own affair.
                let _ = answer(stream, &folder, disk);
            }
        });
        Imager { port, requests }
    }

    fn requests(&self) -> Vec<String> {
        let record = fs::read_to_string(&self.requests).unwrap_or_default();
        record.lines().map(str::to_owned).collect()
    }
}

fn answer(mut stream: TcpStream, folder: &Path, disk: Disk) -> io::Result<()> {
    let mut head = BufReader::new(stream.try_clone()?);
    let mut request = String::new();
    head.read_line(&mut request)?;
    let mut line = String::new();
    while head.read_line(&mut line)? > 2 {
        line.clear();
    }
    let target = request.split(' ').nth(1).unwrap_or_default();
    let runs = fs::read_to_string(folder.join("runs"))?;
    let body = match target.split_once('?') {
        _ if runs.trim() != "imager" => None,
        None if target == "/check" => Some("Snappy Test Device Imager\n".to_owned()),
        None if target == "/reboot" => {
            fs::write(folder.join("runs"), "test\n")?;
            Some("rebooting\n".to_owned())
        }
        Some(("/writeimage", query)) => Some(write_image(query, folder, disk)),
        _ => None,
    };
    let mut record = fs::File::options()
        .create(true)
        .append(true)
        .open(folder.join("requests"))?;
    writeln!(record, "{}", target.split('?').next().unwrap_or_default())?;
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => ("404 Not Found", String::new()),
    };
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// As `nc HOST PORT | unxz | dd of=DEV` would.
fn write_image(query: &str, folder: &Path, disk: Disk) -> String {
    let parameter = |name: &str| {
        let url = reqwest::Url::parse(&format!("http://imager/?{query}")).ok()?;
        let mut found = url.query_pairs().filter(|(key, _)| key == name);
        found.next().map(|(_, value)| value.into_owned())
    };
    let (Some(server), Some(device)) = (parameter("server"), parameter("dev")) else {
        return "server and dev are wanted\n".to_owned();
    };
    let Ok(mut stream) = TcpStream::connect(&server) else {
        return format!("nc: connect to {server} failed\n");
    };
    match disk {
        Disk::Full => format!("dd: error writing '{device}': No space left on device\n"),
        Disk::TakesAPart => {
            let _ = stream.read_exact(&mut [0; 1000]);
            "done\n".to_owned()
        }
        Disk::Takes => {
            let mut image = Vec::new();
            let read = liblzma::read::XzDecoder::new(stream).read_to_end(&mut image);
            let written = read.and_then(|_| fs::write(folder.join("disk"), &image));
            match written {
                Ok(()) => format!("{} bytes copied to {device}\n", image.len()),
                Err(error) => format!("error: {error}\n"),
            }
        }
    }
}

/// More than sockets hold, once it is packed.
fn image() -> Vec<u8> {
    let mut noise: u32 = 1;
    (0..24 << 20)
        .map(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            noise.to_be_bytes()[0]
        })
        .collect()
}

struct Bench {
    board: BoardBench,
    imager: Imager,
    image: Vec<u8>,
}

impl Bench {
    fn new(runs: &str, disk: Disk) -> Bench {
        let mut board = BoardBench::new(1);
        fs::write(board.bench.path("runs"), format!("{runs}\n")).expect("a file");
        let imager = Imager::start(&board, disk);
        let reset = board
            .bench
            .stand_in("reset", "echo imager >\"$BENCH/runs\"");
        let relay = board.bench.stand_in("relay", "true");
        board.bench.stand_in("reboot", "exit 1");
        let relay = relay.display();
        board
            .bench
            .device("imager_port", imager.port)
            .device("reboot_script", json!([reset]))
            .device("select_master_script", json!([format!("{relay} net")]))
            .device("select_test_script", json!([format!("{relay} disk")]))
            .device("restart_time", "0s");
        Bench {
            board,
            imager,
            image: image(),
        }
    }

    fn provision(&mut self) -> Ran {
        let packed = zstd::encode_all(self.image.as_slice(), 1).expect("zstd");
        let web = Web::serve(packed);
        self.board
            .bench
            .job("provision_data", json!({"url": web.url("core.img.zst")}));
        self.board.bench.run("netboot", "provision")
    }
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn the_imager_fetches_the_image_and_is_left_to_boot_it() {
    let mut bench = Bench::new("imager", Disk::Takes);
    bench.provision().ends_with(0);
    let disk = fs::read(bench.board.bench.path("disk")).expect("the disk");
    assert!(disk == bench.image);
    assert_eq!(
        bench.imager.requests(),
        ["/check", "/writeimage", "/reboot", "/check"]
    );
    assert_eq!(bench.board.bench.calls(), ["relay disk"]);
    assert!(bench.board.is_authorized());
    let left = fs::read_dir(bench.board.bench.run_dir()).expect("the run directory");
    let left = left.flatten().map(|entry| entry.file_name());
    assert!(
        !left
            .into_iter()
            .any(|name| name == "install.img" || name == "served.json")
    );
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn a_board_in_its_test_system_is_brought_to_the_imager() {
    let mut bench = Bench::new("test", Disk::Takes);
    bench.provision().ends_with(0);
    assert_eq!(
        bench.board.bench.calls(),
        ["relay net", "reset", "relay disk"]
    );
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn an_imager_without_room_is_not_believed_to_have_written() {
    let mut bench = Bench::new("imager", Disk::Full);
    let ran = bench.provision();
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    assert!(reason.contains("No space left on device"), "{reason}");
    assert_eq!(bench.imager.requests(), ["/check", "/writeimage"]);
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn an_imager_that_fetches_a_part_is_not_believed_to_have_written() {
    let mut bench = Bench::new("imager", Disk::TakesAPart);
    let ran = bench.provision();
    ran.ends_with(1);
    let reason = ran.outcome["reason"].to_string();
    assert!(
        reason.contains("has not fetched the whole image"),
        "{reason}"
    );
    assert_eq!(bench.imager.requests(), ["/check", "/writeimage"]);
}

#[test]
#[cfg_attr(
    not(all(have = "sshd", have = "users", have = "loop")),
    ignore = "needs sshd, and useradd and loop devices as root"
)]
fn a_power_switch_that_fails_is_46() {
    let mut bench = Bench::new("test", Disk::Takes);
    bench
        .board
        .bench
        .stand_in("reset", "echo 'no outlet' >&2; exit 3");
    let ran = bench.provision();
    ran.ends_with(46);
    assert_eq!(ran.outcome["verdict"], "infra");
}
