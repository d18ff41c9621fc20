//! YAML as a tree in which every key and value knows its place.
//!
//! Events come from `saphyr-parser`; what a plain scalar means is decided here, by the core schema
//! of YAML 1.2 (chapter 10.3). Nothing is deserialised into types: the loader reads the tree
//! itself, so that each complaint has the exact place, and none hides the next.

mod comments;
mod map;
mod node;
mod offsets;
mod place;
mod read;
mod scalar;
mod trap;

pub use comments::{Comment, Comments};
pub use node::{Key, Kind, Node, Style};
pub use place::place;
pub use read::{Dialect, MAX_BYTES, MAX_DEPTH, MAX_NODES, read};
