//! HTTP against real servers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command as Process, Stdio};

use bytes::Bytes;
use tf_engine::transport::{FaultKind, Http, HttpContent, HttpPart, HttpPayload, HttpRequest};
use wiremock::matchers::{body_string, body_string_contains, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

/// A server that reads the head of one request, answers with these bytes and closes.
fn answering(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        read_head(&stream);
        (&stream).write_all(answer).unwrap();
    });
    format!("http://{address}/secret-path")
}

fn read_head(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    while lines
        .next()
        .is_some_and(|line| line.is_ok_and(|line| !line.is_empty()))
    {}
}

#[tokio::test]
async fn a_request_has_its_query_and_headers_and_the_answer_its_parts() {
    let server = MockServer::start().await;
    Mock::given(method("GET"))
        .and(path("/image"))
        .and(query_param("a", "b c"))
        .and(query_param("d", "é&"))
        .and(header("x-key", "value"))
        .and(header("range", "bytes=5-"))
        .respond_with(
            ResponseTemplate::new(206)
                .insert_header("Content-Range", "bytes 5-9/10")
                .set_body_bytes(b"56789".as_slice()),
        )
        .mount(&server)
        .await;
    let request = HttpRequest {
        query: vec![("d".into(), "é&".into())],
        headers: vec![
            ("X-Key".into(), "value".into()),
            ("Range".into(), "bytes=5-".into()),
        ],
        ..HttpRequest::get(format!("{}/image?a=b+c", server.uri()))
    };
    let response = Http::new().send(request).await.unwrap();
    assert_eq!(response.status, 206);
    assert_eq!(response.header("content-range"), Some("bytes 5-9/10"));
    assert_eq!(response.body.length(), Some(5));
    let (body, _) = response.body.read(1024).await.unwrap();
    assert_eq!(body, b"56789");
}

#[tokio::test]
async fn every_payload_arrives() {
    let server = MockServer::start().await;
    let ok = || ResponseTemplate::new(201);
    Mock::given(method("PUT"))
        .and(body_string("raw"))
        .respond_with(ok())
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(header("content-type", "application/x-www-form-urlencoded"))
        .and(body_string("a=1+%26&b="))
        .respond_with(ok())
        .mount(&server)
        .await;
    Mock::given(method("PATCH"))
        .and(body_string_contains("name=\"note\"\r\n"))
        .and(body_string_contains("\r\n\r\nhello\r\n"))
        .and(body_string_contains(
            "name=\"file\"; filename=\"log.txt\"\r\nContent-Type: text/plain",
        ))
        .and(body_string_contains("\r\n\r\nfrom a file\r\n"))
        .respond_with(ok())
        .mount(&server)
        .await;
    Mock::given(method("DELETE"))
        .and(body_string(""))
        .respond_with(ok())
        .mount(&server)
        .await;

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "from a file").unwrap();
    let parts = vec![
        HttpPart {
            name: "note".into(),
            file_name: None,
            content_type: None,
            content: HttpContent::Bytes(Bytes::from_static(b"hello")),
        },
        HttpPart {
            name: "file".into(),
            file_name: Some("log.txt".into()),
            content_type: Some("text/plain".into()),
            content: HttpContent::File(file),
        },
    ];
    let http = Http::new();
    for (method, payload) in [
        ("PUT", HttpPayload::Bytes(Bytes::from_static(b"raw"))),
        (
            "POST",
            HttpPayload::Form(vec![
                ("a".into(), "1 &".into()),
                ("b".into(), String::new()),
            ]),
        ),
        ("PATCH", HttpPayload::Multipart(parts)),
        ("DELETE", HttpPayload::Empty),
    ] {
        let request = HttpRequest {
            method: method.into(),
            payload,
            ..HttpRequest::get(server.uri())
        };
        assert_eq!(http.send(request).await.unwrap().status, 201, "{method}");
    }
}

#[tokio::test]
async fn redirects_are_followed_to_the_limit() {
    let server = MockServer::start().await;
    for number in 0..3 {
        Mock::given(path(format!("/{number}")))
            .respond_with(
                ResponseTemplate::new(302).insert_header("Location", format!("/{}", number + 1)),
            )
            .mount(&server)
            .await;
    }
    Mock::given(path("/3"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let http = Http::new();
    let get = |redirects| HttpRequest {
        redirects,
        ..HttpRequest::get(format!("{}/0", server.uri()))
    };
    let response = http.send(get(3)).await.unwrap();
    assert_eq!(
        (response.status, response.url),
        (200, format!("{}/3", server.uri()))
    );
    assert_eq!(http.send(get(0)).await.unwrap().status, 302);
    let fault = http.send(get(2)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Mismatch, "{fault}");
    assert!(fault.message.contains("limit: 2"), "{fault}");
}

#[tokio::test]
async fn a_long_body_is_read_as_far_as_wanted() {
    let server = MockServer::start().await;
    Mock::given(path("/"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![b'x'; 1000]))
        .mount(&server)
        .await;
    let http = Http::new();
    for (limit, expected) in [
        (0, (0, true)),
        (999, (999, true)),
        (1000, (1000, false)),
        (5000, (1000, false)),
    ] {
        let response = http.send(HttpRequest::get(server.uri())).await.unwrap();
        let (bytes, more) = response.body.read(limit).await.unwrap();
        assert_eq!((bytes.len(), more), expected);
    }
}

#[tokio::test]
async fn not_reached_is_told_apart_from_lost() {
    let http = Http::new();
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let cases = [
        (
            format!("http://{closed}/"),
            FaultKind::Unreachable,
            "refused",
        ),
        (
            "http://no-such-host.invalid/".into(),
            FaultKind::Unreachable,
            "no-such-host.invalid:80",
        ),
        (answering(b""), FaultKind::Lost, "a request that was sent"),
        (
            answering(b"HTTP/1.1 "),
            FaultKind::Lost,
            "a request that was sent",
        ),
    ];
    for (url, kind, part) in cases {
        let fault = http.send(HttpRequest::get(url)).await.unwrap_err();
        assert_eq!(fault.kind, kind, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
        assert!(!fault.message.contains("secret-path"), "{fault}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_short_never_looks_whole() {
    for answer in [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345".as_slice(),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
    ] {
        let response = Http::new()
            .send(HttpRequest::get(answering(answer)))
            .await
            .unwrap();
        let fault = response.body.read(100).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Lost, "{fault}");
        assert!(fault.message.contains("was cut short"), "{fault}");
    }
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345";
    let response = Http::new()
        .send(HttpRequest::get(answering(cut)))
        .await
        .unwrap();
    let error = response.body.read(usize::MAX).await.unwrap_err();
    assert!(error.to_string().contains("was cut short"), "{error}");
}

#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let http = Http::new();
    let get = || HttpRequest::get("http://127.0.0.1:9/");
    let with_header = |name: &str, value: &str| HttpRequest {
        headers: vec![(name.into(), value.into())],
        ..get()
    };
    let cases = [
        (HttpRequest::get("not a url"), "is no URL"),
        (HttpRequest::get("ftp://x/"), "`ftp`"),
        (
            HttpRequest {
                method: "GE T".into(),
                ..get()
            },
            "no HTTP method",
        ),
        (with_header("a b", "x"), "`a b`"),
        (with_header("a", "x\ny"), "control character"),
        (
            HttpRequest {
                ca: Some(Bytes::from_static(b"none")),
                ..get()
            },
            "`ca`",
        ),
    ];
    for (request, part) in cases {
        let fault = http.send(request).await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Input, "{fault}");
        assert!(fault.message.contains(part), "{fault}");
    }
    let part = HttpPart {
        name: "f".into(),
        file_name: None,
        content_type: None,
        content: HttpContent::File("/no/such/file".into()),
    };
    let request = HttpRequest {
        payload: HttpPayload::Multipart(vec![part]),
        ..get()
    };
    assert_eq!(http.send(request).await.unwrap_err().kind, FaultKind::Io);
}

/// `openssl s_server` with a certificate of its own for `localhost`.
struct TlsServer {
    process: std::process::Child,
    port: u16,
}

impl TlsServer {
    fn start(dir: &Path) -> TlsServer {
        let made = Process::new("openssl")
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args([
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=DNS:localhost",
                "-addext",
                "basicConstraints=CA:FALSE",
            ])
            .arg("-keyout")
            .arg(dir.join("key.pem"))
            .arg("-out")
            .arg(dir.join("cert.pem"))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let mut process = Process::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert"])
            .arg(dir.join("cert.pem"))
            .arg("-key")
            .arg(dir.join("key.pem"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(
                stdout.read_line(&mut line).unwrap() > 0,
                "openssl does not listen"
            );
            if let Some(address) = line.trim().strip_prefix("ACCEPT ") {
                break address.rsplit_once(':').unwrap().1.parse().unwrap();
            }
        };
        std::thread::spawn(move || stdout.read_to_end(&mut Vec::new()));
        TlsServer { process, port }
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
#[cfg_attr(not(have = "openssl"), ignore = "needs openssl")]
async fn a_server_must_show_a_certificate_that_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let server = TlsServer::start(dir.path());
    let http = Http::new();
    let url = format!("https://localhost:{}/", server.port);
    let fault = http.send(HttpRequest::get(&url)).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert!(fault.message.contains("certificate"), "{fault}");
    let ca = std::fs::read(dir.path().join("cert.pem")).unwrap();
    let trusting = HttpRequest {
        ca: Some(ca.into()),
        ..HttpRequest::get(&url)
    };
    assert_eq!(http.send(trusting).await.unwrap().status, 200);
}
