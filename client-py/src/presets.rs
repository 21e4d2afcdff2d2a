//! Preset files as Python has them: bytes in, fields out. The files are Python's to open.

use plugpen::{VstPreset, fxb};
use plugpen_proto::juce_state::JuceState;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList, PyTuple},
};

use crate::{
    arguments::{Blob, PathText},
    errors::OrRaise,
};

/// Class id, processor's state, controller's state.
type Fields<'py> = (
    Option<String>,
    Option<Bound<'py, PyBytes>>,
    Option<Bound<'py, PyBytes>>,
);

fn fields<'py>(py: Python<'py>, preset: &VstPreset) -> Fields<'py> {
    let bytes = |chunk: &Option<Vec<u8>>| chunk.as_ref().map(|chunk| PyBytes::new(py, chunk));
    (
        Some(preset.class_id.clone()),
        bytes(&preset.component_state),
        bytes(&preset.controller_state),
    )
}

/// The fields of a `.vstpreset` file.
#[pyfunction]
pub fn _read_vstpreset<'py>(py: Python<'py>, data: Blob<'py>) -> PyResult<Fields<'py>> {
    let preset = VstPreset::read(data.as_slice()).or_raise()?;
    Ok(fields(py, &preset))
}

/// The bytes of a `.vstpreset` file.
#[pyfunction]
pub fn _write_vstpreset<'py>(
    py: Python<'py>,
    class_id: String,
    component_state: Option<Blob<'py>>,
    controller_state: Option<Blob<'py>>,
) -> PyResult<Bound<'py, PyBytes>> {
    let chunk = |blob: Option<Blob<'_>>| blob.map(|blob| blob.as_slice().to_vec());
    let preset = VstPreset {
        class_id,
        component_state: chunk(component_state),
        controller_state: chunk(controller_state),
    };
    Ok(PyBytes::new(py, &preset.write().or_raise()?))
}

/// The fields of a VST3 plugin's state of any kind: a `.vstpreset` container, a JUCE host's blob,
/// or a bare processor's state. Only the first has a class id.
#[pyfunction]
pub fn _split_vst3_state<'py>(py: Python<'py>, data: Blob<'py>) -> PyResult<Fields<'py>> {
    let state = data.as_slice();
    if VstPreset::is_one(state) {
        return _read_vstpreset(py, data);
    }
    if JuceState::is_one(state) {
        let state = JuceState::read(state).or_raise()?;
        let controller = state.controller.map(|chunk| PyBytes::new(py, &chunk));
        return Ok((None, Some(PyBytes::new(py, &state.component)), controller));
    }
    Ok((None, Some(PyBytes::new(py, state)), None))
}

/// The class id of the first plugin of a VST3 bundle.
///
/// Args:
///     vst3_path: The bundle, a folder. Its ``Contents/Resources/moduleinfo.json`` is read.
///
/// Returns:
///     32 hex digits in upper case.
///
/// Raises:
///     ValueError: The bundle has no such file, as those from before VST 3.7.5, or it is broken or
///         names no plugin.
#[pyfunction]
pub fn read_class_id_from_bundle(py: Python<'_>, vst3_path: PathText) -> PyResult<String> {
    py.detach(|| plugpen::read_class_id_from_bundle(&vst3_path.0))
        .or_raise()
}

/// The fields of a `.fxp` or `.fxb` file: those of `Vst2Preset`, programs as such tuples.
#[pyfunction]
pub fn _read_vst2preset<'py>(py: Python<'py>, data: Blob<'py>) -> PyResult<Bound<'py, PyTuple>> {
    match fxb::File::read(data.as_slice()).or_raise()? {
        fxb::File::Program(program) => program_fields(py, &program),
        fxb::File::Bank(bank) => {
            let (chunk, programs) = match &bank.content {
                fxb::Content::Chunk(chunk) => (Some(PyBytes::new(py, chunk)), PyList::empty(py)),
                fxb::Content::List(programs) => {
                    let programs: Vec<_> = programs
                        .iter()
                        .map(|program| program_fields(py, program))
                        .collect::<PyResult<_>>()?;
                    (None, PyList::new(py, programs)?)
                }
            };
            (
                true,
                bank.plugin_id,
                bank.plugin_version,
                "",
                chunk,
                PyList::empty(py),
                programs,
                bank.current_program,
            )
                .into_pyobject(py)
        }
    }
}

fn program_fields<'py>(py: Python<'py>, program: &fxb::Program) -> PyResult<Bound<'py, PyTuple>> {
    let (chunk, values) = match &program.content {
        fxb::Content::Chunk(chunk) => (Some(PyBytes::new(py, chunk)), PyList::empty(py)),
        fxb::Content::List(values) => (None, PyList::new(py, values)?),
    };
    (
        false,
        program.plugin_id,
        program.plugin_version,
        program.name.as_str(),
        chunk,
        values,
        PyList::empty(py),
        0,
    )
        .into_pyobject(py)
}
