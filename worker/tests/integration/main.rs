//! The built worker, spoken to as the daemon does.

#[cfg(not(target_vendor = "apple"))]
mod audio_unit;
mod choosing;
mod every_plugin;
mod lv2;
mod lv2_files;
mod lv2_full;
mod lv2_ports;
mod null;
mod sandbox;
mod support;
mod vst2;
mod vst3;
