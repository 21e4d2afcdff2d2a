//! Renders a MIDI file through a plugin into a WAV or FLAC file:
//!
//! `cargo run --example render_midi -- http://drobilla.net/plugins/mda/EPiano song.mid song.wav`

use plugpen::{FileOptions, MidiFile, OpenOptions, RenderOptions, Server, render_midi_to_file};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let [plugin, midi, wav] = &arguments[..] else {
        return Err("usage: render_midi PLUGIN SONG.mid SONG.wav".into());
    };
    let plugin = Server::private()?.open(plugin, &OpenOptions::default())?;
    let song = MidiFile::load(midi)?;
    let (depth, options) = (FileOptions::default(), RenderOptions::default());
    let frames = render_midi_to_file(&plugin, &song, wav, &depth, &options, &mut |_, _| Ok(()))?;
    println!("{wav}: {frames} frames");
    Ok(())
}
