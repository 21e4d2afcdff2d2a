//! Programs and their names.

use super::abi::effect;
use super::instance::Instance;

/// Most programs that are switched through for their names where the plugin does not tell them.
const MOST_SWITCHED: u32 = 1024;

/// Where names come from.
pub enum Programs {
    /// The plugin tells the name of any program.
    Told,
    /// It tells only the current one's; all of them as they were when it was loaded.
    Switched(Vec<String>),
}

impl Programs {
    /// Finds out how a fresh plugin tells names.
    pub fn read(instance: &Instance) -> Self {
        let all = instance.num_programs();
        if all <= 1 || indexed(instance, 0).is_some() || indexed(instance, 1).is_some() {
            return Self::Told;
        }
        let was = instance.ask(effect::GET_PROGRAM, 0, 0, 0.0);
        let switched = (0..all.min(MOST_SWITCHED)).map(|index| {
            switch(instance, index);
            current(instance)
        });
        let names = switched.collect();
        instance.ask(effect::SET_PROGRAM, 0, was, 0.0);
        Self::Switched(names)
    }

    /// Names of all programs, in order.
    pub fn names(&self, instance: &Instance) -> Vec<String> {
        let selected = index(instance);
        let name = |index: u32| {
            let name = match self {
                Self::Told => indexed(instance, index),
                Self::Switched(names) => usize::try_from(index)
                    .ok()
                    .and_then(|at| names.get(at).cloned()),
            };
            // The one that is current may have been renamed, or be the only one with a name.
            let name = match index == selected {
                true => Some(current(instance)).filter(|n| !n.is_empty()).or(name),
                false => name,
            };
            name.filter(|name| !name.is_empty())
                .unwrap_or_else(|| format!("Program {}", index + 1))
        };
        (0..instance.num_programs()).map(name).collect()
    }
}

/// Index of the current program.
pub fn index(instance: &Instance) -> u32 {
    let index = instance.ask(effect::GET_PROGRAM, 0, 0, 0.0);
    u32::try_from(index)
        .ok()
        .filter(|index| *index < instance.num_programs())
        .unwrap_or(0)
}

/// Name of the current program.
pub fn current(instance: &Instance) -> String {
    instance.text(effect::GET_PROGRAM_NAME, 0, 0).1
}

/// Makes a program the current one. Whoever owns the processor.
pub fn switch(instance: &Instance, index: u32) {
    let value = isize::try_from(index).unwrap_or(0);
    instance.ask(effect::BEGIN_SET_PROGRAM, 0, 0, 0.0);
    instance.ask(effect::SET_PROGRAM, 0, value, 0.0);
    instance.ask(effect::END_SET_PROGRAM, 0, 0, 0.0);
}

fn indexed(instance: &Instance, index: u32) -> Option<String> {
    let index = i32::try_from(index).ok()?;
    // The category: any.
    let (known, name) = instance.text(effect::GET_PROGRAM_NAME_INDEXED, index, -1);
    (known > 0 || !name.is_empty()).then_some(name)
}
