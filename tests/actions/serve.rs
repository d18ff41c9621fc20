//! `serve`: real clients over real sockets, those that break off included.

use std::io::Read;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::bench::{Bench, Done, Ready, step};

/// As much as no socket's buffers hold.
const LARGE: usize = 32 << 20;

fn bench() -> Ready {
    // Its port is never used: what counts is its address.
    let bench = Bench::new().with_host("dut", 9, "nobody", "/nonexistent".as_ref());
    bench.ready()
}

async fn serve(bench: &Ready, params: Value) -> Done {
    let mut all = json!({"to": "dut", "tally": "tally.json"});
    for (key, value) in params.as_object().expect("a map") {
        all[key] = value.clone();
    }
    bench.perform(step("serve", all)).await
}

async fn connect(done: &Done) -> TcpStream {
    let address = done.field("address");
    let address = address.as_str().expect("an address");
    let port = done.field("port").as_u64().expect("a port");
    let port = u16::try_from(port).expect("a port");
    TcpStream::connect((address, port))
        .await
        .expect("it listens")
}

/// All that comes, and whether it ended in order.
async fn read(stream: &mut TcpStream) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let ended = stream.read_to_end(&mut bytes).await;
    (bytes, ended.is_ok())
}

fn tally(bench: &Ready) -> Value {
    serde_json::from_str(&bench.file("tally.json")).expect("JSON")
}

/// Returns once the tally is this.
async fn tallied(bench: &Ready, wanted: Value) {
    let waiting = async {
        while tally(bench) != wanted {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), waiting).await;
    assert!(in_time.is_ok(), "{} is not {wanted}", tally(bench));
}

async fn ask(done: &Done, request: &str) -> String {
    let mut stream = connect(done).await;
    let request = format!("{request}\r\nHost: x\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is read");
    String::from_utf8_lossy(&read(&mut stream).await.0).into_owned()
}

#[tokio::test]
async fn whoever_connects_gets_the_bytes() {
    let bench = bench();
    bench.put("board.img", "an image");
    let params = json!({"file": "board.img", "protocol": "tcp"});
    let done = serve(&bench, params).await;
    assert_eq!(done.field("address"), "127.0.0.1");
    assert_eq!(done.field("name"), "board.img");
    assert_eq!(
        done.field("url"),
        format!("tcp://127.0.0.1:{}", done.field("port"))
    );
    assert_eq!(tally(&bench), json!({"whole": 0, "broken": 0}));
    for _ in 0..2 {
        let mut stream = connect(&done).await;
        assert_eq!(read(&mut stream).await, (b"an image".to_vec(), true));
    }
    assert_eq!(tally(&bench), json!({"whole": 2, "broken": 0}));

    let held = bench.scope.take().expect("the port is held");
    held.close.cancel();
    held.task.await.expect("it ends");
    let port = u16::try_from(done.field("port").as_u64().expect("a port")).expect("a port");
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());
}

#[tokio::test]
async fn over_http_it_is_one_path_alone() {
    let bench = bench();
    bench.put("a b.img", "an image");
    let done = serve(&bench, json!({"file": "a b.img"})).await;
    let url = done.field("url").as_str().expect("a URL").to_owned();
    assert!(url.ends_with("/a%20b.img"), "{url}");
    let got = ask(&done, "GET /a%20b.img HTTP/1.1").await;
    assert!(got.contains("Content-Length: 8\r\n"), "{got}");
    assert!(got.ends_with("\r\n\r\nan image"), "{got}");
    let got = ask(&done, "HEAD /a%20b.img HTTP/1.1").await;
    assert!(
        got.starts_with("HTTP/1.1 200 OK\r\n") && got.ends_with("\r\n\r\n"),
        "{got}"
    );
    for (request, status) in [
        ("GET /tally.json HTTP/1.1", "404"),
        ("GET /../a%20b.img HTTP/1.1", "404"),
        ("PUT /a%20b.img HTTP/1.1", "405"),
        ("hello", "400"),
    ] {
        let got = ask(&done, request).await;
        assert!(got.starts_with(&format!("HTTP/1.1 {status} ")), "{got}");
    }
    assert_eq!(tally(&bench), json!({"whole": 1, "broken": 0}));
}

#[tokio::test]
async fn a_client_that_goes_away_is_told_and_takes_nothing_from_the_next() {
    let bench = bench();
    bench.put("board.img", vec![7; LARGE]);
    let params = json!({"file": "board.img", "protocol": "tcp", "once": true});
    let done = serve(&bench, params).await;
    let mut stream = connect(&done).await;
    stream.read_exact(&mut [0; 1000]).await.expect("it sends");
    drop(stream);
    tallied(&bench, json!({"whole": 0, "broken": 1})).await;

    let mut stream = connect(&done).await;
    let (bytes, ended) = read(&mut stream).await;
    assert!(ended && bytes.len() == LARGE);
    drop(stream);
    tallied(&bench, json!({"whole": 1, "broken": 1})).await;
    // That was the once.
    let port = u16::try_from(done.field("port").as_u64().expect("a port")).expect("a port");
    let refused = async {
        while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(Duration::from_secs(30), refused).await;
    assert!(in_time.is_ok());
}

#[tokio::test]
async fn a_scope_that_ends_meanwhile_resets_the_connection() {
    let bench = bench();
    bench.put("board.img", vec![7; LARGE]);
    let params = json!({"file": "board.img", "protocol": "tcp"});
    let done = serve(&bench, params).await;
    let mut stream = connect(&done).await;
    stream.read_exact(&mut [0; 1000]).await.expect("it sends");
    let held = bench.scope.take().expect("the port is held");
    held.close.cancel();
    held.task.await.expect("it ends");
    let (bytes, ended) = read(&mut stream).await;
    assert!(!ended && bytes.len() < LARGE);
}

#[tokio::test]
async fn what_is_not_xz_is_packed_on_its_way() {
    let bench = bench();
    let image: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 1000) as u8).collect();
    bench.put("raw.img", &image);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, &image).expect("a vector takes all");
    bench.put("gzip.img", gzip.finish().expect("a vector takes all"));
    for name in ["raw.img", "gzip.img"] {
        let params = json!({"file": name, "protocol": "tcp", "pack": "xz"});
        let done = serve(&bench, params).await;
        let (packed, ended) = read(&mut connect(&done).await).await;
        assert!(ended && packed.len() < image.len());
        let mut unpacked = Vec::new();
        liblzma::read::XzDecoder::new(packed.as_slice())
            .read_to_end(&mut unpacked)
            .expect("a whole stream");
        assert!(unpacked == image, "{name}");
    }
    // What is packed so already is sent as it is.
    bench.put("xz.img", b"\xfd7zXZ\0and so on");
    let params = json!({"file": "xz.img", "protocol": "tcp", "pack": "xz"});
    let done = serve(&bench, params).await;
    let (bytes, _) = read(&mut connect(&done).await).await;
    assert_eq!(bytes, b"\xfd7zXZ\0and so on");
}

#[tokio::test]
async fn an_image_that_is_cut_short_never_looks_whole() {
    let bench = bench();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let noise: Vec<u8> = (0..4_000_000_u32)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    std::io::Write::write_all(&mut gzip, &noise).expect("a vector takes all");
    let mut packed = gzip.finish().expect("a vector takes all");
    packed.truncate(packed.len() / 2);
    bench.put("cut.img", packed);
    for protocol in ["tcp", "http"] {
        let params = json!({"file": "cut.img", "protocol": protocol, "pack": "xz"});
        let done = serve(&bench, params).await;
        let mut stream = connect(&done).await;
        if protocol == "http" {
            let request = b"GET /cut.img HTTP/1.1\r\n\r\n";
            stream.write_all(request).await.expect("it is read");
        }
        let (_, ended) = read(&mut stream).await;
        assert!(!ended, "{protocol}");
        assert_eq!(tally(&bench), json!({"whole": 0, "broken": 1}));
    }
}

#[tokio::test]
async fn what_cannot_be_served_is_said_by_name() {
    let bench = bench();
    bench.put("board.img", "an image");
    #[track_caller]
    fn said(done: &Done, kind: &str, text: &str) {
        let (found, message) = done.error();
        assert_eq!(found, kind, "{message}");
        assert!(message.contains(text), "{message}");
    }
    let done = serve(&bench, json!({"file": "missing.img"})).await;
    said(&done, "io", "missing.img can't be served");
    let done = serve(&bench, json!({"file": "."})).await;
    said(&done, "io", "neither");
    let done = serve(&bench, json!({"file": "board.img", "address": "192.0.2.1"})).await;
    said(&done, "io", "can be opened at 192.0.2.1");
    let done = serve(&bench, json!({"file": "board.img", "address": "here"})).await;
    said(&done, "input", "must be auto or an IP address");
    let done = serve(&bench, json!({"file": "board.img", "to": "local"})).await;
    said(&done, "input", "the engine's own machine");
    let shown = bench.describe(step(
        "serve",
        json!({"file": "board.img", "to": "dut", "protocol": "tcp", "pack": "xz", "once": true}),
    ));
    assert_eq!(
        shown.expect("it can be planned"),
        ["serve board.img to `dut` over TCP, packed as xz, once"]
    );
}
