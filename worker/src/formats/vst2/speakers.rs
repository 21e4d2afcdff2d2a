//! Arrangements of loudspeakers, which is how the interface speaks of channel counts.

use std::mem::offset_of;
use std::ptr::null_mut;

use plugpen_proto::limits::MAX_CHANNELS;

use super::abi::{Speaker, SpeakerArrangement, effect, speaker};
use super::instance::{Channels, Instance};
use crate::formats::count;

/// Bytes before the first loudspeaker.
const HEAD: usize = offset_of!(SpeakerArrangement, speakers);

/// All inputs or outputs of a plugin: a [`SpeakerArrangement`] with as many loudspeakers as it says,
/// and never less than 8, which is what plugins look at without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrangement {
    /// Aligned as the structure is.
    words: Vec<u32>,
}

impl Arrangement {
    /// The usual one of so many channels, at most as many as there may be; loudspeakers without a
    /// place where there is none.
    pub fn of(channels: usize) -> Self {
        use speaker::{C, L, LFE, LS, MONO, R, RS, SL, SR, UNDEFINED};
        let (kind, speakers): (i32, &[i32]) = match channels {
            0 => (-1, &[]),
            1 => (0, &[MONO]),
            2 => (1, &[L, R]),
            3 => (6, &[L, R, C]),
            4 => (11, &[L, R, LS, RS]),
            5 => (14, &[L, R, C, LS, RS]),
            6 => (15, &[L, R, C, LFE, LS, RS]),
            7 => (21, &[L, R, C, LS, RS, SL, SR]),
            8 => (23, &[L, R, C, LFE, LS, RS, SL, SR]),
            _ => (speaker::USER_DEFINED, &[]),
        };
        let mut arrangement = Self::zeroed(kind, channels);
        for at in 0..arrangement.channels() {
            let kind = speakers.get(at).copied().unwrap_or(UNDEFINED);
            // SAFETY: the loudspeaker is below the arrangement's count, for which it has room.
            unsafe { (*arrangement.speaker(at)).kind = kind };
        }
        arrangement
    }

    /// A copy of what a plugin has told; `None` where that makes no sense.
    ///
    /// # Safety
    /// `told` is null or points to an arrangement with as many loudspeakers as it says.
    unsafe fn copied(told: *const SpeakerArrangement) -> Option<Self> {
        if told.is_null() || !told.is_aligned() {
            return None;
        }
        // SAFETY: not null and aligned, says the line above.
        let (kind, channels) = unsafe { ((*told).kind, (*told).num_channels) };
        let channels = u32::try_from(channels).ok()?;
        if channels > MAX_CHANNELS {
            return None;
        }
        let mut copy = Self::zeroed(kind, usize::try_from(channels).ok()?);
        let all = copy.channels();
        // SAFETY: as many loudspeakers as the plugin says that it has, for which the copy has room.
        unsafe {
            let from = told.byte_add(HEAD).cast::<Speaker>();
            std::ptr::copy_nonoverlapping(from, copy.speaker(0), all);
        }
        Some(copy)
    }

    fn zeroed(kind: i32, channels: usize) -> Self {
        let most = usize::try_from(MAX_CHANNELS).unwrap_or(0);
        let channels = channels.min(most);
        let bytes = HEAD + channels.max(8) * size_of::<Speaker>();
        let mut words = vec![0; bytes.div_ceil(size_of::<u32>())];
        words[0] = kind.cast_unsigned();
        words[1] = count(channels);
        Self { words }
    }

    /// Its channels.
    pub fn channels(&self) -> usize {
        usize::try_from(self.words[1]).unwrap_or(0)
    }

    fn speaker(&mut self, at: usize) -> *mut Speaker {
        self.words
            .as_mut_ptr()
            .wrapping_byte_add(HEAD)
            .cast::<Speaker>()
            .wrapping_add(at)
    }
}

impl Instance {
    /// Loudspeakers of the inputs and of the outputs, where the plugin says.
    pub fn speakers(&self) -> Option<(Arrangement, Arrangement)> {
        let mut inputs: *mut SpeakerArrangement = null_mut();
        let mut outputs: *mut SpeakerArrangement = null_mut();
        // Where the first pointer goes is passed as a number.
        let value = (&raw mut inputs).expose_provenance().cast_signed();
        let pointer = (&raw mut outputs).cast();
        // SAFETY: two places for pointers to the plugin's own memory.
        let known =
            unsafe { self.dispatch(effect::GET_SPEAKER_ARRANGEMENT, 0, value, pointer, 0.0) > 0 };
        if !known {
            return None;
        }
        // SAFETY: null or valid until the next call, says the interface.
        unsafe { Some((Arrangement::copied(inputs)?, Arrangement::copied(outputs)?)) }
    }

    /// Offers arrangements of loudspeakers; whether the plugin took them. Whoever owns the
    /// processor, while it is off.
    pub fn set_speakers(&self, inputs: &mut Arrangement, outputs: &mut Arrangement) -> bool {
        let value = inputs.words.as_mut_ptr().expose_provenance().cast_signed();
        let pointer = outputs.words.as_mut_ptr().cast();
        // SAFETY: two arrangements with as many loudspeakers as they say.
        unsafe { self.dispatch(effect::SET_SPEAKER_ARRANGEMENT, 0, value, pointer, 0.0) > 0 }
    }

    /// Offers so many channels; whether the plugin has them then. One that does not keeps what it
    /// had. As for [`Instance::set_speakers`].
    pub fn offer(&self, wanted: Channels) -> bool {
        let (taken, stood) = self.try_channels(wanted);
        if !taken {
            self.put_back(stood);
        }
        taken
    }

    /// Whether the plugin could have so many channels: it is asked to, and asked back. As for
    /// [`Instance::set_speakers`].
    pub fn could_have(&self, wanted: Channels) -> bool {
        let (taken, stood) = self.try_channels(wanted);
        self.put_back(stood);
        taken
    }

    /// Whether the plugin has these channels now, and what it has to be given to be as before.
    fn try_channels(&self, wanted: Channels) -> (bool, Option<[Arrangement; 2]>) {
        let before = self.channels();
        let stood = match self.speakers() {
            Some((inputs, outputs)) => [inputs, outputs],
            None => [before.inputs, before.outputs].map(Arrangement::of),
        };
        let [mut inputs, mut outputs] = [wanted.inputs, wanted.outputs].map(Arrangement::of);
        let said = self.set_speakers(&mut inputs, &mut outputs);
        let has = self.channels();
        // Some say yes and change nothing, some say no and change something.
        let is_touched = said || has != before;
        (said && has == wanted, is_touched.then_some(stood))
    }

    fn put_back(&self, stood: Option<[Arrangement; 2]>) {
        if let Some([mut inputs, mut outputs]) = stood {
            self.set_speakers(&mut inputs, &mut outputs);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arrangement_has_its_channels_and_never_less_than_eight_places() {
        for channels in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 64, 1000] {
            let made = Arrangement::of(channels);
            let told = made.words.as_ptr().cast::<SpeakerArrangement>();
            // SAFETY: as large as the structure at least.
            let (kind, number) = unsafe { ((*told).kind, (*told).num_channels) };
            let expected = channels.min(usize::try_from(MAX_CHANNELS).unwrap());
            assert_eq!(usize::try_from(number), Ok(expected));
            assert_eq!(kind == speaker::USER_DEFINED, channels > 8, "{channels}");
            assert!(made.words.len() * 4 >= size_of::<SpeakerArrangement>());
            // SAFETY: an arrangement that says how many loudspeakers it has.
            assert_eq!(unsafe { Arrangement::copied(told) }, Some(made));
        }
    }

    #[test]
    fn what_makes_no_sense_is_not_copied() {
        let mut made = Arrangement::of(2);
        // SAFETY: null, which is looked at no further.
        assert_eq!(unsafe { Arrangement::copied(std::ptr::null()) }, None);
        for channels in [u32::MAX, MAX_CHANNELS + 1] {
            made.words[1] = channels;
            // SAFETY: its count is refused before it is followed.
            let copied = unsafe { Arrangement::copied(made.words.as_ptr().cast()) };
            assert_eq!(copied, None);
        }
    }
}
