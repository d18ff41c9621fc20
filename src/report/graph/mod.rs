//! A stage drawn: its states in their nesting, and every way from one to another.
//!
//! A [`Graph`] is what a chart looks like to a reader: texts already short, edges by kind. A [`Trail`]
//! marks what one run took. Three writers draw it: [`svg`] with a layout of its own, [`dot`] for
//! Graphviz, [`mermaid`] for pages that render it. The same recipe gives the same bytes.

mod card;
mod dot;
mod labels;
mod lanes;
mod legend;
mod measure;
mod mermaid;
mod model;
mod place;
mod stroke;
mod svg;
mod tooltip;
mod tracks;
mod trail;
mod xml;

pub use dot::dot;
pub use mermaid::mermaid;
pub use model::Graph;
pub use svg::svg;
pub use trail::{Trail, UnknownState};
