//! `copy`: files from one host to another, the engine's machine being one of them or none.
//!
//! A file goes as its bytes, a folder as a tar archive. What comes from another host is kept in a
//! file of the run directory until it is whole, so that a link that breaks leaves nothing half-done
//! at the other end, and memory stays small.

mod request;
mod tar;

pub(super) use request::plan;
