//! `device-info.json`: what the agent tells the server of a board.

use std::io;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::recipe::template::truth;
use crate::report::whole::write_whole;

/// The file's name in the run directory.
pub const DEVICE_INFO_FILE: &str = "device-info.json";

/// Keys of the device config that are told, where they are there and not empty.
const TOLD: [&str; 2] = ["device_ip", "agent_name"];

/// Writes the file anew: `{"device_info": {"device_ip": …, "agent_name": …}}`.
///
/// # Errors
/// The run directory can't be written.
pub fn write_device_info(run_dir: &Path, config: &Value) -> io::Result<()> {
    let told: Map<String, Value> = TOLD
        .iter()
        .filter_map(|key| {
            let value = config.get(*key).filter(|value| truth(value))?;
            Some(((*key).to_owned(), value.clone()))
        })
        .collect();
    let text = json!({ "device_info": told }).to_string();
    write_whole(&run_dir.join(DEVICE_INFO_FILE), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_config_has_is_told() {
        let dir = tempfile::tempdir().expect("a folder");
        let written = |config: Value| {
            write_device_info(dir.path(), &config).expect("writes");
            std::fs::read_to_string(dir.path().join(DEVICE_INFO_FILE)).expect("reads")
        };
        assert_eq!(
            written(json!({"agent_name": "rpi4-01", "device_ip": "10.0.0.7", "env": {}})),
            r#"{"device_info":{"device_ip":"10.0.0.7","agent_name":"rpi4-01"}}"#
        );
        assert_eq!(written(json!({"device_ip": ""})), r#"{"device_info":{}}"#);
        assert_eq!(written(Value::Null), r#"{"device_info":{}}"#);
    }
}
