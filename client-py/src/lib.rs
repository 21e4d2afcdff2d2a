//! The Python face of plugpen: the native half of the package `plugpen`.
//!
//! 1. A class here is a thin proxy over one of `plugpen` (client-rs) or `plugpen_engine`.
//! 2. Arguments are checked and arrays borrowed while Python is held (`arrays`, `events`).
//! 3. Python is released around every wait, and nothing of it is touched there.
//! 4. Errors become the exceptions of the status table (`errors`).
#![forbid(unsafe_code)]
#![allow(
    missing_docs,
    reason = "nothing is public to Rust; what Python sees is documented"
)]

mod arguments;
mod arrays;
mod audio_files;
mod audio_renderer;
mod audio_streams;
mod blocks;
mod chain;
mod crashes;
mod device;
mod errors;
mod events;
mod logging;
mod midi_file;
mod notebook;
mod notes;
mod patience;
mod plugin;
mod presets;
mod recovery;
mod renderer;
mod rendering;
mod server;

#[pyo3::pymodule]
mod _plugpen {
    use pyo3::prelude::*;

    #[pymodule_init]
    fn init(_module: &Bound<'_, PyModule>) -> PyResult<()> {
        crate::logging::begin();
        Ok(())
    }

    #[pymodule_export]
    use crate::{
        audio_files::{get_audio_info, read_audio, resample, write_audio},
        audio_renderer::AudioRenderer,
        audio_streams::{AudioReader, AudioWriter},
        chain::PluginChain,
        crashes::crash_report,
        device::{
            AudioDevice, MidiIn, audio_get_capture_devices, audio_get_playback_devices,
            midi_get_input_ports, midi_get_output_ports,
        },
        errors::_status_table,
        midi_file::MidiFile,
        notes::{NoteExpression, NoteOff, NoteOn},
        plugin::Plugin,
        presets::{
            _read_vst2preset, _read_vstpreset, _split_vst3_state, _write_vstpreset,
            read_class_id_from_bundle,
        },
        renderer::MidiRenderer,
        server::{_shutdown, Server, connect, probe, scan_directory},
    };
    #[pymodule_export]
    const MIDI_OUT_CAPACITY: u32 = crate::events::MIDI_OUT_CAPACITY;

    #[pymodule_export]
    const MH_CHANGE_LATENCY: u32 = 1;
    #[pymodule_export]
    const MH_CHANGE_PARAM_INFO: u32 = 2;
    #[pymodule_export]
    const MH_CHANGE_PROGRAM: u32 = 4;
    #[pymodule_export]
    const MH_CHANGE_NON_PARAM_STATE: u32 = 8;
    #[pymodule_export]
    const MH_PRECISION_SINGLE: u8 = 0;
    #[pymodule_export]
    const MH_PRECISION_DOUBLE: u8 = 1;
    #[pymodule_export]
    #[allow(non_upper_case_globals, reason = "Python's name for it")]
    const __version__: &str = plugpen_proto::VERSION;
}
