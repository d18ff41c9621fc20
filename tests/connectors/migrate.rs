//! Device configs that labs have, looked at by `migrate`.

use std::fs;
use std::process::Command;

use crate::connector_bench::ConnectorBench;

/// Exit status, standard output, standard error.
fn migrate(config: &str, args: &[&str]) -> (Option<i32>, String, String) {
    let bench = ConnectorBench::new();
    fs::write(bench.run_dir().join("default.yaml"), config).expect("a config");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tf-engine"));
    command.args(["migrate", "default.yaml"]).args(args);
    bench.surround(&mut command);
    let output = command.output().expect("tf-engine can be executed");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

const MUXPI: &str = "agent_name: rpi4-01
device_ip: 10.0.0.7
control_host: 10.0.0.2
control_user: ubuntu
control_switch_local_cmd: stm -ts
control_switch_device_cmd: stm -dut
test_device: /dev/sda
reboot_script:
  - snmpset -v1 -c lab 10.0.0.3 1.3.6 i 3
env:
  WPA_BG_SSID: lab
";

#[test]
fn a_config_that_is_right_is_told_for_what_it_is() {
    let (status, out, err) = migrate(MUXPI, &[]);
    assert_eq!((status, err.as_str()), (Some(0), ""));
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines[0].starts_with("default.yaml fits muxpi: "), "{out}");
    assert!(lines[1].contains("`control_switch_local_cmd`"), "{out}");
    assert!(
        lines[3].ends_with("tf-engine plan muxpi -c default.yaml -j testflinger.json"),
        "{out}"
    );
}

#[test]
fn a_config_that_tells_nothing_may_be_for_many() {
    let config = "device_ip: 10.0.0.7\nreboot_script: [outlet 3]\n";
    let (status, out, _) = migrate(config, &[]);
    assert_eq!(status, Some(0));
    assert!(out.contains("noprovision"), "{out}");
    assert!(out.contains("--device"), "{out}");
    let (status, out, _) = migrate(config, &["--device", "noprovision"]);
    assert_eq!(status, Some(0));
    assert!(out.starts_with("default.yaml fits noprovision"), "{out}");
}

#[test]
fn what_is_missing_or_wrong_is_told_with_its_place() {
    let lacks = MUXPI.replace("control_host: 10.0.0.2\n", "");
    let (status, out, err) = migrate(&lacks, &["--device", "muxpi"]);
    assert_eq!(status, Some(2));
    assert!(out.contains("lacks `control_host`"), "{out}");
    assert!(err.contains("default.yaml:1:1"), "{err}");
    let (status, _, err) = migrate(&format!("{MUXPI}serial_port: many\nserial_host: a\n"), &[]);
    assert_eq!(status, Some(2));
    assert!(err.contains("default.yaml:12"), "{err}");
    let (status, _, err) = migrate("a: [", &[]);
    assert_eq!(status, Some(2));
    assert!(err.contains("TF0002"), "{err}");
}
