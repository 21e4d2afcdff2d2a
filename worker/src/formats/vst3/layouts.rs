//! Other layouts than the present one, asked of the plugin.

use plugpen_proto::Error;
use vst3::Steinberg::Vst::SpeakerArrangement;

use super::buses::{BusInfo, Buses, Plug, Wishes, arrange};

impl Buses {
    /// Whether an inactive plugin could have so many channels on each bus. Leaves it with what it
    /// took; see [`Buses::put_back`].
    pub fn could_be(&self, plug: &Plug, inputs: &[i32], outputs: &[i32]) -> bool {
        let (Some(inputs), Some(outputs)) = (
            asked_of(&self.inputs, inputs),
            asked_of(&self.outputs, outputs),
        ) else {
            return false;
        };
        let has = |side: &[BusInfo], asked: &[SpeakerArrangement]| {
            let channels = side.iter().map(|bus| bus.channels);
            channels.eq(asked.iter().map(|asked| asked.count_ones()))
        };
        arrange(plug, &inputs, &outputs)
            && Self::read(&plug.component)
                .is_ok_and(|found| has(&found.inputs, &inputs) && has(&found.outputs, &outputs))
    }

    /// Gives an inactive plugin these buses again.
    ///
    /// # Errors
    /// As for [`Buses::read`], and where it has become another.
    pub fn put_back(&self, plug: &Plug, wishes: Wishes) -> Result<Self, Error> {
        let had = |side: &[BusInfo]| side.iter().map(|bus| bus.arrangement).collect::<Vec<_>>();
        arrange(plug, &had(&self.inputs), &had(&self.outputs));
        let mut found = Self::read(&plug.component)?;
        found.read_arrangements(plug);
        found.carry(wishes);
        if found == *self {
            return Ok(found);
        }
        Self::negotiate(plug, wishes)
    }
}

/// Arrangements of so many channels, one a bus; `None` where there are none.
fn asked_of(side: &[BusInfo], channels: &[i32]) -> Option<Vec<SpeakerArrangement>> {
    if side.len() != channels.len() {
        return None;
    }
    let each = side.iter().zip(channels).map(|(bus, channels)| {
        let channels = u32::try_from(*channels).ok();
        channels
            .filter(|count| *count <= SpeakerArrangement::BITS)
            .map(|count| bus.asked(count))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use vst3::Steinberg::Vst::SpeakerArr;

    use super::super::buses::tests::bus;
    use super::*;

    #[test]
    fn a_layout_names_every_bus_and_no_more_channels_than_there_are() {
        let side = [bus(2, true), bus(1, false)];
        assert_eq!(asked_of(&side, &[2]), None);
        assert_eq!(asked_of(&side, &[2, -1]), None);
        assert_eq!(asked_of(&side, &[2, 65]), None);
        assert_eq!(asked_of(&side, &[i32::MAX, 1]), None);
        let asked = asked_of(&side, &[6, 0]).unwrap();
        assert_eq!(asked, [SpeakerArr::k51, SpeakerArr::kEmpty]);
        assert_eq!(asked_of(&side, &[64, 1]).unwrap()[0], u64::MAX);
        assert_eq!(asked_of(&[], &[]), Some(vec![]));
    }
}
