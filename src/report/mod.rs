//! What a person or a machine reads.

pub mod findings;
