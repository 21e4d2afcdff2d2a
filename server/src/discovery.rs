//! Finds plugins. All reading is done by jailed probe workers.

mod cache;
mod candidates;
mod probe;
mod scan;
mod survey;
mod target;

pub use probe::probe;
pub use scan::scan;
pub use survey::{Survey, survey};
pub use target::{Target, resolve};
