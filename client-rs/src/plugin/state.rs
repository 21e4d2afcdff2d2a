//! State and programs.

use std::sync::Arc;

use plugpen_proto::limits::{MAX_STATE, STATE_CHUNK};
use plugpen_proto::v1::{
    GetStateRequest, ListProgramsRequest, SetProgramRequest, SetStateRequest, StateScope,
};
use tonic::Status;

use super::Plugin;
use crate::connection::STATE;
use crate::error::{Error, Result};

/// Most pages of a list of programs that are asked for.
const PAGES: usize = 10_000;

impl Plugin {
    /// The whole state, empty where the plugin has none. Contains every parameter set before,
    /// and belongs after all blocks processed so far. Files that were handed over are in it by
    /// their own names; where it is set in another process, hand them over first.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn get_state(&self) -> Result<Vec<u8>> {
        let mark = self.shared.journal().mark();
        let state = self.fetch_state(StateScope::Plugin)?;
        if !state.is_empty() {
            let known = Arc::from(state.as_slice());
            self.shared.journal().state_read(mark, known);
        }
        Ok(state)
    }

    /// Restores what [`Plugin::get_state`] gave, from the next block on.
    ///
    /// # Errors
    /// `InvalidInput` for an empty state, `PluginRefused` where the plugin does not take it,
    /// `LimitReached` above 64 MiB, and those of every call.
    pub fn set_state(&self, state: &[u8]) -> Result<()> {
        self.send_state(StateScope::Plugin, state)?;
        self.shared.journal().state_set(state.into());
        Ok(())
    }

    /// The state of the current program; all of it where the format knows no difference.
    ///
    /// # Errors
    /// As [`Plugin::get_state`].
    pub fn get_program_state(&self) -> Result<Vec<u8>> {
        self.fetch_state(StateScope::Program)
    }

    /// Restores what [`Plugin::get_program_state`] gave.
    ///
    /// # Errors
    /// As [`Plugin::set_state`].
    pub fn set_program_state(&self, state: &[u8]) -> Result<()> {
        self.send_state(StateScope::Program, state)?;
        self.shared.journal().program_state_set(state.into());
        Ok(())
    }

    fn fetch_state(&self, scope: StateScope) -> Result<Vec<u8>> {
        let request = GetStateRequest {
            handle: self.shared.handle.clone(),
            scope: scope.into(),
        };
        self.live()?
            .run("GetState", STATE, request, |mut api, request| async move {
                let mut chunks = api.state.get_state(request).await?.into_inner();
                let mut state = Vec::new();
                while let Some(chunk) = chunks.message().await? {
                    if state.len() + chunk.data.len() > MAX_STATE {
                        return Err(Status::resource_exhausted(format!(
                            "the plugin's state is larger than {MAX_STATE} bytes"
                        )));
                    }
                    state.extend_from_slice(&chunk.data);
                }
                Ok(state)
            })
            .map(|state| self.own_state(state))
    }

    pub(crate) fn send_state(&self, scope: StateScope, state: &[u8]) -> Result<()> {
        // Before the files in it get the names that its worker has for them.
        self.live()?;
        if state.is_empty() {
            self.shared.check_open()?;
            return Err(Error::invalid(
                "Failed to set plugin state: the state is empty; pass what get_state() gave",
            ));
        }
        if state.len() > MAX_STATE {
            return Err(Error::new(
                plugpen_proto::v1::ErrorReason::LimitReached,
                format!(
                    "a state of {} bytes is larger than the limit of {MAX_STATE}",
                    state.len()
                ),
            ));
        }
        let chunks: Vec<_> = self
            .worker_state(state)
            .chunks(STATE_CHUNK)
            .map(|chunk| SetStateRequest {
                handle: self.shared.handle.clone(),
                scope: scope.into(),
                data: chunk.to_vec(),
            })
            .collect();
        let chunks = futures_util::stream::iter(chunks);
        self.live()?
            .call("SetState", STATE, chunks, |mut api, request| async move {
                api.state.set_state(request).await
            })
            .map(drop)
    }

    /// Number of programs (factory presets).
    pub fn num_programs(&self) -> u32 {
        self.shared.facts().num_programs
    }

    /// The names of all programs.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn program_names(&self) -> Result<Vec<String>> {
        Ok(self.list_programs()?.0)
    }

    /// The name of a program.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn program_name(&self, index: u32) -> Result<String> {
        self.check_program(index)?;
        let position = usize::try_from(index).unwrap_or(usize::MAX);
        let mut names = self.program_names()?;
        match position < names.len() {
            true => Ok(names.swap_remove(position)),
            false => Err(Error::out_of_range("program", index, names.len())),
        }
    }

    /// The index of the current program; 0 where there are none.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn program(&self) -> Result<u32> {
        if self.num_programs() == 0 {
            self.live()?.check_alive()?;
            return Ok(0);
        }
        Ok(self.list_programs()?.1)
    }

    /// Chooses a program, from the next block on.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn set_program(&self, index: u32) -> Result<()> {
        self.check_program(index)?;
        self.send_program(index)?;
        self.shared.journal().program_set(index);
        Ok(())
    }

    pub(crate) fn send_program(&self, index: u32) -> Result<()> {
        let request = SetProgramRequest {
            handle: self.shared.handle.clone(),
            index,
        };
        self.live()?
            .call(
                "SetProgram",
                STATE,
                request,
                |mut api, request| async move { api.state.set_program(request).await },
            )
            .map(drop)
    }

    fn list_programs(&self) -> Result<(Vec<String>, u32)> {
        let mut names = Vec::new();
        let mut page_token = String::new();
        for _ in 0..PAGES {
            let request = ListProgramsRequest {
                handle: self.shared.handle.clone(),
                page_size: 0,
                page_token,
            };
            let page = self.live()?.call(
                "ListPrograms",
                STATE,
                request,
                |mut api, request| async move { api.state.list_programs(request).await },
            )?;
            names.extend(page.names);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return Ok((names, page.current));
            }
        }
        Err(Error::bug("the daemon's list of programs does not end"))
    }

    fn check_program(&self, index: u32) -> Result<()> {
        let count = self.num_programs();
        if index < count {
            return Ok(());
        }
        self.shared.check_open()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Err(Error::out_of_range("program", index, count))
    }
}
