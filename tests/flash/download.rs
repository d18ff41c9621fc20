//! Into the run directory, over HTTP.

use std::fs;

use serde_json::{Value, json};
use tf_engine::recipe::Verdict;
use tf_engine::transport::Stop;

use crate::bench::{Bench, Done, Ready, step};
use crate::file_server::{Answer, FileServer, Trouble};
use crate::{MIB, hex, noise};

async fn download(bench: &Ready, params: Value) -> Done {
    bench.perform(step("download", params)).await
}

fn left_over(bench: &Ready) -> Vec<String> {
    let entries = fs::read_dir(bench.dir()).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_file_is_there_as_a_whole() {
    let bytes = noise(3 * MIB + 1);
    let server = FileServer::of("/image", Answer::ok(bytes.clone()));
    let bench = Bench::new().ready();
    let params = json!({"url": server.url("/image"), "to": "sub/image", "sha256": hex(&bytes)});
    let done = download(&bench, params).await;
    assert_eq!(done.field("path"), "sub/image");
    assert_eq!(done.field("bytes"), bytes.len());
    assert_eq!(done.field("sha256"), hex(&bytes));
    assert_eq!(done.field("url"), server.url("/image"));
    assert!(fs::read(bench.dir().join("sub/image")).unwrap() == bytes);
    assert_eq!(left_over(&bench), ["sub"]);
}

#[tokio::test]
async fn a_further_try_goes_on_where_the_last_one_broke_off() {
    let bytes = noise(3 * MIB);
    let answer = Answer::ok(bytes.clone()).header("ETag", "\"one\"");
    let server = FileServer::of("/image", answer.trouble(2 * MIB, Trouble::Cut, 1));
    let bench = Bench::new().ready();
    let params = || json!({"url": server.url("/image"), "to": "image", "sha256": hex(&bytes)});
    let done = download(&bench, params()).await;
    assert_eq!(done.error().0, "lost");
    assert_eq!(left_over(&bench), ["image.part", "image.part.json"]);
    let version = fs::read_to_string(bench.dir().join("image.part.json")).unwrap();
    assert!(
        !version.contains("/image"),
        "a URL may hold secrets: {version}"
    );
    let part = fs::metadata(bench.dir().join("image.part")).unwrap().len();
    assert!(part > 0);
    let done = download(&bench, params()).await;
    assert_eq!(done.field("bytes"), bytes.len());
    assert!(fs::read(bench.dir().join("image")).unwrap() == bytes);
    assert_eq!(left_over(&bench), ["image"]);
    let second = &server.requests()[1].to_lowercase();
    assert!(
        second.contains(&format!("range: bytes={part}-\r\n")),
        "{second}"
    );
    assert!(second.contains("if-range: \"one\"\r\n"), "{second}");
}

#[tokio::test]
async fn another_version_on_the_server_is_fetched_from_its_beginning() {
    let bench = Bench::new().ready();
    let server = FileServer::start();
    let first = Answer::ok(noise(3 * MIB)).header("ETag", "\"one\"");
    server.put("/image", first.trouble(2 * MIB, Trouble::Cut, 1));
    let params = || json!({"url": server.url("/image"), "to": "image"});
    assert_eq!(download(&bench, params()).await.error().0, "lost");
    let other = vec![7; MIB];
    server.put(
        "/image",
        Answer::ok(other.clone()).header("ETag", "\"two\""),
    );
    download(&bench, params()).await.field("path");
    assert!(fs::read(bench.dir().join("image")).unwrap() == other);

    // The same name for fewer bytes than are there: the range can't be had.
    let again = Answer::ok(noise(3 * MIB)).header("ETag", "\"one\"");
    server.put("/image", again.trouble(2 * MIB, Trouble::Cut, 1));
    assert_eq!(download(&bench, params()).await.error().0, "lost");
    server.put("/image", Answer::ok("short").header("ETag", "\"one\""));
    download(&bench, params()).await.field("path");
    assert_eq!(bench.file("image"), "short");
}

#[tokio::test]
async fn without_a_strong_name_or_with_resume_off_a_try_begins_anew() {
    let bytes = noise(3 * MIB);
    for (tag, resume) in [("W/\"weak\"", true), ("\"strong\"", false)] {
        let bench = Bench::new().ready();
        let answer = Answer::ok(bytes.clone()).header("ETag", tag);
        let server = FileServer::of("/image", answer.trouble(2 * MIB, Trouble::Cut, 1));
        let params = || json!({"url": server.url("/image"), "to": "image", "resume": resume});
        assert_eq!(download(&bench, params()).await.error().0, "lost");
        download(&bench, params()).await.field("path");
        assert!(fs::read(bench.dir().join("image")).unwrap() == bytes);
        assert!(!server.requests()[1].to_lowercase().contains("range:"));
    }
}

#[tokio::test]
async fn what_goes_wrong_has_its_kind() {
    let bench = Bench::new().ready();
    let server = FileServer::of("/image", Answer::ok(noise(MIB)));
    let url = server.url("/image");
    let wrong = json!({"url": url, "to": "image", "sha256": hex(b"other")});
    let done = download(&bench, wrong).await;
    assert_eq!(done.error().0, "mismatch");
    assert!(
        done.error().1.contains(&hex(b"other")),
        "{}",
        done.error().1
    );
    assert!(
        done.error().1.contains(&hex(&noise(MIB))),
        "{}",
        done.error().1
    );
    let done = download(
        &bench,
        json!({"url": url, "to": "image", "size_max": "1000B"}),
    )
    .await;
    assert_eq!(done.error().0, "mismatch");
    assert!(done.error().1.contains("1048576"), "{}", done.error().1);
    let done = download(&bench, json!({"url": server.url("/none"), "to": "image"})).await;
    assert_eq!(done.error().0, "http");
    assert_eq!(done.result.as_ref().unwrap_err().output["status"], 404);
    assert_eq!(done.result.unwrap_err().verdict, None);
    let done = download(
        &bench,
        json!({"url": "http://127.0.0.1:1/x", "to": "image"}),
    )
    .await;
    assert_eq!(done.error().0, "unreachable");
    let done = download(&bench, json!({"url": url, "to": "../image"})).await;
    assert_eq!(done.error().0, "input");
    let to = json!({"url": url, "to": "/dev/null"});
    assert_eq!(download(&bench, to).await.error().0, "io");
    bench.put("file", "x");
    let done = download(&bench, json!({"url": url, "to": "file/image"})).await;
    assert_eq!(done.error().0, "io");
    assert_eq!(left_over(&bench), ["file"]);
}

#[tokio::test]
async fn a_url_of_the_job_that_the_server_refuses_is_the_jobs_fault() {
    let server = FileServer::start();
    let mut bench = Bench::new();
    bench
        .context
        .set("job", json!({"url": server.url("/none")}));
    let bench = bench.ready();
    let done = download(&bench, json!({"url": "{{ job.url }}", "to": "image"})).await;
    assert_eq!(done.error().0, "http");
    assert_eq!(done.result.unwrap_err().verdict, Some(Verdict::Job));
}

#[tokio::test]
async fn headers_are_sent_and_redirects_followed() {
    let server = FileServer::of("/image", Answer::ok("bytes"));
    let target = server.url("/image");
    server.put(
        "/moved",
        Answer::status("302 Found", "").header("Location", target.clone()),
    );
    server.put(
        "/circle",
        Answer::status("302 Found", "").header("Location", "/circle"),
    );
    let bench = Bench::new().ready();
    let headers = json!({"X-Lab": "one"});
    let params = json!({"url": server.url("/moved"), "to": "image", "headers": headers});
    let done = download(&bench, params).await;
    assert_eq!(done.field("url"), target);
    assert!(
        server
            .requests()
            .iter()
            .all(|head| head.to_lowercase().contains("x-lab: one"))
    );
    let done = download(&bench, json!({"url": server.url("/circle"), "to": "image"})).await;
    assert_eq!(done.error().0, "mismatch");
}

#[tokio::test]
async fn a_link_in_the_run_directory_is_not_written_through() {
    let bench = Bench::new().ready();
    let outside = tempfile::tempdir().unwrap();
    let victim = outside.path().join("victim");
    fs::write(&victim, "precious").unwrap();
    for name in ["image.part", "image.part.json"] {
        std::os::unix::fs::symlink(&victim, bench.dir().join(name)).unwrap();
    }
    let server = FileServer::of("/image", Answer::ok("bytes").header("ETag", "\"one\""));
    let _ = download(&bench, json!({"url": server.url("/image"), "to": "image"})).await;
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[tokio::test]
async fn a_download_is_stopped_while_the_server_is_silent() {
    let answer = Answer::ok(noise(3 * MIB)).trouble(MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let bench = Bench::new().ready();
    let stop = Stop::new();
    let asked = stop.clone();
    let download = step(
        "download",
        json!({"url": server.url("/image"), "to": "image"}),
    );
    let performing = bench.perform_watched(download, stop, move |_| asked.ask.cancel());
    assert_eq!(performing.await.error().0, "cancelled");
}
