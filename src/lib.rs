//! A declarative state-machine engine that brings lab boards back to life.
//!
//! A recipe (YAML) describes a device type as a statechart of nested scopes; one generic executor
//! walks it. The rooms below use only those that stand under them in this list's order:
//! `cli`, `report`, `engine`, `actions`, `transport`, `image`, `check`, `machine`, `recipe`,
//! `diagnostic`.

pub mod actions;
pub mod check;
pub mod cli;
pub mod diagnostic;
pub mod engine;
pub mod image;
pub mod machine;
pub mod recipe;
pub mod report;
pub mod transport;
