//! Parameter changes of a whole render.

use plugpen_proto::event::EventList;

/// A parameter change, for one plugin or one of a chain.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParameterAt {
    /// Frames from the start.
    pub sample: u64,
    /// Which plugin of a chain; 0 for a plugin.
    pub plugin: usize,
    /// Which parameter.
    pub index: u32,
    /// Its new value, 0 to 1.
    pub value: f64,
}

/// Parameter changes in order of time; those of one frame in the order in which they were given.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Automation {
    changes: Vec<ParameterAt>,
}

impl Automation {
    /// Changes in any order.
    pub fn new(mut changes: Vec<ParameterAt>) -> Self {
        changes.sort_by_key(|change| change.sample);
        Self { changes }
    }

    /// The changes, in order.
    pub fn changes(&self) -> &[ParameterAt] {
        &self.changes
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Fills in the changes of a block, `block[plugin]`. `next` is the first one not yet played, at
    /// or after `start`; it is moved on.
    pub(crate) fn play(
        &self,
        next: &mut usize,
        start: u64,
        frames: usize,
        block: &mut Vec<EventList>,
    ) {
        block.iter_mut().for_each(EventList::clear);
        while let Some(change) = self.changes.get(*next) {
            let offset = u32::try_from(change.sample.saturating_sub(start)).unwrap_or(u32::MAX);
            if usize::try_from(offset).is_ok_and(|offset| offset >= frames) {
                break;
            }
            if block.len() <= change.plugin {
                block.resize_with(change.plugin + 1, EventList::new);
            }
            block[change.plugin].push_parameter(offset, change.index, change.value);
            *next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_get_their_changes_once() {
        let change = |sample, plugin| ParameterAt {
            sample,
            plugin,
            index: 7,
            value: 0.5,
        };
        let automation = Automation::new(vec![change(250, 1), change(0, 0), change(99, 1)]);
        let (mut next, mut block) = (0, Vec::new());
        let mut heard = Vec::new();
        for start in (0..400).step_by(100) {
            automation.play(&mut next, start, 100, &mut block);
            for (plugin, events) in block.iter().enumerate() {
                heard.extend(events.iter().map(|e| (start + u64::from(e.offset), plugin)));
            }
        }
        assert_eq!(heard, [(0, 0), (99, 1), (250, 1)]);
    }
}
