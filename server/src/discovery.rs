//! Finds plugins. All reading is done by jailed probe workers.

mod cache;
mod cached;
mod candidates;
mod each;
mod folders;
mod probe;
mod reach;
mod readers;
mod scan;
mod stamp;
mod survey;
mod target;
mod vst2_places;

pub use cached::{cached, trim_cache};
pub use folders::SearchPaths;
pub use probe::probe;
pub use reach::Reach;
pub use scan::scan;
pub use survey::{Survey, survey};
pub use target::{Target, resolve};
