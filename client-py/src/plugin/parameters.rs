//! Parameters: values of 0 to 1, texts, gestures, morphing.

use plugpen::v1::{NoteExpressionType, Parameter, ParameterKind};
use plugpen_proto::limits::MAX_CHANNELS;
use pyo3::{prelude::*, types::PyDict};

use super::Plugin;
use crate::{arguments::Int, errors::invalid};

impl Plugin {
    fn parameter(&self, index: Int, failed: &str) -> PyResult<u32> {
        index.index("parameter", self.open()?.num_params(), failed)
    }
}

/// A finite value brought to 0..1.
fn normalised(value: f64) -> PyResult<f64> {
    match value.is_finite() {
        true => Ok(value.clamp(0.0, 1.0)),
        false => Err(invalid(format!(
            "value must be a finite number, got {value}"
        ))),
    }
}

#[pymethods]
impl Plugin {
    /// The value of a parameter, 0 to 1.
    ///
    /// Raises:
    ///     IndexOutOfRange: There is no such parameter.
    fn get_param(&self, py: Python<'_>, index: Int) -> PyResult<f64> {
        let index = self.parameter(index, "get parameter")?;
        self.call(py, |plugin| plugin.get_param(index))
    }

    /// Set a parameter. It is heard from the next block on and is in `get_state` at once.
    ///
    /// Args:
    ///     index: 0 up to `num_params` - 1.
    ///     value: Finite; brought to 0..1.
    fn set_param(&self, py: Python<'_>, index: Int, value: f64) -> PyResult<()> {
        let (index, value) = (self.parameter(index, "set parameter")?, normalised(value)?);
        self.call(py, |plugin| plugin.set_param(index, value))
    }

    /// Everything about a parameter.
    ///
    /// Returns:
    ///     A dict with ``name``, ``id`` (the format's stable one), ``label`` (the unit),
    ///     ``current_value_str``, ``min_value`` and ``max_value`` (0.0 and 1.0), ``default_value``
    ///     (also as ``default``), ``num_steps`` (0 if continuous), ``is_automatable``,
    ///     ``is_boolean``, ``category`` (JUCE's number; 0 is generic) and ``kind``: "number",
    ///     "text" or "path". Of a text or path, `param_from_text` gives the value to set.
    fn get_param_info<'py>(&self, py: Python<'py>, index: Int) -> PyResult<Bound<'py, PyDict>> {
        let index = self.parameter(index, "get parameter info")?;
        let info = self.call(py, |plugin| plugin.get_param_info(index))?;
        info_dict(py, &info)
    }

    /// The text the plugin shows for a value ("2500 Hz").
    ///
    /// Args:
    ///     index: 0 up to `num_params` - 1.
    ///     value: Finite; brought to 0..1.
    fn param_to_text(&self, py: Python<'_>, index: Int, value: f64) -> PyResult<String> {
        let (index, value) = (
            self.parameter(index, "convert parameter to text")?,
            normalised(value)?,
        );
        self.call(py, |plugin| plugin.param_to_text(index, value))
    }

    /// The value, 0 to 1, that the plugin reads in a text. What it makes of nonsense is up to it.
    fn param_from_text(&self, py: Python<'_>, index: Int, text: &str) -> PyResult<f64> {
        let index = self.parameter(index, "convert text to parameter value")?;
        self.call(py, |plugin| plugin.param_from_text(index, text))
    }

    /// Say that a user begins to move a parameter.
    fn begin_param_gesture(&self, py: Python<'_>, index: Int) -> PyResult<()> {
        let index = self.parameter(index, "begin parameter gesture")?;
        self.call(py, |plugin| plugin.begin_param_gesture(index))
    }

    /// Say that a user has stopped moving a parameter.
    fn end_param_gesture(&self, py: Python<'_>, index: Int) -> PyResult<()> {
        let index = self.parameter(index, "end parameter gesture")?;
        self.call(py, |plugin| plugin.end_param_gesture(index))
    }

    /// What can be shaped of the notes on a channel of an event input.
    ///
    /// Args:
    ///     bus_index: An event input, from 0.
    ///     channel: 0 to 15.
    ///
    /// Returns:
    ///     A dict for each property, with ``type_id`` (for `NoteExpression`), ``name``,
    ///     ``short_name``, ``label``, ``default_value``, ``min_value``, ``max_value`` (all 0 to 1),
    ///     ``num_steps`` (0 if continuous), ``is_bipolar``, ``is_one_shot``, ``is_absolute`` and
    ///     ``param_index`` (the parameter that does the same for all notes, or None). Empty where
    ///     the plugin takes no note expression.
    #[pyo3(signature = (bus_index = Int(0), channel = Int(0)),
        text_signature = "($self, bus_index=0, channel=0)")]
    fn note_expressions<'py>(
        &self,
        py: Python<'py>,
        bus_index: Int,
        channel: Int,
    ) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let bus = bus_index.within("bus_index", 0, MAX_CHANNELS - 1)?;
        let channel = channel.within("channel", 0, 15)?;
        let types = self.call(py, |plugin| plugin.note_expressions(bus, channel))?;
        let dict = |kind: NoteExpressionType| {
            let info = PyDict::new(py);
            info.set_item("type_id", kind.type_id)?;
            info.set_item("name", kind.name)?;
            info.set_item("short_name", kind.short_name)?;
            info.set_item("label", kind.label)?;
            info.set_item("default_value", kind.default_value)?;
            info.set_item("min_value", kind.minimum)?;
            info.set_item("max_value", kind.maximum)?;
            info.set_item("num_steps", kind.num_steps)?;
            info.set_item("is_bipolar", kind.is_bipolar)?;
            info.set_item("is_one_shot", kind.is_one_shot)?;
            info.set_item("is_absolute", kind.is_absolute)?;
            info.set_item("param_index", kind.parameter)?;
            Ok(info)
        };
        types.into_iter().map(dict).collect()
    }

    /// The index of the first parameter of that name, whatever its case.
    ///
    /// Raises:
    ///     InvalidInput: There is none.
    fn find_param(&self, py: Python<'_>, name: &str) -> PyResult<u32> {
        self.call(py, |plugin| plugin.find_param(name))
    }

    /// The value of the first parameter of that name, 0 to 1.
    fn get_param_by_name(&self, py: Python<'_>, name: &str) -> PyResult<f64> {
        let index = self.find_param(py, name)?;
        self.call(py, |plugin| plugin.get_param(index))
    }

    /// Set the first parameter of that name; see `set_param`.
    fn set_param_by_name(&self, py: Python<'_>, name: &str, value: f64) -> PyResult<()> {
        let value = normalised(value)?;
        let index = self.find_param(py, name)?;
        self.call(py, |plugin| plugin.set_param(index, value))
    }

    /// The values of all parameters, 0 to 1, by index.
    fn morph_capture(&self, py: Python<'_>) -> PyResult<Vec<f64>> {
        self.call(py, |plugin| plugin.get_params())
    }

    /// Set all parameters.
    ///
    /// Args:
    ///     values: `num_params` finite numbers; brought to 0..1.
    fn morph_apply(&self, py: Python<'_>, values: Vec<f64>) -> PyResult<()> {
        let count = usize::try_from(self.open()?.num_params())?;
        if values.len() != count {
            return Err(invalid(format!(
                "values must have one number for each of the {count} parameters, got {}",
                values.len()
            )));
        }
        let values = (0..)
            .zip(values)
            .map(|(index, value)| Ok((index, normalised(value)?)))
            .collect::<PyResult<Vec<(u32, f64)>>>()?;
        self.call(py, |plugin| plugin.set_params(&values))
    }

    /// Set all parameters to a mixture of two captures.
    ///
    /// Args:
    ///     a: `num_params` numbers, from `morph_capture`.
    ///     b: The same.
    ///     t: 0 for `a`, 1 for `b`; a value beyond is brought into that range.
    ///
    /// Returns:
    ///     The values set.
    fn morph(&self, py: Python<'_>, a: Vec<f64>, b: Vec<f64>, t: f64) -> PyResult<Vec<f64>> {
        if a.len() != b.len() {
            return Err(invalid(format!(
                "a and b must be of one length, got {} and {} values",
                a.len(),
                b.len()
            )));
        }
        let t = normalised(t)?;
        let mixed: Vec<f64> = a
            .iter()
            .zip(&b)
            .map(|(a, b)| (a + (b - a) * t).clamp(0.0, 1.0))
            .collect();
        self.morph_apply(py, mixed.clone())?;
        Ok(mixed)
    }
}

fn info_dict<'py>(py: Python<'py>, info: &Parameter) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("name", &info.name)?;
    dict.set_item("id", &info.id)?;
    dict.set_item("label", &info.label)?;
    dict.set_item("current_value_str", &info.text)?;
    dict.set_item("min_value", 0.0)?;
    dict.set_item("max_value", 1.0)?;
    dict.set_item("default_value", info.default_value)?;
    dict.set_item("default", info.default_value)?;
    dict.set_item("num_steps", info.num_steps)?;
    dict.set_item("is_automatable", info.is_automatable)?;
    dict.set_item("is_boolean", info.is_boolean)?;
    dict.set_item("category", info.category)?;
    let kind = match info.kind() {
        ParameterKind::Unspecified | ParameterKind::Number => "number",
        ParameterKind::Text => "text",
        ParameterKind::Path => "path",
    };
    dict.set_item("kind", kind)?;
    Ok(dict)
}
