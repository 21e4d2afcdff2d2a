//! The built worker, spoken to as the daemon does.

mod choosing;
mod every_plugin;
mod lv2;
mod null;
mod sandbox;
mod support;
mod vst3;
