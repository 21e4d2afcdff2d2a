//! `.fxp` and `.fxb` files: what is read is written and read alike.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugpen_proto::fxb::File;

fn write(file: &File) -> Option<Vec<u8>> {
    match file {
        File::Program(program) => program.write().ok(),
        File::Bank(bank) => bank.write().ok(),
    }
}

fuzz_target!(|data: &[u8]| {
    if let Ok(file) = File::read(data) {
        // Names may lose what is not UTF-8 and what is too long; values may be NaN.
        if let Some(written) = write(&file) {
            let again = File::read(&written).unwrap();
            assert_eq!(write(&again).unwrap(), written);
        }
    }
});
