//! What every format must do alike, written once and run for each: through the client, the daemon
//! and a worker, against plugins whose output can be computed by hand. [`Format`] says where a
//! format's plugins are and where the formats may differ.

mod automation;
mod buses;
mod deaths;
mod double;
mod edits;
pub(crate) mod format;
mod gestures;
mod in_place;
mod latency;
mod layouts;
mod lifecycle;
mod members;
mod midi;
mod modes;
mod notes;
mod parameters;
mod programs;
mod state;
mod transport;

use plugpen::{EventBody, EventList, Planes, PlanesMut, Plugin};

use crate::system::play_events;

/// Largest block of the plugins under test, unless said otherwise.
const MAX_FRAMES: usize = 512;

/// Plays one block of the same input on all channels; returns the first output channel.
#[track_caller]
fn play(plugin: &Plugin, input: &[f32]) -> Vec<f32> {
    let (mut outputs, _) = play_events(plugin, input, &EventList::new()).unwrap();
    outputs.swap_remove(0)
}

/// Plays an impulse and then silence for at least so many frames.
#[track_caller]
fn play_impulse(plugin: &Plugin, frames: usize) -> Vec<f32> {
    let mut input = vec![0.0; MAX_FRAMES];
    input[0] = 1.0;
    let mut played = play(plugin, &input);
    input[0] = 0.0;
    while played.len() < frames {
        played.extend(play(plugin, &input));
    }
    played
}

/// Plays one block in 64 bits, the same input on all channels.
#[track_caller]
fn play_double(plugin: &Plugin, input: &[f64]) -> Vec<Vec<f64>> {
    let count = |number: u32| usize::try_from(number).unwrap();
    let inputs = vec![input; count(plugin.num_input_channels())];
    let mut outputs = vec![vec![f64::NAN; input.len()]; count(plugin.num_output_channels())];
    let mut planes: Vec<&mut [f64]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
    plugin
        .process(
            Planes::F64(&inputs),
            Planes::None,
            PlanesMut::F64(&mut planes),
            input.len(),
            &EventList::new(),
            &mut EventList::new(),
        )
        .unwrap();
    outputs
}

/// The MIDI among events: offsets and bytes.
fn midi_of(events: &EventList) -> Vec<(u32, Vec<u8>)> {
    events
        .iter()
        .filter_map(|event| match event.body {
            EventBody::Midi(bytes) => Some((event.offset, bytes.to_vec())),
            _ => None,
        })
        .collect()
}

/// Asserts that samples are what they should be, within what a parameter that is a float may be
/// off.
#[track_caller]
fn assert_near(got: f32, expected: f64, what: &str) {
    let off = (f64::from(got) - expected).abs();
    assert!(
        off <= 1e-6 * expected.abs().max(1.0),
        "{what}: {got}, not {expected}"
    );
}

/// Makes a test of each function that is named, for one format.
macro_rules! tests {
    ($format:expr; $($module:ident::$test:ident,)*) => {
        $(
            #[test]
            fn $test() {
                crate::conformance::$module::$test(&$format);
            }
        )*
    };
}

/// What any plugin shows.
macro_rules! every_format {
    ($format:expr) => {
        tests! {
            $format;
            lifecycle::a_plugin_lives_from_open_to_close,
            lifecycle::blocks_of_every_size_are_played,
            lifecycle::a_block_may_be_one_frame_at_most,
            lifecycle::blocks_of_one_frame_up_to_the_largest_are_played,
            lifecycle::the_rate_changes_and_nothing_else,
            lifecycle::a_restart_brings_back_what_was_set,
            parameters::every_parameter_is_described,
            parameters::values_and_texts_go_round,
            parameters::a_value_is_heard_from_the_next_block,
            parameters::what_is_no_value_is_refused_at_the_door,
            parameters::many_values_are_set_at_once,
            automation::a_block_is_split_exactly_at_its_changes,
            automation::the_last_change_of_a_frame_wins,
            automation::what_is_no_change_is_refused_at_the_door,
            in_place::one_buffer_is_input_and_output,
            in_place::what_is_in_a_shared_buffer_is_split_at_changes_too,
            midi::a_message_keeps_its_frame_both_ways,
            midi::sysex_of_any_length_comes_back,
            midi::a_message_beyond_the_block_moves_to_its_last_frame,
            state::a_state_brings_back_the_values,
            state::a_programs_state_brings_back_its_values,
            state::what_is_no_state_is_refused,
            latency::the_reported_latency_is_the_true_one,
            modes::the_hosts_bypass_is_aligned_with_the_latency,
            modes::a_reset_clears_the_tail,
            modes::offline_work_sounds_the_same,
            modes::a_track_has_a_name_and_a_colour,
            programs::a_program_sets_its_values,
            programs::what_is_no_program_is_refused,
            double::a_plugin_of_single_precision_plays_double_blocks,
            buses::the_layout_is_described,
            buses::a_sidechain_is_an_input_of_its_own,
            edits::what_the_client_sets_is_told_back,
        }
    };
}

/// What the repository's own plugins show in every real format.
macro_rules! every_plugin_format {
    ($format:expr) => {
        tests! {
            $format;
            lifecycle::every_plugin_lives,
            parameters::names_units_and_steps_are_the_plugins,
            automation::the_output_is_the_parameter_at_every_frame,
            midi::a_plugin_makes_notes_at_known_frames,
            midi::who_has_no_midi_input_hears_none,
            midi::what_finds_no_room_is_counted,
            transport::the_plugin_hears_every_value,
            transport::a_transport_moves_from_block_to_block,
            state::a_state_of_the_plugins_own_making_comes_back,
            state::a_large_state_goes_both_ways,
            latency::a_latency_that_changes_is_told_and_true,
            modes::the_plugins_own_bypass_is_used,
            deaths::every_way_to_die_has_a_name,
            deaths::a_plugin_that_is_not_born_is_an_error,
        }
    };
}

/// What only formats with a way back from the plugin to its host can show.
macro_rules! every_format_with_edits {
    ($format:expr) => {
        tests! {
            $format;
            gestures::a_gesture_of_the_plugin_is_told_in_order,
            gestures::a_value_that_the_plugin_sets_while_it_plays_is_told,
        }
    };
}

/// What only formats with ids for notes can show.
macro_rules! every_format_with_note_ids {
    ($format:expr) => {
        tests! {
            $format;
            notes::an_expression_shapes_one_note_from_its_frame_on,
            notes::what_can_be_shaped_is_listed,
            notes::notes_go_through_a_chain,
            notes::what_a_plugin_says_of_notes_comes_back,
            notes::what_is_no_note_is_refused_at_the_door,
        }
    };
}

/// What formats show that have only MIDI.
macro_rules! every_format_without_note_ids {
    ($format:expr) => {
        tests! {
            $format;
            notes::where_there_are_no_ids_a_note_is_midi,
        }
    };
}

/// What only formats of both precisions can show.
macro_rules! every_format_with_doubles {
    ($format:expr) => {
        tests! {
            $format;
            double::no_bit_of_a_double_is_lost,
        }
    };
}

/// What only formats can show whose plugins can have channels as their host likes.
macro_rules! every_format_with_layouts {
    ($format:expr) => {
        tests! {
            $format;
            layouts::one_to_eight_channels_are_played,
        }
    };
}

/// What formats show whose plugins can be asked whether they could have other channels.
macro_rules! every_format_that_asks_for_layouts {
    ($format:expr) => {
        tests! {
            $format;
            layouts::another_layout_is_asked_for_and_not_kept,
        }
    };
}

/// What formats show whose files hold many plugins.
macro_rules! every_format_with_many_plugins_a_file {
    ($format:expr) => {
        tests! {
            $format;
            members::every_plugin_of_a_file_is_found_and_reached,
        }
    };
}

/// What those of them show that run plugins' code to read what they are.
macro_rules! every_format_that_is_read_by_running_it {
    ($format:expr) => {
        tests! {
            $format;
            members::one_that_dies_does_not_hide_the_others,
        }
    };
}

mod null {
    every_format!(super::format::NULL);
    every_format_with_doubles!(super::format::NULL);
    tests! {
        super::format::NULL;
        automation::the_output_is_the_parameter_at_every_frame,
        transport::the_plugin_hears_every_value,
        transport::a_transport_moves_from_block_to_block,
        notes::what_a_plugin_says_of_notes_comes_back,
        notes::what_is_no_note_is_refused_at_the_door,
    }
}

mod lv2 {
    every_format!(super::format::LV2);
    every_plugin_format!(super::format::LV2);
    every_format_with_many_plugins_a_file!(super::format::LV2);
    every_format_without_note_ids!(super::format::LV2);
}

mod audio_unit {
    every_format!(super::format::AUDIO_UNIT);
    every_plugin_format!(super::format::AUDIO_UNIT);
    every_format_without_note_ids!(super::format::AUDIO_UNIT);
    every_format_with_edits!(super::format::AUDIO_UNIT);
    every_format_with_layouts!(super::format::AUDIO_UNIT);
    every_format_that_asks_for_layouts!(super::format::AUDIO_UNIT);
    tests! {
        super::format::AUDIO_UNIT;
        automation::what_only_the_plugin_sets_is_not_automated,
    }
}

mod vst2 {
    every_format!(super::format::VST2);
    every_plugin_format!(super::format::VST2);
    every_format_without_note_ids!(super::format::VST2);
    every_format_with_doubles!(super::format::VST2);
    every_format_with_edits!(super::format::VST2);
    every_format_with_layouts!(super::format::VST2);
    every_format_that_asks_for_layouts!(super::format::VST2);
    tests! {
        super::format::VST2;
        layouts::channels_beyond_every_arrangement_are_played,
    }
}

/// The oldest plugins only add to what is in their outputs.
mod vst2_old {
    tests! {
        super::format::VST2_OLD;
        lifecycle::blocks_of_every_size_are_played,
        automation::a_block_is_split_exactly_at_its_changes,
        double::a_plugin_of_single_precision_plays_double_blocks,
        buses::the_layout_is_described,
    }
    every_format_with_layouts!(super::format::VST2_OLD);
}

/// One file that all plugins are in.
mod vst2_shell {
    tests! {
        super::format::VST2_SHELL;
        lifecycle::every_plugin_lives,
        lifecycle::a_restart_brings_back_what_was_set,
        deaths::a_plugin_that_is_not_born_is_an_error,
    }
    every_format_with_many_plugins_a_file!(super::format::VST2_SHELL);
    every_format_that_is_read_by_running_it!(super::format::VST2_SHELL);
}

mod vst3 {
    every_format!(super::format::VST3);
    every_plugin_format!(super::format::VST3);
    every_format_with_note_ids!(super::format::VST3);
    tests! {
        super::format::VST3;
        automation::what_only_the_plugin_sets_is_not_automated,
        gestures::a_value_that_the_plugin_sets_comes_with_its_frame,
        modes::a_plugin_hears_of_its_track,
        buses::a_layout_is_asked_of_the_plugin_and_its_own_comes_back,
        buses::a_plugin_that_changes_its_buses_plays_on_or_says_that_it_cannot,
    }
    every_format_with_edits!(super::format::VST3);
    every_format_with_doubles!(super::format::VST3);
    every_format_with_layouts!(super::format::VST3);
    every_format_that_asks_for_layouts!(super::format::VST3);
    every_format_with_many_plugins_a_file!(super::format::VST3);
    every_format_that_is_read_by_running_it!(super::format::VST3);
}
