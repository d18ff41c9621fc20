//! Inputs: what the device config and the job give for them, and the arguments of calls.
//!
//! A scalar is converted where nothing is lost; anything else is an error of the data, with its
//! place in the file that it came from.

mod bind;
mod convert;
mod document;

pub use bind::{Binding, Bound, OPTIONAL_STAGES, bind, bind_maps, bind_params, hides};
pub use convert::{Wrong, convert};
