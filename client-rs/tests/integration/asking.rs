//! Parameters, state, programs and buses.

use crate::common::{GAIN, open, play, ramp, scaled, server};
use plugpen::v1::{ErrorReason, PluginFormat};
use plugpen::{OpenOptions, Plugin};

fn reason<T: std::fmt::Debug>(result: plugpen::Result<T>) -> ErrorReason {
    result.unwrap_err().reason
}

#[test]
fn a_plugin_describes_itself() {
    let server = server();
    let plugin = open(&server);
    let about = plugin.description();
    assert_eq!(about.format(), PluginFormat::Null);
    assert_eq!(plugin.path(), "null:gain");
    assert_eq!(
        (plugin.num_input_channels(), plugin.num_output_channels()),
        (2, 2)
    );
    assert_eq!((plugin.num_params(), plugin.num_programs()), (4, 3));
    assert_eq!(
        (plugin.sample_rate(), plugin.max_block_size()),
        (48_000.0, 512)
    );
    assert!(plugin.is_alive() && plugin.worker_pid() > 0);
    assert_eq!(plugin.generation(), 1);
    assert_eq!(plugin.buses(true).unwrap().len(), plugin.num_input_buses());
    assert_eq!(plugin.bus(false, 0).unwrap().channels, 2);
    assert_eq!(reason(plugin.bus(true, 9)), ErrorReason::IndexOutOfRange);
    assert!(plugin.check_buses_layout(&[2], &[2]).unwrap());
}

#[test]
fn parameters_are_read_set_and_shown() {
    let server = server();
    let plugin = open(&server);
    let all = plugin.params().unwrap();
    assert_eq!(all[0].name, "Gain");
    plugin.set_param(GAIN, 0.75).unwrap();
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.75);
    let info = plugin.get_param_info(GAIN).unwrap();
    assert_eq!((info.value, info.text.as_str()), (0.75, "1.5"));
    assert_eq!(plugin.param_to_text(GAIN, 0.5).unwrap(), "1");
    assert_eq!(plugin.param_from_text(GAIN, "2").unwrap(), 1.0);
    assert_eq!(plugin.find_param("delay").unwrap(), 1);
    plugin.set_param(GAIN, 7.0).unwrap();
    assert_eq!(plugin.get_param(GAIN).unwrap(), 1.0);
    plugin.set_params(&[(0, 0.1), (3, 0.2)]).unwrap();
    assert_eq!(plugin.get_params().unwrap(), [0.1, 0.0, 0.0, 0.2]);
    plugin.begin_param_gesture(GAIN).unwrap();
    plugin.end_param_gesture(GAIN).unwrap();
}

#[test]
fn nonsense_about_parameters_is_refused() {
    let server = server();
    let plugin = open(&server);
    let error = plugin.get_param(4).unwrap_err();
    assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
    assert!(error.message.contains("[0, 3]"), "{}", error.message);
    assert_eq!(
        reason(plugin.set_param(4, 0.5)),
        ErrorReason::IndexOutOfRange
    );
    for value in [f64::NAN, f64::INFINITY] {
        assert_eq!(
            reason(plugin.set_param(0, value)),
            ErrorReason::InvalidInput
        );
        assert_eq!(
            reason(plugin.param_to_text(0, value)),
            ErrorReason::InvalidInput
        );
    }
    let mixed = plugin.set_params(&[(0, 0.9), (9, 0.9)]);
    assert_eq!(reason(mixed), ErrorReason::IndexOutOfRange);
    assert_eq!(plugin.get_param(0).unwrap(), 0.5);
    assert_eq!(
        reason(plugin.find_param("Volume")),
        ErrorReason::InvalidInput
    );
}

#[test]
fn a_state_holds_what_was_set_before_without_a_block() {
    let server = server();
    let plugin = open(&server);
    plugin.set_param(GAIN, 0.25).unwrap();
    let state = plugin.get_state().unwrap();
    plugin.set_param(GAIN, 1.0).unwrap();
    plugin.set_state(&state).unwrap();
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.25);
    assert_eq!(play(&plugin, &ramp(64)).unwrap(), scaled(&ramp(64), 0.5));
    let program = plugin.get_program_state().unwrap();
    plugin.set_program_state(&program).unwrap();
    assert_eq!(reason(plugin.set_state(b"")), ErrorReason::InvalidInput);
    assert!(plugin.set_state(b"junk").is_err());
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.25);
}

#[test]
fn programs_are_listed_and_chosen() {
    let server = server();
    let plugin = open(&server);
    assert_eq!(
        plugin.program_names().unwrap(),
        ["Default", "Quiet", "Echo"]
    );
    assert_eq!(plugin.program_name(1).unwrap(), "Quiet");
    assert_eq!(plugin.program().unwrap(), 0);
    plugin.set_program(1).unwrap();
    assert_eq!(plugin.program().unwrap(), 1);
    assert_eq!(plugin.get_param(GAIN).unwrap(), 0.125);
    assert_eq!(reason(plugin.set_program(3)), ErrorReason::IndexOutOfRange);
    assert_eq!(reason(plugin.program_name(3)), ErrorReason::IndexOutOfRange);
}

#[test]
fn a_missing_file_is_not_found() {
    let server = server();
    let error = server
        .open("/nowhere/x.lv2", &OpenOptions::default())
        .unwrap_err();
    assert_eq!(error.reason, ErrorReason::NotFound);
    assert!(
        error.message.contains("/nowhere/x.lv2"),
        "{}",
        error.message
    );
}

#[test]
fn a_closed_plugin_says_so() {
    let server = server();
    let plugin = open(&server);
    plugin.close().unwrap();
    plugin.close().unwrap();
    assert!(plugin.is_closed() && !plugin.is_alive());
    let closed = |result: plugpen::Result<()>| {
        let error = result.unwrap_err();
        assert_eq!(error.reason, ErrorReason::PluginClosed);
        assert!(error.message.contains("Plugin is closed"));
    };
    let calls: [fn(&Plugin) -> plugpen::Result<()>; 5] = [
        |plugin| plugin.get_param(0).map(drop),
        |plugin| plugin.get_param(99).map(drop),
        |plugin| play(plugin, &ramp(8)).map(drop),
        |plugin| plugin.poll_callbacks().map(drop),
        |plugin| plugin.restart(),
    ];
    for call in calls {
        closed(call(&plugin));
    }
    assert!(server.plugins(false).unwrap().is_empty());
}
