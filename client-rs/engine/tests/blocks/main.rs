//! Blocks on their way through processors that are known to the sample.
#![allow(missing_docs, reason = "tests")]

mod chains;
mod memory;
mod rendering;
mod worker;
