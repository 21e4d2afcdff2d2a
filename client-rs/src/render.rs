//! Whole files through plugins and chains: the engine's functions on their rings.

use std::path::Path;

use plugpen_engine::{
    AudioInput, BitDepth, BlockProcessor, MidiFile, MidiRenderer, MidiStream, RenderOptions,
    WavWriter,
};

use crate::chain::{ChainAudio, PluginChain};
use crate::error::{Error, Result};
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

/// Renders a MIDI file into a WAV file; returns its frames. `progress` is told how far it is, 0 to
/// 1, after each block, and may stop the render by an error, which is handed on. A render that
/// fails leaves the file as far as it came.
///
/// # Errors
/// As [`render_midi`]; `NotAllowed` where the file cannot be written, `InvalidInput` for a sample
/// rate that a WAV file cannot name, `LimitReached` beyond 4 GiB.
pub fn render_midi_to_file<T: Playable + ?Sized>(
    target: &T,
    file: &MidiFile,
    path: impl AsRef<Path>,
    depth: BitDepth,
    options: &RenderOptions,
    progress: &mut dyn FnMut(f64) -> Result<()>,
) -> Result<u64> {
    let mut audio = target.lock_audio()?;
    let mut renderer = MidiRenderer::new(file, &audio.io(), options)?;
    let rate = whole_rate(renderer.sample_rate())?;
    let mut writer = WavWriter::create(path, renderer.channels(), rate, depth)?;
    renderer.render_each(&mut audio, &mut |block| {
        writer.write(block.audio)?;
        #[allow(clippy::cast_precision_loss, reason = "a fraction for people")]
        progress(block.done as f64 / block.total.max(1) as f64)
    })?;
    writer.finish()
}

/// The rate as a WAV file names it.
fn whole_rate(rate: f64) -> Result<u32> {
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be a whole number in range"
    )]
    let whole = rate as u32;
    if f64::from(whole) == rate && whole > 0 {
        return Ok(whole);
    }
    Err(Error::invalid(format!(
        "a WAV file needs a whole sample rate, the plugin runs at {rate} Hz"
    )))
}

/// Renders audio, `[channel][frame]`: as many frames as went in, and the tail.
///
/// # Errors
/// As [`render_midi`].
pub fn process_audio<T: Playable + ?Sized>(
    target: &T,
    input: AudioInput<'_>,
    options: &RenderOptions,
) -> Result<Vec<Vec<f32>>> {
    plugpen_engine::process_audio(&mut target.lock_audio()?, input, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_rates_fit_into_a_wav_file() {
        assert_eq!(whole_rate(44_100.0).unwrap(), 44_100);
        for rate in [44_100.5, 0.0, -1.0, 1e12, f64::NAN] {
            assert!(whole_rate(rate).is_err());
        }
    }
}
