//! Whole files through plugins and chains: the engine's functions on their rings.

use std::path::Path;

use plugpen_engine::{
    AudioInput, AudioRenderer, AudioStream, BlockProcessor, FileOptions, MidiFile, MidiRenderer,
    MidiStream, RenderOptions,
};

use crate::chain::{ChainAudio, PluginChain};
use crate::error::Result;
use crate::plugin::{Plugin, PluginAudio};

/// What the engine can play: a plugin, or a chain of them.
pub trait Playable {
    /// Its audio, taken for exclusive use.
    type Audio: BlockProcessor + Send;

    /// Takes the audio for the engine; it goes back when it is dropped.
    ///
    /// # Errors
    /// Those of [`Plugin::lock_audio`].
    fn lock_audio(&self) -> Result<Self::Audio>;
}

impl Playable for Plugin {
    type Audio = PluginAudio;

    fn lock_audio(&self) -> Result<PluginAudio> {
        Plugin::lock_audio(self)
    }
}

impl Playable for PluginChain {
    type Audio = ChainAudio;

    fn lock_audio(&self) -> Result<ChainAudio> {
        PluginChain::lock_audio(self)
    }
}

/// Renders a whole MIDI file, `[channel][frame]`, at least one channel. The rings are kept full, so
/// the plugins of a chain work at the same time.
///
/// # Errors
/// `InvalidInput` for a block size, tail or threshold out of range; `LimitReached` if memory does
/// not suffice; those of [`Plugin::process`].
pub fn render_midi<T: Playable + ?Sized>(
    target: &T,
    file: &MidiFile,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>> {
    plugpen_engine::render_midi(&mut target.lock_audio()?, file, options)
}

/// Renders a MIDI file block by block, as an iterator of `[channel][frame]`. It has the target's
/// audio until it is dropped.
///
/// # Errors
/// As [`render_midi`]; the iterator gives those of rendering.
pub fn render_midi_stream<T: Playable + ?Sized>(
    target: &T,
    file: &MidiFile,
    options: &RenderOptions,
) -> Result<MidiStream<T::Audio>> {
    MidiStream::new(target.lock_audio()?, file, options)
}

/// Renders a MIDI file into an audio file (`.wav` or `.flac`), block by block; returns its frames.
/// `progress` is told how far it is and may stop it, see
/// [`render_to_file`](plugpen_engine::Renderer::render_to_file). A render that fails leaves no
/// file, or the one that was there.
///
/// # Errors
/// As [`render_midi`]; those of [`FileRender`](plugpen_engine::FileRender).
pub fn render_midi_to_file<T: Playable + ?Sized>(
    target: &T,
    file: &MidiFile,
    path: impl AsRef<Path>,
    to_file: &FileOptions,
    options: &RenderOptions,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<u64> {
    let mut audio = target.lock_audio()?;
    let mut render = MidiRenderer::new(file, &audio.io(), options)?;
    render.render_to_file(&mut audio, path, to_file, progress)
}

/// Renders audio, `[channel][frame]`: as many frames as went in, and the tail.
///
/// # Errors
/// As [`render_midi`]; `InvalidInput` for fewer channels than the target has, or a sidechain where
/// it has none.
pub fn process_audio<T: Playable + ?Sized>(
    target: &T,
    input: AudioInput<'_>,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>> {
    let mut audio = target.lock_audio()?;
    input.check_channels(&audio.io())?;
    plugpen_engine::process_audio(&mut audio, input, options)
}

/// Renders audio block by block, as an iterator of `[channel][frame]`. It has the target's audio
/// until it is dropped.
///
/// # Errors
/// As [`process_audio`]; the iterator gives those of rendering.
pub fn process_audio_stream<'a, T: Playable + ?Sized>(
    target: &T,
    input: AudioInput<'a>,
    options: &RenderOptions,
) -> Result<AudioStream<'a, T::Audio>> {
    let audio = target.lock_audio()?;
    input.check_channels(&audio.io())?;
    AudioStream::new(audio, input, options)
}

/// Renders audio into a file, block by block: neither what goes in nor what comes out is in memory
/// as a whole. See [`render_midi_to_file`]; for a file as the input,
/// [`fitted`](plugpen_engine::fitted) over an [`AudioReader`](plugpen_engine::AudioReader).
///
/// # Errors
/// As [`process_audio`]; those of [`FileRender`](plugpen_engine::FileRender).
pub fn process_audio_to_file<T: Playable + ?Sized>(
    target: &T,
    input: AudioInput<'_>,
    path: impl AsRef<Path>,
    to_file: &FileOptions,
    options: &RenderOptions,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<u64> {
    let mut audio = target.lock_audio()?;
    input.check_channels(&audio.io())?;
    let mut render = AudioRenderer::new(input, &audio.io(), options)?;
    render.render_to_file(&mut audio, path, to_file, progress)
}
