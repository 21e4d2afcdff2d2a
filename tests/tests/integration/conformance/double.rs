//! Samples of 64 bits.

use plugpen::v1::{ErrorReason, Precision};

use super::format::Format;
use super::{play, play_double};
use crate::system::server;

pub fn a_plugin_of_single_precision_plays_double_blocks(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    assert_eq!(plugin.precision(), Precision::Single);
    plugin.set_param(0, 0.5).unwrap();
    let third = 1.0 / 3.0;
    let expected = third * format.most_gain * 0.5;
    for channel in play_double(&plugin, &[third; 64]) {
        for sample in channel {
            assert!((sample - expected).abs() < 1e-6, "{sample}, not {expected}");
        }
    }
    if !plugin.supports_double() {
        let error = plugin.set_precision(Precision::Double).unwrap_err();
        assert_eq!(error.reason, ErrorReason::Unsupported);
    }
}

/// A third of a float and a third of a double differ in the eighth digit.
pub fn no_bit_of_a_double_is_lost(format: &Format) {
    let server = server();
    let plugin = format.open(&server, "gain");
    assert!(plugin.supports_double());
    plugin.set_param(0, 1.0).unwrap();
    plugin.set_precision(Precision::Double).unwrap();
    assert_eq!(plugin.precision(), Precision::Double);
    let input: Vec<f64> = (0..64).map(|at| 1.0 / f64::from(at + 3)).collect();
    for _ in 0..3 {
        for channel in play_double(&plugin, &input) {
            for (got, put) in channel.iter().zip(&input) {
                assert_eq!(*got, put * format.most_gain, "{}", format.name);
            }
        }
    }
    // Single blocks are played meanwhile, and again after the way back.
    assert_eq!(
        f64::from(play(&plugin, &[0.25])[0]),
        0.25 * format.most_gain
    );
    plugin.reset().unwrap();
    assert_eq!(play_double(&plugin, &[0.1])[0][0], 0.1 * format.most_gain);
    plugin.set_precision(Precision::Single).unwrap();
    assert_eq!(
        f64::from(play(&plugin, &[0.25])[0]),
        0.25 * format.most_gain
    );
    assert_ne!(play_double(&plugin, &[0.1])[0][0], 0.1 * format.most_gain);
}
