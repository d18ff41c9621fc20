//! What device types compute: pure functions of values, each with a name in templates.
//!
//! An effect is a step of a recipe; what has to be worked out before it stands here, where it is
//! tested by itself. An error is a sentence that says what is wrong and what would be right; in a
//! template it is raised as `input`.

mod efi_order;
pub(crate) mod firmware;
pub(crate) mod iot;
pub(crate) mod kvm;
mod storage_plan;
mod switches;
mod user_data;

pub(crate) use efi_order::efi_order;
pub(crate) use storage_plan::storage_plan;
pub(crate) use switches::power_switches;
pub(crate) use user_data::user_data;
