//! Onto the engine's own machine.

use std::fs;
use std::path::Path;

use serde_json::json;
use tf_engine::actions::Note;
use tf_engine::recipe::Verdict;
use tf_engine::transport::Stop;

use crate::bench::{Bench, step};
use crate::file_server::{Answer, FileServer, Trouble};
use crate::{MIB, card, hex, holds, noise, xz, zstd};

#[tokio::test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
async fn an_image_from_a_url_is_on_the_card_and_compared() {
    let (card, _dir) = card(8);
    let bytes = noise(5 * MIB + 512);
    let stored = zstd(&bytes);
    let server = FileServer::of("/image.zst", Answer::ok(stored.clone()));
    let bench = Bench::new().ready();
    let flash = step(
        "flash",
        json!({
            "image": server.url("/image.zst"),
            "device": card.node().display().to_string(),
            "sha256": hex(&stored),
        }),
    );
    let done = bench.perform(flash).await;
    assert_eq!(done.field("bytes"), stored.len());
    assert_eq!(done.field("written"), bytes.len());
    assert_eq!(done.field("sha256"), hex(&bytes));
    assert_eq!(done.field("device"), card.node().display().to_string());
    assert_eq!(done.field("verified"), "direct");
    assert!(holds(&card, &bytes));
}

#[tokio::test]
async fn an_image_from_the_run_directory_goes_into_a_file() {
    let bench = Bench::new().ready();
    let bytes = noise(MIB + 1);
    bench.put("image", xz(&bytes));
    let flash = step(
        "flash",
        json!({"image": "image", "device": "card", "verify": false}),
    );
    let done = bench.perform(flash).await;
    assert_eq!(done.field("verified"), json!(null));
    assert!(fs::read(bench.dir().join("card")).unwrap() == bytes);
}

#[tokio::test]
async fn what_goes_wrong_has_its_kind() {
    let bench = Bench::new().ready();
    let bytes = noise(2 * MIB);
    let stored = zstd(&bytes);
    let server = FileServer::start();
    server.put("/good", Answer::ok(stored.clone()));
    server.put(
        "/cut",
        Answer::ok(stored.clone()).trouble(MIB, Trouble::Cut, 1),
    );
    server.put("/half", Answer::ok(stored[..MIB].to_vec()));
    server.put("/empty", Answer::ok(""));
    let flash = |params: serde_json::Value| bench.perform(step("flash", params));
    let to_file = |path: &str| json!({"image": server.url(path), "device": "card"});

    let done = flash(to_file("/missing")).await;
    assert_eq!(done.error().0, "http");
    assert!(done.error().1.contains("404"), "{}", done.error().1);
    assert_eq!(flash(to_file("/cut")).await.error().0, "lost");
    let done = flash(to_file("/half")).await;
    assert_eq!(done.error().0, "mismatch");
    assert_eq!(done.result.unwrap_err().verdict, Some(Verdict::Image));
    let done = flash(to_file("/empty")).await;
    assert_eq!(done.error().0, "mismatch");
    assert!(done.error().1.contains("empty"), "{}", done.error().1);
    let unreachable = json!({"image": "http://127.0.0.1:1/image", "device": "card"});
    assert_eq!(flash(unreachable).await.error().0, "unreachable");
    let other = hex(b"another image");
    let wrong = json!({"image": server.url("/good"), "device": "card", "sha256": other});
    let done = flash(wrong).await;
    assert_eq!(done.error().0, "mismatch");
    assert!(done.error().1.contains(&other), "{}", done.error().1);
    assert!(done.error().1.contains(&hex(&stored)), "{}", done.error().1);
    let done = flash(json!({"image": "no-such-file", "device": "card"})).await;
    assert_eq!(done.error().0, "io");
    for wrong in [
        json!({"image": "ftp://127.0.0.1/image", "device": "card"}),
        json!({"image": "image", "device": "card", "format": "zip"}),
        json!({"image": "image", "device": "card", "sha256": "abc"}),
        json!({"image": "image", "device": "card", "bmap": "image.bmap"}),
        json!({"image": "image"}),
    ] {
        assert_eq!(flash(wrong).await.error().0, "input");
    }
}

#[tokio::test]
async fn a_missing_device_does_not_become_a_file() {
    let bench = Bench::new().ready();
    bench.put("image", "bytes");
    let path = "/dev/tf-engine-no-such-card";
    let done = bench
        .perform(step("flash", json!({"image": "image", "device": path})))
        .await;
    assert_eq!(done.error().0, "io");
    assert!(!Path::new(path).exists());
}

#[tokio::test]
#[cfg_attr(not(have = "loop"), ignore = "needs loop devices (as root)")]
async fn an_image_that_does_not_fit_says_both_sizes() {
    let (card, _dir) = card(2);
    let bench = Bench::new().ready();
    bench.put("image", noise(3 * MIB));
    let device = card.node().display().to_string();
    let done = bench
        .perform(step("flash", json!({"image": "image", "device": device})))
        .await;
    let (kind, message) = done.error();
    assert_eq!(kind, "mismatch");
    assert!(
        message.contains("3145728") && message.contains("2097152"),
        "{message}"
    );
}

#[tokio::test]
async fn a_flash_is_stopped_while_the_server_is_silent() {
    let bench = Bench::new().ready();
    let answer = Answer::ok(noise(4 * MIB)).trouble(2 * MIB, Trouble::Silence, 1);
    let server = FileServer::of("/image", answer);
    let stop = Stop::new();
    let flash = step(
        "flash",
        json!({"image": server.url("/image"), "device": "card"}),
    );
    let asked = stop.clone();
    let performing = bench.perform_watched(flash, stop, move |note| {
        if matches!(note, Note::Progress(progress) if progress.done > 0) {
            asked.ask.cancel();
        }
    });
    assert_eq!(performing.await.error().0, "cancelled");
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done() {
    let bench = Bench::new().ready();
    let flash = step(
        "flash",
        json!({"image": "http://images/x.img.xz", "device": "/dev/sda", "format": "xz"}),
    );
    let lines = bench.describe(flash).unwrap();
    assert_eq!(
        lines,
        [
            "GET http://images/x.img.xz",
            "write /dev/sda (format: xz)",
            "read /dev/sda back and compare",
        ]
    );
}
