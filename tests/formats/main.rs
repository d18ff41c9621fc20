//! What other programs read: findings as JSON, SARIF and workflow commands, and JSON Schemas.

mod devices;
mod docs;
mod explain;
mod findings;
mod schema;
