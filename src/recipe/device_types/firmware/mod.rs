//! Firmware of boards and servers: by which way a machine is updated, what there is to update, and
//! whether it came out as wanted.
//!
//! Two ways are known. LVFS is the vendors' common service; `fwupdmgr` on the board asks it. HPE's
//! servers are updated through their BMC by `ilorest`, with files from HPE's own repository.

mod chassis;
mod hpe;
mod json;
mod lvfs;
mod plan;
mod repository;
mod version;

pub(crate) use chassis::way;
pub(crate) use hpe::bmc;
pub(crate) use lvfs::{problems, updates};
pub(crate) use plan::{plan, unmet};
pub(crate) use repository::{folder, release};
