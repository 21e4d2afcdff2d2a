//! `.vstpreset` files: what is read is written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugpen_proto::vstpreset::VstPreset;

fuzz_target!(|data: &[u8]| {
    if let Ok(preset) = VstPreset::read(data) {
        let written = preset.write().unwrap();
        assert_eq!(VstPreset::read(&written).unwrap(), preset);
    }
});
