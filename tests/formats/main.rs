//! What other programs read: findings as JSON, SARIF and workflow commands, and JSON Schemas.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod docs;
mod findings;
mod schema;
