//! Every map of a recipe besides steps, and every map of a scenario file: its keys, what they take,
//! and what they are for.
//!
//! The loader knows keys by these tables and no others; the schemas are made from them.

mod file;
pub mod scenario;
mod state;

pub use file::{HOST, INPUT, LOCAL, MUX, POWER, RECIPE, RULE, SERIAL, STAGES};
pub use state::{
    CHOICE, DEFAULTS, END, ENSURES, LEAF, PROCEDURE, RETRY, ROOT, ROW, SCOPE, STAGE, STATE_RETRY,
};
