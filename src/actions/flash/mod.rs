//! `flash`: an image, from a URL or a file, onto a block device or into a file.
//!
//! Here the engine writes by itself (`image::LocalSink`); on another host, or where sudo is needed,
//! `dd` does, fed through its standard input (`dd`). Either way the image is fetched, decoded and
//! written at once and never stored in between, and what was written is read back and compared.

mod dd;
mod moved;
mod origin;
mod request;

pub(super) use request::plan;
