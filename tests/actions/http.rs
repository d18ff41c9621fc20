//! HTTP requests against real servers.

use serde_json::{Value, json};
use tf_engine::actions::LogLevel;
use tf_engine::recipe::Verdict;
use tf_engine::recipe::model::{Expect, Parse};
use tf_engine::transport::{Stop, Stream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use wiremock::matchers::{any, body_json, body_string, header, method, path, query_param};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::bench::{Bench, Modify, step};

fn http(params: Value) -> tf_engine::recipe::model::Step {
    step("http", params)
}

#[tokio::test]
async fn an_answer_has_status_headers_and_a_body_that_is_parsed() {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(201)
        .insert_header("x-a", "1")
        .set_body_string("{\"id\": 7}");
    Mock::given(method("GET"))
        .and(path("/v1"))
        .and(query_param("q", "a b"))
        .and(header("x-token", "t"))
        .respond_with(answer)
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let params = json!({
        "url": format!("{}/v1", server.uri()),
        "query": {"q": "a b", "none": null},
        "headers": {"X-Token": "t"},
    });
    let done = bench.perform(http(params).parse(Parse::Json)).await;
    assert_eq!(done.field("status"), 201);
    assert_eq!(done.field("headers")["x-a"], "1");
    assert_eq!(done.field("json"), json!({"id": 7}));
    assert_eq!(done.field("body"), "{\"id\": 7}");
    assert!(
        done.field("url")
            .as_str()
            .expect("text")
            .ends_with("/v1?q=a+b")
    );
}

#[tokio::test]
async fn a_body_makes_a_post_and_none_makes_no_body() {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/json"))
        .and(body_json(json!({"usb": "DUT"})))
        .and(header("content-type", "application/json"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    Mock::given(method("POST"))
        .and(path("/form"))
        .and(body_string("a=1+2"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    Mock::given(method("GET"))
        .and(path("/none"))
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let mut bench = Bench::new();
    bench.context.set("params", json!({"setup": null}));
    let bench = bench.ready();
    let url = |path: &str| format!("{}/{path}", server.uri());
    let cases = [
        json!({"url": url("json"), "json": {"usb": "DUT"}}),
        json!({"url": url("form"), "form": {"a": "1 2"}}),
        json!({"url": url("none"), "json": "{{ params.setup }}"}),
    ];
    for params in cases {
        assert_eq!(
            bench.perform(http(params.clone())).await.field("status"),
            200,
            "{params}"
        );
    }
    let two = http(json!({"url": url("none"), "json": 1, "body": "x"}));
    assert_eq!(bench.perform(two).await.error().0, "input");
}

#[tokio::test]
async fn a_file_goes_into_a_multipart_body() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    bench.put("report.txt", "all is well");
    let params = json!({
        "url": server.uri(),
        "multipart": {"note": "x", "file": {"file": "report.txt"}},
    });
    assert_eq!(bench.perform(http(params)).await.field("status"), 200);
    let requests = server.received_requests().await.expect("recorded");
    let body = String::from_utf8_lossy(&requests[0].body).into_owned();
    assert!(
        body.contains("filename=\"report.txt\"") && body.contains("all is well"),
        "{body}"
    );
}

#[tokio::test]
async fn a_status_that_is_not_expected_is_an_error_with_the_answer() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(404).set_body_string("no such image"))
        .mount(&server)
        .await;
    let mut bench = Bench::new();
    bench.context.set("job", json!({"url": server.uri()}));
    let bench = bench.ready();
    let done = bench.perform(http(json!({"url": "{{ job.url }}"}))).await;
    assert_eq!(
        done.error(),
        (
            "http",
            format!("`GET {}` was answered with status 404", server.uri()).as_str()
        )
    );
    let error = done.result.expect_err("it failed");
    assert_eq!(error.tail, "no such image");
    assert_eq!(error.output["status"], 404);
    assert_eq!(error.verdict, Some(Verdict::Job));

    let mut named = http(json!({"url": server.uri()}));
    named.expect = Some(Expect {
        statuses: vec![404],
        ..Expect::default()
    });
    assert_eq!(bench.perform(named).await.field("body"), "no such image");
    let any = http(json!({"url": server.uri()})).expect_any();
    assert_eq!(bench.perform(any).await.field("status"), 404);
}

#[tokio::test]
async fn redirects_are_followed_as_far_as_asked() {
    let server = MockServer::start().await;
    Mock::given(path("/a"))
        .respond_with(ResponseTemplate::new(302).insert_header("location", "/b"))
        .mount(&server)
        .await;
    Mock::given(path("/b"))
        .respond_with(ResponseTemplate::new(200).set_body_string("b"))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let url = format!("{}/a", server.uri());
    let done = bench.perform(http(json!({"url": url}))).await;
    assert_eq!(done.field("body"), "b");
    assert_eq!(done.field("url"), format!("{}/b", server.uri()));
    let none = bench
        .perform(http(json!({"url": url, "redirects": 0})))
        .await;
    assert_eq!(none.error().0, "http");
}

#[tokio::test]
async fn nobody_there_is_unreachable_and_an_answer_cut_short_is_lost() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", server.local_addr().expect("an address"));
    let bench = Bench::new().ready();
    let cut = async {
        let (mut peer, _) = server.accept().await.expect("a connection");
        let mut request = vec![0; 1024];
        let _ = peer.read(&mut request).await.expect("a request");
        peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
            .await
            .expect("an answer");
    };
    let ((), done) = tokio::join!(cut, bench.perform(http(json!({"url": url}))));
    assert_eq!(done.error().0, "lost");
    drop(server);
    let done = bench.perform(http(json!({"url": url}))).await;
    assert_eq!(done.error().0, "unreachable");
}

#[tokio::test]
async fn a_request_that_was_stopped_may_have_had_its_effect() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", server.local_addr().expect("an address"));
    let bench = Bench::new().ready();
    for (method, kind) in [("GET", "cancelled"), ("POST", "lost")] {
        let stop = Stop::new();
        let ask = stop.ask.clone();
        let silent = async {
            let (peer, _) = server.accept().await.expect("a connection");
            ask.cancel();
            peer
        };
        let request = http(json!({"url": url, "method": method}));
        let (_peer, done) = tokio::join!(silent, bench.perform_until(request, stop));
        assert_eq!(done.error().0, kind);
    }
}

#[tokio::test]
async fn a_dry_run_shows_the_request_and_hides_its_secrets() {
    let mut bench = Bench::new();
    bench.context.set("device", json!({"token": "abc"}));
    bench.context.mark_secret(["device", "token"]);
    let bench = bench.ready();
    let params = json!({
        "url": "http://10.0.0.1/rpc?a=1",
        "query": {"q": "b c&", "t": "{{ device.token }}"},
        "headers": {"X-Auth": "{{ device.token }}", "A": "b"},
        "json": {"on": true, "key": "{{ device.token }}"},
    });
    assert_eq!(
        bench.describe(http(params)).expect("it can be planned"),
        [
            "POST http://10.0.0.1/rpc?a=1&q=b%20c%26&t=•••\n  A: b\n  X-Auth: •••\n  content-type: application/json\n  {\"on\":true,\"key\":\"•••\"}"
        ]
    );
}

#[tokio::test]
async fn events_are_followed_to_the_end_of_the_stream() {
    let server = MockServer::start().await;
    let stream = "id: 1\ndata: first\ndata: line\n\nevent: end\nid: 2\ndata: {\"ok\": true}\n\n";
    Mock::given(header("last-event-id", "0"))
        .and(header("accept", "text/event-stream"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(stream, "text/event-stream"))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let params = json!({"url": server.uri(), "follow": "sse", "last_event_id": "0"});
    let done = bench.perform(http(params)).await;
    assert_eq!(done.field("last_event_id"), "2");
    assert_eq!(done.field("events")[0]["data"], "first\nline");
    assert_eq!(done.field("events")[1]["event"], "end");
    assert_eq!(
        done.lines(Stream::Stdout),
        ["first", "line", "{\"ok\": true}"]
    );
}

#[tokio::test]
async fn log_entries_are_shown_at_their_level() {
    let server = MockServer::start().await;
    let stream = ": hello\n\nid: 1\nevent: log\nretry: 5\ndata: {\"level\": \"warning\",\n\
                  data: \"message\": \"très\\nwell\"}\n\nid: 2\ndata: {half\n\n";
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_raw(stream, "text/event-stream"))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let params = json!({"url": server.uri(), "follow": "sse", "log_as": "far"});
    let done = bench.perform(http(params)).await;
    assert_eq!(done.logged(), [(LogLevel::Warn, "[far] très\nwell")]);
    assert_eq!(
        done.warnings(),
        ["[far] an event that is no log entry was left out: {half"]
    );
    // What could not be read is asked for again.
    assert_eq!(done.field("last_event_id"), "1");
    assert_eq!(done.field("logged"), 1);
    assert_eq!(done.field("events"), json!([]));
}

#[tokio::test]
async fn an_unknown_level_is_told_and_an_empty_id_begins_anew() {
    let server = MockServer::start().await;
    let stream = "id\ndata: {\"level\": \"LOUD\", \"message\": \"a\"}\n\n";
    Mock::given(header("last-event-id", "7"))
        .respond_with(ResponseTemplate::new(200).set_body_raw(stream, "text/event-stream"))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let params =
        json!({"url": server.uri(), "follow": "sse", "log_as": "far", "last_event_id": "7"});
    let done = bench.perform(http(params)).await;
    assert_eq!(done.logged(), [(LogLevel::Info, "[far] a")]);
    assert_eq!(done.warnings(), ["[far] unknown log level `LOUD`"]);
    assert_eq!(done.field("last_event_id"), "");
}

#[tokio::test]
async fn a_stream_that_breaks_off_or_falls_silent_is_lost() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", server.local_addr().expect("an address"));
    let params = json!({"url": url, "follow": "sse", "log_as": "far", "last_event_id": "7",
                        "silence": 0.05});
    let bench = Bench::new().ready();
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = "id: 8\ndata: {\"level\": \"INFO\", \"message\": \"a\"}\n\n";
    let entry = format!("{:x}\r\n{event}\r\n", event.len());
    let answer = async |text: String, holds: bool| {
        let (mut peer, _) = server.accept().await.expect("a connection");
        let mut request = vec![0; 1024];
        let _ = peer.read(&mut request).await.expect("a request");
        peer.write_all(text.as_bytes()).await.expect("an answer");
        holds.then_some(peer)
    };
    for holds in [false, true] {
        let step = || {
            let mut step = http(params.clone());
            step.expect = Some(Expect {
                lost: true,
                statuses: vec![200],
                any: false,
            });
            step
        };
        let (_peer, done) = tokio::join!(
            answer(format!("{head}{entry}"), holds),
            bench.perform(step())
        );
        assert_eq!(done.field("last_event_id"), "8", "holds: {holds}");
        assert_eq!(done.field("logged"), 1);
        // Nor is there an answer at all.
        let (_peer, done) = tokio::join!(answer(String::new(), holds), bench.perform(step()));
        assert_eq!(done.field("last_event_id"), "7", "holds: {holds}");
        assert_eq!(done.field("logged"), 0);
        // Where that is not expected, the error has what came before.
        let (_peer, done) = tokio::join!(
            answer(format!("{head}{entry}"), holds),
            bench.perform(http(params.clone()))
        );
        assert_eq!(done.error().0, "lost");
        assert_eq!(
            done.result.expect_err("it failed").output["last_event_id"],
            "8"
        );
    }
}

#[tokio::test]
async fn a_long_body_is_cut_with_a_warning() {
    let server = MockServer::start().await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(200).set_body_string("x".repeat(5000)))
        .mount(&server)
        .await;
    let bench = Bench::new().ready();
    let done = bench
        .perform(http(json!({"url": server.uri()})).max_output(100))
        .await;
    assert_eq!(done.field("body"), "x".repeat(100));
    assert_eq!(done.field("truncated"), true);
    assert_eq!(done.warnings().len(), 1);
}
