//! Joining and splitting tracks.

use super::{MidiFile, Stored, Track};

impl MidiFile {
    /// Merges all tracks into one, sorted by tick; events of one tick stay in the order of their
    /// tracks. [`split_tracks`](Self::split_tracks) undoes it.
    pub fn join_tracks(&mut self) {
        let before = self.joined.unwrap_or(1);
        let already_joined = self.joined.is_some();
        let mut joined = Vec::new();
        let tracks = std::mem::take(&mut self.tracks);
        self.joined = Some(before + tracks.len() - 1);
        for (index, mut track) in tracks.into_iter().enumerate() {
            // A first track that is joined already knows where its events came from.
            if index > 0 || !already_joined {
                let origin = if index == 0 { 0 } else { before + index - 1 };
                let events = track.events.iter_mut();
                events.for_each(|event| event.origin = origin);
            }
            joined.append(&mut track.events);
        }
        joined.sort_by_key(|event: &Stored| event.tick);
        self.tracks = vec![joined.into()];
        self.format = None;
        self.whole = false;
    }

    /// Undoes [`join_tracks`](Self::join_tracks); events added since belong to the first track. A
    /// file that was never joined is split by MIDI channel if it has one track, what has no channel
    /// first, and left alone if it has several.
    pub fn split_tracks(&mut self) {
        if let Some(count) = self.joined.take() {
            let mut split = vec![Vec::new(); count];
            for event in std::mem::take(&mut self.tracks[0].events) {
                split[event.origin].push(event);
            }
            let since = self.tracks.drain(1..).collect::<Vec<_>>();
            self.tracks = split.into_iter().map(Track::from).chain(since).collect();
            self.whole = false;
        } else if let [track] = &mut self.tracks[..] {
            let split = by_channel(std::mem::take(&mut track.events));
            self.tracks = split.into_iter().map(Track::from).collect();
            self.format = None;
            self.whole = false;
        }
    }
}

/// Events without a channel, if any, then those of each channel in use; at least one track.
fn by_channel(track: Vec<Stored>) -> Vec<Vec<Stored>> {
    let mut tracks = vec![Vec::new(); 17];
    let mut end = Vec::new();
    for event in track {
        if event.kind.is_end_of_track() {
            end.push(event);
        } else {
            let index = event.kind.channel().map_or(0, |channel| channel + 1);
            tracks[usize::from(index)].push(event);
        }
    }
    tracks.retain(|track| !track.is_empty());
    match tracks.first_mut() {
        Some(first) => first.append(&mut end),
        None => tracks.push(end),
    }
    tracks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(file: &MidiFile) -> Vec<Vec<(i64, u8)>> {
        (0..)
            .take(file.num_tracks())
            .map(|track| {
                let events = file.get_events(track).into_iter();
                events.map(|e| (e.tick, e.kind.status())).collect()
            })
            .collect()
    }

    fn three_tracks() -> MidiFile {
        let mut file = MidiFile::new();
        file.add_tempo(0, 0, 90.0).unwrap();
        for (track, tick) in [(1, 10), (2, 5), (1, 5)] {
            while file.num_tracks() <= usize::try_from(track).unwrap() {
                file.add_track();
            }
            file.add_note_on(track, tick, track, 60, 1).unwrap();
        }
        file
    }

    #[test]
    fn splitting_undoes_joining() {
        let mut file = three_tracks();
        file.join_tracks();
        assert_eq!(
            listing(&file),
            [[(0, 0xFF), (5, 0x91), (5, 0x92), (10, 0x91)]]
        );
        file.add_note_on(0, 1, 9, 60, 1).unwrap();
        file.split_tracks();
        assert_eq!(
            listing(&file),
            [
                vec![(0, 0xFF), (1, 0x99)],
                vec![(5, 0x91), (10, 0x91)],
                vec![(5, 0x92)]
            ]
        );
        let before = listing(&file);
        file.split_tracks();
        assert_eq!(listing(&file), before);
    }

    #[test]
    fn joining_twice_is_undone_at_once() {
        let mut file = three_tracks();
        file.join_tracks();
        file.add_track();
        file.add_note_on(1, 7, 3, 60, 1).unwrap();
        file.join_tracks();
        file.join_tracks();
        assert_eq!(file.num_tracks(), 1);
        file.split_tracks();
        assert_eq!(
            listing(&file),
            [
                vec![(0, 0xFF)],
                vec![(5, 0x91), (10, 0x91)],
                vec![(5, 0x92)],
                vec![(7, 0x93)]
            ]
        );
    }

    #[test]
    fn one_track_splits_by_channel() {
        let mut file = MidiFile::new();
        file.split_tracks();
        assert_eq!(file.num_tracks(), 1);
        for channel in [3, 0, 3] {
            file.add_note_on(0, channel, channel, 60, 1).unwrap();
        }
        file.add_meta(0, 9, 0x2F, &[]).unwrap();
        file.split_tracks();
        assert_eq!(
            listing(&file),
            [vec![(0, 0x90), (9, 0xFF)], vec![(3, 0x93), (3, 0x93)]]
        );
        let mut file = three_tracks();
        file.join_tracks();
        file.split_tracks();
        assert_eq!(listing(&file)[1], [(5, 0x91), (10, 0x91)]);
    }
}
