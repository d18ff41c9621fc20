//! Files that Testflinger's agent looks for in the run directory, as its device connectors write them.

mod device_info;
mod error_file;

pub use device_info::{DEVICE_INFO_FILE, write_device_info};
pub use error_file::{ERROR_FILE, phase_of, write_error};
