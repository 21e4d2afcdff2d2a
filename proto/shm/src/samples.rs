//! Slices of samples as bytes.

/// A sample type of the ring.
pub(crate) trait Sample: Copy {
    /// Whether it is the `f64` of a block with `double` set.
    const DOUBLE: bool;
}

impl Sample for f32 {
    const DOUBLE: bool = false;
}

impl Sample for f64 {
    const DOUBLE: bool = true;
}

/// The bytes of samples.
pub(crate) fn bytes<S: Sample>(samples: &[S]) -> &[u8] {
    // SAFETY: S is f32 or f64 (the trait is private to the crate): no padding, and any alignment
    // will do for bytes.
    unsafe { std::slice::from_raw_parts(samples.as_ptr().cast(), size_of_val(samples)) }
}

/// The bytes of samples, for writing.
pub(crate) fn bytes_mut<S: Sample>(samples: &mut [S]) -> &mut [u8] {
    // SAFETY: as in `bytes`, and every bit pattern is an f32 or f64.
    unsafe { std::slice::from_raw_parts_mut(samples.as_mut_ptr().cast(), size_of_val(samples)) }
}
