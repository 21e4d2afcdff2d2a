//! One block from numpy arrays through a plugin or a chain and back.

use numpy::{Element, PyArray2};
use plugpen::{EventList, Planes, PlanesMut};
use pyo3::prelude::*;

use crate::{
    arrays::{Input, Output, OutputError, refused},
    errors::{OrRaise, invalid},
};

/// What plays blocks: a plugin or a chain.
pub trait Player: Sync {
    /// Channels of its output.
    fn outputs(&self) -> usize;

    /// Plays one block and waits for it; returns how many output events were lost on the way.
    fn play<'a>(
        &self,
        audio: Audio<'a>,
        events: &EventList,
        events_out: &'a mut EventList,
    ) -> plugpen::Result<u64>;
}

/// The audio of a block. Shapes are the player's to check.
pub struct Audio<'a> {
    pub frames: usize,
    pub input: Planes<'a>,
    pub sidechain: Planes<'a>,
    pub output: PlanesMut<'a>,
}

/// A sample type.
pub trait Sample: Element + Copy + Send + Sync {
    fn planes<'a>(rows: &'a [&'a [Self]]) -> Planes<'a>;
    fn planes_mut<'a>(rows: &'a mut [&'a mut [Self]]) -> PlanesMut<'a>;
}

impl Sample for f32 {
    fn planes<'a>(rows: &'a [&'a [Self]]) -> Planes<'a> {
        Planes::F32(rows)
    }
    fn planes_mut<'a>(rows: &'a mut [&'a mut [Self]]) -> PlanesMut<'a> {
        PlanesMut::F32(rows)
    }
}

impl Sample for f64 {
    fn planes<'a>(rows: &'a [&'a [Self]]) -> Planes<'a> {
        Planes::F64(rows)
    }
    fn planes_mut<'a>(rows: &'a mut [&'a mut [Self]]) -> PlanesMut<'a> {
        PlanesMut::F64(rows)
    }
}

/// The array arguments of a call.
#[derive(Clone, Copy)]
pub struct Arguments<'a, 'py> {
    pub input: &'a Bound<'py, PyAny>,
    pub output: &'a Bound<'py, PyAny>,
    pub sidechain: Option<&'a Bound<'py, PyAny>>,
}

impl Arguments<'_, '_> {
    /// Whether the caller wants double precision: the output is an array of float64.
    pub fn are_double(&self) -> bool {
        self.output.cast::<PyArray2<f64>>().is_ok()
    }
}

/// The borrowed arrays of a call.
pub struct Block<'py, T: Element> {
    input: Input<'py, T>,
    output: Output<'py, T>,
    sidechain: Option<Input<'py, T>>,
}

impl<'py, T: Sample> Block<'py, T> {
    /// Borrows the arrays, which must have one number of frames.
    pub fn new(arguments: Arguments<'_, 'py>) -> PyResult<Self> {
        let mut input = Input::new(arguments.input, "input")?;
        let mut sidechain = match arguments.sidechain {
            Some(array) => Some(Input::new(array, "sidechain_in")?),
            None => None,
        };
        let output = match Output::new(arguments.output, "output") {
            Ok(output) => output,
            Err(OutputError::Refused(error)) => return Err(error),
            Err(OutputError::InUse) => {
                // Usually the call works in place: its input is its output.
                input = input.into_copy()?;
                sidechain = sidechain.map(Input::into_copy).transpose()?;
                Output::new(arguments.output, "output").map_err(refused)?
            }
        };
        let block = Self {
            input,
            output,
            sidechain,
        };
        block.check_frames()?;
        Ok(block)
    }

    pub fn frames(&self) -> usize {
        self.output.frames()
    }

    fn check_frames(&self) -> PyResult<()> {
        let (input, output) = (self.input.frames(), self.output.frames());
        let sidechain = self.sidechain.as_ref().map(Input::frames);
        if input == output && sidechain.is_none_or(|frames| frames == output) {
            return Ok(());
        }
        Err(invalid(match sidechain {
            Some(sidechain) => format!(
                "All buffer frame counts must match (input={input}, output={output}, \
                 sidechain={sidechain})"
            ),
            None => {
                format!("Input and output frame counts must match (input={input}, output={output})")
            }
        }))
    }

    /// Plays the block with Python released, and brings the samples to the caller's array.
    pub fn play(
        mut self,
        py: Python<'_>,
        player: &impl Player,
        events: &EventList,
        events_out: &mut EventList,
    ) -> PyResult<u64> {
        let frames = self.output.frames();
        let input = self.input.rows();
        let sidechain = self.sidechain.as_ref().map(Input::rows);
        let mut output = self.output.rows();
        let lost = py.detach(|| {
            let audio = Audio {
                frames,
                input: T::planes(input.as_slice()),
                sidechain: match &sidechain {
                    Some(rows) => T::planes(rows.as_slice()),
                    None => Planes::None,
                },
                output: T::planes_mut(output.as_mut_slice()),
            };
            player.play(audio, events, events_out)
        });
        let lost = lost.or_raise()?;
        self.output.finish(|| player.outputs())?;
        Ok(lost)
    }
}
