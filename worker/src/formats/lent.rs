//! Libraries that some plugins use without naming them, because the hosts they were tried in
//! happen to have them.

use std::sync::Once;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// Needed without being named by setBfree's b_whirl 0.8 and SO-synth 1.5.
const MATHEMATICS: &str = "libm.so.6";
/// Likewise by mbeq and pitchScaleHQ of swh-lv2 1.0.16.
#[cfg(target_os = "linux")]
const TRANSFORMS: &str = "libfftw3f.so.3";

/// Lends the C library's mathematics to whatever is loaded from now on.
pub fn mathematics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        lend(MATHEMATICS);
    });
}

/// Lends Fourier transforms; false where the system has none, or they were lent before.
#[cfg(target_os = "linux")]
pub fn transforms() -> bool {
    static ONCE: Once = Once::new();
    let mut lent = false;
    ONCE.call_once(|| lent = lend(TRANSFORMS));
    lent
}

fn lend(name: &str) -> bool {
    // SAFETY: a library of the system's, whose initialisers are harmless.
    let library = unsafe { Library::open(Some(name), RTLD_NOW | RTLD_GLOBAL) };
    // Never unloaded: plugins are bound to it.
    library.map(std::mem::forget).is_ok()
}
