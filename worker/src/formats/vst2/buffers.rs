//! Memory for one piece of a block: copies of the inputs, places for what the block lacks.

use plugpen_proto::limits::MAX_CHANNELS;

use super::instance::Channels;
use crate::formats::Planes;

/// Pointers to the channels of a piece, for one sample type.
pub struct Lanes<T> {
    /// The interface lets a plugin write to its inputs, and the ring's cannot be written: so
    /// these are copies.
    copies: Vec<Vec<T>>,
    /// For inputs that the block has not.
    silence: Vec<T>,
    /// For outputs that the block has not.
    scrap: Vec<T>,
    inputs: Vec<*const T>,
    outputs: Vec<*mut T>,
}

// SAFETY: the pointers are written anew for each piece and used in it only.
unsafe impl<T: Send> Send for Lanes<T> {}

impl<T: Copy + Default> Lanes<T> {
    /// Room for blocks of so many frames, with so many inputs.
    pub fn new(inputs: usize, frames: usize) -> Self {
        // A plugin may have more channels from one block to the next.
        let most = usize::try_from(MAX_CHANNELS).unwrap_or(0);
        Self {
            copies: vec![vec![T::default(); frames]; inputs],
            silence: vec![T::default(); frames],
            scrap: vec![T::default(); frames],
            inputs: Vec::with_capacity(most),
            outputs: Vec::with_capacity(most),
        }
    }

    /// Copies a block's inputs.
    pub fn copy(&mut self, planes: &Planes<T>) {
        for (channel, copy) in self.copies.iter_mut().enumerate() {
            planes.read(channel, copy);
        }
    }

    /// Pointers for the piece from frame `start`, as many as the plugin has channels.
    pub fn piece(
        &mut self,
        planes: &Planes<T>,
        channels: Channels,
        start: usize,
    ) -> (*const *const T, *const *mut T) {
        self.inputs.clear();
        self.outputs.clear();
        if channels.inputs > self.copies.len() {
            self.silence.fill(T::default());
        }
        if channels.outputs > planes.outputs() {
            // A plugin that only adds would add to it for ever.
            self.scrap.fill(T::default());
        }
        for channel in 0..channels.inputs.min(self.inputs.capacity()) {
            self.inputs.push(match self.copies.get_mut(channel) {
                Some(copy) => copy[start..].as_mut_ptr().cast_const(),
                None => self.silence.as_mut_ptr().cast_const(),
            });
        }
        for channel in 0..channels.outputs.min(self.outputs.capacity()) {
            self.outputs.push(match planes.output(channel) {
                // SAFETY: `start` is within the block the channel has.
                Some(to) => unsafe { to.add(start) },
                None => self.scrap.as_mut_ptr(),
            });
        }
        (self.inputs.as_ptr(), self.outputs.as_ptr())
    }
}
