//! States: `.fxb` and `.fxp` containers around the plugin's chunks or lists of its parameters.

use plugpen_proto::Error;
use plugpen_proto::fxb::{Bank, Content, File, Program, is_container};
use plugpen_proto::v1::{ErrorReason, StateScope};

use super::abi::effect;
use super::host::{Quiet, quietly};
use super::programs;
use super::shared::Shared;
use crate::formats::numbers::narrow;

/// The state as a container: a bank, or the current program.
///
/// # Errors
/// Above the largest state.
pub fn save(shared: &Shared, scope: StateScope) -> Result<Vec<u8>, Error> {
    shared.settle();
    let instance = &shared.instance;
    let program_only = scope == StateScope::Program;
    let chunk = match instance.has_chunks() {
        true => instance.chunk(program_only)?,
        false => None,
    };
    if program_only {
        let content = match chunk {
            Some(chunk) => Content::Chunk(chunk),
            None => Content::List(list(shared)),
        };
        return program(shared, content).write();
    }
    let content = match chunk {
        Some(chunk) => Content::Chunk(chunk),
        None => Content::List(quietly(Quiet::Yes, || all_programs(shared))),
    };
    let bank = Bank {
        plugin_id: instance.unique_id(),
        plugin_version: instance.version().cast_unsigned(),
        num_programs: instance.num_programs(),
        current_program: programs::index(instance),
        content,
    };
    bank.write()
}

/// Restores a container or a bare chunk.
///
/// # Errors
/// Nothing, a broken container, another plugin's, or refused by the plugin.
pub fn restore(shared: &Shared, scope: StateScope, data: &[u8]) -> Result<(), Error> {
    if data.is_empty() {
        return Err(failed("it is empty"));
    }
    let program_only = scope == StateScope::Program;
    if !is_container(data) {
        need_chunks(shared)?;
        shared.instance.set_chunk(program_only, data.to_vec());
        return Ok(());
    }
    match File::read(data).map_err(|error| failed(&error.message))? {
        File::Program(program) => {
            check_id(shared, program.plugin_id)?;
            restore_program(shared, program)
        }
        File::Bank(bank) => {
            check_id(shared, bank.plugin_id)?;
            restore_bank(shared, bank)
        }
    }
}

fn restore_program(shared: &Shared, program: Program) -> Result<(), Error> {
    check_values(std::slice::from_ref(&program))?;
    accept(shared, effect::BEGIN_LOAD_PROGRAM, program.num_parameters)?;
    match program.content {
        Content::List(values) => set_list(shared, &values),
        Content::Chunk(chunk) => {
            need_chunks(shared)?;
            shared.instance.set_chunk(true, chunk);
        }
    }
    Ok(())
}

fn restore_bank(shared: &Shared, bank: Bank) -> Result<(), Error> {
    let instance = &shared.instance;
    match bank.content {
        Content::Chunk(chunk) => {
            need_chunks(shared)?;
            accept(shared, effect::BEGIN_LOAD_BANK, bank.num_programs)?;
            instance.set_chunk(false, chunk);
        }
        Content::List(programs) => {
            check_values(&programs)?;
            accept(shared, effect::BEGIN_LOAD_BANK, bank.num_programs)?;
            let several = instance.num_programs() > 1;
            for (program, index) in programs.iter().zip(0..instance.num_programs().max(1)) {
                if several {
                    programs::switch(instance, index);
                }
                if let Content::List(values) = &program.content {
                    set_list(shared, values);
                }
            }
            if several && bank.current_program < instance.num_programs() {
                programs::switch(instance, bank.current_program);
                let current = usize::try_from(bank.current_program).unwrap_or(usize::MAX);
                // Of plugins whose programs do not keep what was set in them.
                if let Some(Content::List(values)) = programs.get(current).map(|p| &p.content) {
                    set_list(shared, values);
                }
            }
        }
    }
    Ok(())
}

/// The current program around some content.
fn program(shared: &Shared, content: Content<Vec<f32>>) -> Program {
    let instance = &shared.instance;
    Program {
        plugin_id: instance.unique_id(),
        plugin_version: instance.version().cast_unsigned(),
        name: programs::current(instance),
        num_parameters: instance.num_params(),
        content,
    }
}

fn list(shared: &Shared) -> Vec<f32> {
    let values = shared.values();
    values.into_iter().map(narrow).collect()
}

/// Reads all programs by making each the current one for a moment.
fn all_programs(shared: &Shared) -> Vec<Program> {
    let instance = &shared.instance;
    let now = program(shared, Content::List(list(shared)));
    if instance.num_programs() <= 1 {
        return vec![now];
    }
    let current = programs::index(instance);
    let all = (0..instance.num_programs())
        .map(|index| {
            if index == current {
                return now.clone();
            }
            programs::switch(instance, index);
            program(shared, Content::List(list(shared)))
        })
        .collect();
    programs::switch(instance, current);
    // Of plugins whose programs do not keep what was set in them.
    if let Content::List(values) = &now.content {
        set_list(shared, values);
    }
    all
}

fn set_list(shared: &Shared, values: &[f32]) {
    for (at, value) in values.iter().enumerate().take(shared.knobs.len()) {
        shared
            .instance
            .set_parameter(at, f64::from(*value).clamp(0.0, 1.0));
    }
}

/// A value that is no number would reach the plugin as such.
fn check_values(programs: &[Program]) -> Result<(), Error> {
    let is_bad = |program: &Program| match &program.content {
        Content::List(values) => values.iter().any(|value| !value.is_finite()),
        Content::Chunk(_) => false,
    };
    match programs.iter().any(is_bad) {
        true => Err(failed("a parameter in it is not a finite number")),
        false => Ok(()),
    }
}

fn check_id(shared: &Shared, id: u32) -> Result<(), Error> {
    let own = shared.instance.unique_id();
    if id == own {
        return Ok(());
    }
    Err(failed(&format!(
        "it is of the plugin {id:08X}, and this one is {own:08X}"
    )))
}

fn need_chunks(shared: &Shared) -> Result<(), Error> {
    match shared.instance.has_chunks() {
        true => Ok(()),
        false => Err(failed(
            "this plugin has no chunks, only parameters; give a .fxp or .fxb with a list of them \
             (FxCk, FxBk), as get_state returns",
        )),
    }
}

fn accept(shared: &Shared, opcode: i32, elements: u32) -> Result<(), Error> {
    match shared.instance.accepts_patch(opcode, elements) {
        true => Ok(()),
        false => Err(Error::new(
            ErrorReason::PluginRefused,
            "Failed to set plugin state: the plugin does not take a file with this head",
        )),
    }
}

fn failed(why: &str) -> Error {
    Error::invalid(format!("Failed to set plugin state: {why}"))
}
