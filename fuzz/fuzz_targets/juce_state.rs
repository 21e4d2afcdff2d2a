//! States of JUCE hosts: read or refused.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugpen_proto::juce_state::JuceState;

fuzz_target!(|data: &[u8]| {
    let _ = JuceState::read(data);
    // Most of what there is to go wrong is behind the head.
    let mut blob = b"VC2!".to_vec();
    blob.extend(u32::try_from(data.len()).unwrap().to_le_bytes());
    blob.extend(data);
    let _ = JuceState::read(&blob);
});
