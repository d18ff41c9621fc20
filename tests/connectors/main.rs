//! The shipped recipes against real servers and stand-in commands, by device configs and jobs as
//! Testflinger has them.
#![allow(clippy::panic, reason = "a test says so when it fails")]

#[path = "../support/connector_bench.rs"]
mod connector_bench;
#[path = "../support/control_host.rs"]
mod control_host;
#[path = "../support/file_server.rs"]
mod file_server;
#[path = "../support/http_stand_in.rs"]
mod http_stand_in;
#[path = "../support/image.rs"]
mod image;
#[path = "../support/maas.rs"]
mod maas;
#[path = "../support/maas_node.rs"]
mod maas_node;
#[path = "../support/sshd.rs"]
mod sshd;
#[path = "../support/testflinger_server.rs"]
mod testflinger_server;
#[path = "../support/web.rs"]
mod web;

mod bench_board;
mod blame;
mod cm3;
mod control_host_types;
mod dragonboard;
mod drop_in;
mod fake_connector;
mod firmware;
mod hook;
mod maas2;
mod migrate;
mod multi;
mod netboot;
mod noprovision;
mod oem;
mod oem_autoinstall;
mod oem_board;
mod reserve;
mod runtest;
mod serial;
