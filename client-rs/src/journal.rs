//! What would be lost with a worker: the last state, and all that was set since.

use std::sync::Arc;

use plugpen_proto::v1::{ParameterValue, Precision, Transport};

/// A name and an ARGB colour, each only where set.
pub(crate) type TrackProperties = (Option<String>, Option<u32>);

/// Everything a fresh worker must be told to be what the old one was.
///
/// Entries carry a stamp, so that a state that took a while to read replaces what was set before
/// the reading began and nothing that was set since.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    clock: u64,
    state: Option<Arc<[u8]>>,
    /// The program that was current when the state was read or set: not every state says it.
    program_of_state: Option<u32>,
    program: Option<(u64, u32)>,
    program_state: Option<(u64, Arc<[u8]>)>,
    /// One entry a parameter; 0 is the stamp of those never set.
    parameters: Vec<(u64, f64)>,
    transport: Option<Transport>,
    bypass: bool,
    non_realtime: bool,
    precision: Option<Precision>,
    track: Option<TrackProperties>,
}

/// One thing to tell a fresh worker.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step {
    Precision(Precision),
    NonRealtime(bool),
    State(Arc<[u8]>),
    Program(u32),
    ProgramState(Arc<[u8]>),
    Parameters(Vec<ParameterValue>),
    Bypass(bool),
    Track(TrackProperties),
    Transport(Transport),
}

impl Journal {
    /// A journal of a plugin with so many parameters.
    pub(crate) fn new(parameters: u32) -> Journal {
        let mut journal = Journal::default();
        journal.resize(parameters);
        journal
    }

    /// The plugin has so many parameters now; entries beyond them are forgotten.
    pub(crate) fn resize(&mut self, parameters: u32) {
        let count = usize::try_from(parameters).unwrap_or(0);
        self.parameters.resize(count, (0, 0.0));
    }

    /// The moment before a state is read.
    pub(crate) fn mark(&self) -> u64 {
        self.clock
    }

    /// The state as it was at `mark`, or later.
    pub(crate) fn state_read(&mut self, mark: u64, state: Arc<[u8]>) {
        self.state = Some(state);
        if let Some((_, program)) = self.program.take_if(|(stamp, _)| *stamp <= mark) {
            self.program_of_state = Some(program);
        }
        self.program_state = self.program_state.take().filter(|(stamp, _)| *stamp > mark);
        self.forget_parameters(mark);
    }

    /// A state was set: nothing earlier counts.
    pub(crate) fn state_set(&mut self, state: Arc<[u8]>) {
        self.state_read(self.clock, state);
    }

    /// A program was chosen, which sets parameters.
    pub(crate) fn program_set(&mut self, program: u32) {
        self.forget_parameters(self.clock);
        self.program_state = None;
        self.program = Some((self.tick(), program));
    }

    /// The current program's state was set.
    pub(crate) fn program_state_set(&mut self, state: Arc<[u8]>) {
        self.forget_parameters(self.clock);
        self.program_state = Some((self.tick(), state));
    }

    /// A parameter was set, or the plugin changed it. Does not allocate.
    pub(crate) fn parameter_set(&mut self, index: u32, value: f64) {
        let stamp = self.tick();
        let entry = usize::try_from(index)
            .ok()
            .and_then(|index| self.parameters.get_mut(index));
        if let Some(entry) = entry {
            *entry = (stamp, value);
        }
    }

    /// The value a parameter was set to last, if that is still to be told a fresh worker.
    pub(crate) fn parameter(&self, index: u32) -> Option<f64> {
        let (stamp, value) = *self.parameters.get(usize::try_from(index).ok()?)?;
        (stamp > 0).then_some(value)
    }

    /// A fresh worker has another value for the same text.
    pub(crate) fn parameter_moved(&mut self, index: u32, from: f64, to: f64) {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if let Some(entry) = self.parameters.get_mut(at)
            && entry.1.to_bits() == from.to_bits()
        {
            entry.1 = to;
        }
    }

    pub(crate) fn set_transport(&mut self, transport: Option<Transport>) {
        self.transport = transport;
    }

    pub(crate) fn transport(&self) -> Option<Transport> {
        self.transport
    }

    pub(crate) fn set_bypass(&mut self, bypass: bool) {
        self.bypass = bypass;
    }

    pub(crate) fn bypass(&self) -> bool {
        self.bypass
    }

    pub(crate) fn set_non_realtime(&mut self, non_realtime: bool) {
        self.non_realtime = non_realtime;
    }

    pub(crate) fn non_realtime(&self) -> bool {
        self.non_realtime
    }

    pub(crate) fn set_precision(&mut self, precision: Precision) {
        self.precision = Some(precision);
    }

    pub(crate) fn precision(&self) -> Precision {
        self.precision.unwrap_or(Precision::Single)
    }

    /// Keeps what was set earlier where the new value is `None`.
    pub(crate) fn set_track(&mut self, (name, colour): TrackProperties) {
        let track = self.track.get_or_insert_default();
        track.0 = name.or(track.0.take());
        track.1 = colour.or(track.1);
    }

    /// What to tell a fresh worker, in this order: modes before the state, because a plugin may
    /// read its state differently in another mode; single values after what contains them.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        steps.extend(self.precision.map(Step::Precision));
        if self.non_realtime {
            steps.push(Step::NonRealtime(true));
        }
        steps.extend(self.program_of_state.map(Step::Program));
        steps.extend(self.state.clone().map(Step::State));
        steps.extend(self.program.map(|(_, program)| Step::Program(program)));
        let program_state = self.program_state.clone();
        steps.extend(program_state.map(|(_, state)| Step::ProgramState(state)));
        let values = self.changed_parameters();
        if !values.is_empty() {
            steps.push(Step::Parameters(values));
        }
        if self.bypass {
            steps.push(Step::Bypass(true));
        }
        steps.extend(self.track.clone().map(Step::Track));
        steps.extend(self.transport.map(Step::Transport));
        steps
    }

    fn changed_parameters(&self) -> Vec<ParameterValue> {
        let mut changed: Vec<_> = (0u32..)
            .zip(&self.parameters)
            .filter(|(_, (stamp, _))| *stamp > 0)
            .collect();
        // In the order they were set: one parameter may move another.
        changed.sort_by_key(|(_, (stamp, _))| *stamp);
        changed
            .into_iter()
            .map(|(index, &(_, value))| ParameterValue { index, value })
            .collect()
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn forget_parameters(&mut self, mark: u64) {
        for entry in &mut self.parameters {
            if entry.0 <= mark {
                entry.0 = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(text: &str) -> Arc<[u8]> {
        text.as_bytes().into()
    }

    fn parameters(values: &[(u32, f64)]) -> Step {
        let value = |&(index, value): &(u32, f64)| ParameterValue { index, value };
        Step::Parameters(values.iter().map(value).collect())
    }

    #[test]
    fn a_new_plugin_needs_nothing() {
        assert_eq!(Journal::new(4).steps(), []);
    }

    #[test]
    fn the_last_value_of_each_parameter_is_kept_in_the_order_they_were_set() {
        let mut journal = Journal::new(4);
        journal.parameter_set(3, 0.1);
        journal.parameter_set(1, 0.2);
        journal.parameter_set(3, 0.3);
        journal.parameter_set(9, 0.9);
        assert_eq!(journal.steps(), [parameters(&[(1, 0.2), (3, 0.3)])]);
    }

    #[test]
    fn a_state_replaces_what_it_contains_and_nothing_newer() {
        let mut journal = Journal::new(4);
        journal.program_set(2);
        journal.parameter_set(0, 0.5);
        let mark = journal.mark();
        journal.parameter_set(1, 0.6);
        journal.state_read(mark, blob("s"));
        assert_eq!(
            journal.steps(),
            [
                Step::Program(2),
                Step::State(blob("s")),
                parameters(&[(1, 0.6)])
            ]
        );
        journal.state_set(blob("t"));
        assert_eq!(
            journal.steps(),
            [Step::Program(2), Step::State(blob("t"))],
            "a state need not say which program it is of"
        );
    }

    #[test]
    fn a_program_overrides_earlier_parameters() {
        let mut journal = Journal::new(4);
        journal.parameter_set(0, 0.5);
        journal.program_state_set(blob("p"));
        journal.program_set(2);
        journal.parameter_set(1, 0.6);
        assert_eq!(journal.steps(), [Step::Program(2), parameters(&[(1, 0.6)])]);
    }

    #[test]
    fn modes_come_before_the_state_and_the_playhead_last() {
        let mut journal = Journal::new(0);
        let transport = Transport {
            bpm: 90.0,
            ..Transport::default()
        };
        journal.set_transport(Some(transport));
        journal.set_bypass(true);
        journal.set_non_realtime(true);
        journal.set_precision(Precision::Double);
        journal.state_set(blob("s"));
        journal.set_track((Some("Bass".into()), None));
        journal.set_track((None, Some(7)));
        assert_eq!(
            journal.steps(),
            [
                Step::Precision(Precision::Double),
                Step::NonRealtime(true),
                Step::State(blob("s")),
                Step::Bypass(true),
                Step::Track((Some("Bass".into()), Some(7))),
                Step::Transport(transport),
            ]
        );
    }
}
