//! What other programs read: findings as JSON, SARIF and workflow commands, and JSON Schemas.

mod findings;
mod schema;
