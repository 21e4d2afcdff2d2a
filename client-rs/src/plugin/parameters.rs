//! Parameters: values are normalised to 0 to 1, indices count from 0.

use std::sync::Arc;

use plugpen_engine::Parameters;
use plugpen_proto::v1::{
    BeginParameterGestureRequest, EndParameterGestureRequest, GetParameterRequest,
    GetParametersRequest, ListNoteExpressionsRequest, ListParametersRequest, NoteExpressionType,
    Parameter, ParameterFromTextRequest, ParameterKind, ParameterToTextRequest, ParameterValue,
    SetParameterRequest, SetParametersRequest,
};

use super::Plugin;
use super::shared::lock;
use crate::connection::QUICK;
use crate::error::{Error, Result};
use crate::options::check_value;

impl Plugin {
    /// Number of parameters.
    pub fn num_params(&self) -> u32 {
        self.shared.facts().num_parameters
    }

    /// The value of a parameter, 0 to 1.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn get_param(&self, index: u32) -> Result<f64> {
        self.check_index(index)?;
        let request = GetParameterRequest {
            handle: self.shared.handle.clone(),
            index,
        };
        let got = self.live()?.call(
            "GetParameter",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.get_parameter(request).await },
        )?;
        Ok(got.value)
    }

    /// Sets a parameter; values beyond 0 and 1 are clamped. It is read back and in the state at
    /// once, and heard from the next block on, after all blocks processed so far.
    ///
    /// # Errors
    /// `IndexOutOfRange`, `InvalidInput` for a value that is not finite, and those of every call.
    pub fn set_param(&self, index: u32, value: f64) -> Result<()> {
        self.check_index(index)?;
        check_value(value)?;
        let request = SetParameterRequest {
            handle: self.shared.handle.clone(),
            index,
            value,
        };
        let set = self.live()?.call(
            "SetParameter",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.set_parameter(request).await },
        )?;
        self.shared.journal().parameter_set(index, set.value);
        Ok(())
    }

    /// The values of all parameters, by index.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn get_params(&self) -> Result<Vec<f64>> {
        let request = GetParametersRequest {
            handle: self.shared.handle.clone(),
        };
        let got = self.live()?.call(
            "GetParameters",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.get_parameters(request).await },
        )?;
        Ok(got.values)
    }

    /// Sets many parameters in one call, all or none.
    ///
    /// # Errors
    /// As [`Plugin::set_param`].
    pub fn set_params(&self, values: &[(u32, f64)]) -> Result<()> {
        for &(index, value) in values {
            self.check_index(index)?;
            check_value(value)?;
        }
        let clamped = |&(index, value): &(u32, f64)| ParameterValue {
            index,
            value: value.clamp(0.0, 1.0),
        };
        let values: Vec<_> = values.iter().map(clamped).collect();
        self.send_params(values.clone())?;
        let mut journal = self.shared.journal();
        for value in values {
            journal.parameter_set(value.index, value.value);
        }
        Ok(())
    }

    pub(crate) fn send_params(&self, values: Vec<ParameterValue>) -> Result<()> {
        let request = SetParametersRequest {
            handle: self.shared.handle.clone(),
            values,
        };
        self.live()?
            .call(
                "SetParameters",
                QUICK,
                request,
                |mut api, request| async move { api.parameters.set_parameters(request).await },
            )
            .map(drop)
    }

    /// Everything about one parameter, with its value and text as they are now.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn get_param_info(&self, index: u32) -> Result<Parameter> {
        self.check_index(index)?;
        self.list_params(index, 1)?
            .pop()
            .filter(|parameter| parameter.index == index)
            .ok_or_else(|| Error::bug(format!("the daemon did not describe parameter {index}")))
    }

    /// Everything about every parameter, with values and texts as they are now.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn params(&self) -> Result<Vec<Parameter>> {
        self.list_params(0, 0)
    }

    fn list_params(&self, start: u32, count: u32) -> Result<Vec<Parameter>> {
        let request = ListParametersRequest {
            handle: self.shared.handle.clone(),
            start,
            count,
        };
        let listed = self.live()?.call(
            "ListParameters",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.list_parameters(request).await },
        )?;
        let mut parameters = listed.parameters;
        for parameter in &mut parameters {
            if parameter.kind() == ParameterKind::Path {
                parameter.text = self.own_text(std::mem::take(&mut parameter.text));
            }
        }
        Ok(parameters)
    }

    /// What does not change of every parameter: names, ids, ranges, steps. Kept until the plugin
    /// says that it changed; the values and texts in it are old.
    ///
    /// # Errors
    /// Those of every call: see [`Plugin`].
    pub fn param_descriptions(&self) -> Result<Arc<[Parameter]>> {
        if let Some(known) = lock(&self.shared.descriptions).clone() {
            return Ok(known);
        }
        let fresh: Arc<[Parameter]> = self.params()?.into();
        *lock(&self.shared.descriptions) = Some(fresh.clone());
        Ok(fresh)
    }

    /// What can be shaped of the notes on a channel (0 to 15) of an event input, from 0; empty where
    /// the plugin takes no note expression.
    ///
    /// # Errors
    /// `InvalidInput` for a channel that there cannot be, and those of every call: see [`Plugin`].
    pub fn note_expressions(&self, bus: u32, channel: u32) -> Result<Vec<NoteExpressionType>> {
        let request = ListNoteExpressionsRequest {
            handle: self.shared.handle.clone(),
            bus,
            channel,
        };
        let listed = self.live()?.call(
            "ListNoteExpressions",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.list_note_expressions(request).await },
        )?;
        Ok(listed.types)
    }

    /// The index of the first parameter with this name, whatever the case.
    ///
    /// # Errors
    /// `InvalidInput` with similar names where there is none, and those of every call.
    pub fn find_param(&self, name: &str) -> Result<u32> {
        let parameters = self.param_descriptions()?;
        let wanted = name.to_lowercase();
        parameters
            .iter()
            .find(|parameter| parameter.name.to_lowercase() == wanted)
            .map(|parameter| parameter.index)
            .ok_or_else(|| not_found(name, &parameters))
    }

    /// How the plugin would show a value of a parameter. The value is clamped to 0 to 1.
    ///
    /// # Errors
    /// `IndexOutOfRange`, `InvalidInput` for a value that is not finite, and those of every call.
    pub fn param_to_text(&self, index: u32, value: f64) -> Result<String> {
        self.check_index(index)?;
        check_value(value)?;
        let request = ParameterToTextRequest {
            handle: self.shared.handle.clone(),
            index,
            value: value.clamp(0.0, 1.0),
        };
        let shown = self.live()?.call(
            "ParameterToText",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.parameter_to_text(request).await },
        )?;
        Ok(self.own_text(shown.text))
    }

    /// The value that the plugin reads from a text, 0 to 1; what it makes of junk is its own
    /// affair. A parameter of texts gives each text a value. Where it is a path, the text may name
    /// any file of this process's, which is handed over: see [`Plugin::stage_file`].
    ///
    /// # Errors
    /// `IndexOutOfRange`, those of [`Plugin::stage_file`], and those of every call: see
    /// [`Plugin`].
    pub fn param_from_text(&self, index: u32, text: &str) -> Result<f64> {
        self.check_index(index)?;
        match self.worker_text(index, text)? {
            Some(theirs) => {
                let value = self.send_text(index, &theirs)?;
                self.told(index, text, value);
                Ok(value)
            }
            None => self.send_text(index, text),
        }
    }

    fn send_text(&self, index: u32, text: &str) -> Result<f64> {
        let request = ParameterFromTextRequest {
            handle: self.shared.handle.clone(),
            index,
            text: text.into(),
        };
        let read = self.live()?.call(
            "ParameterFromText",
            QUICK,
            request,
            |mut api, request| async move { api.parameters.parameter_from_text(request).await },
        )?;
        Ok(read.value)
    }

    /// Tells the plugin that the user has taken hold of a parameter.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn begin_param_gesture(&self, index: u32) -> Result<()> {
        self.check_index(index)?;
        let request = BeginParameterGestureRequest {
            handle: self.shared.handle.clone(),
            index,
        };
        self.live()?.call("BeginParameterGesture", QUICK, request, |mut api, request| async move {
                api.parameters.begin_parameter_gesture(request).await
            })
            .map(drop)
    }

    /// Tells the plugin that the user has let go of a parameter.
    ///
    /// # Errors
    /// `IndexOutOfRange`, and those of every call: see [`Plugin`].
    pub fn end_param_gesture(&self, index: u32) -> Result<()> {
        self.check_index(index)?;
        let request = EndParameterGestureRequest {
            handle: self.shared.handle.clone(),
            index,
        };
        self.live()?.call("EndParameterGesture", QUICK, request, |mut api, request| async move {
                api.parameters.end_parameter_gesture(request).await
            })
            .map(drop)
    }

    fn check_index(&self, index: u32) -> Result<()> {
        let count = self.num_params();
        if index < count {
            return Ok(());
        }
        self.shared.check_open()?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Err(Error::out_of_range("parameter", index, count))
    }
}

impl Parameters for Plugin {
    fn find_param(&self, name: &str) -> Result<u32> {
        Plugin::find_param(self, name)
    }

    fn param_from_text(&self, index: u32, text: &str) -> Result<f64> {
        Plugin::param_from_text(self, index, text)
    }
}

fn not_found(name: &str, parameters: &[Parameter]) -> Error {
    let wanted = name.to_lowercase();
    let similar: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .filter(|candidate| {
            let candidate = candidate.to_lowercase();
            candidate.contains(&wanted) || (!candidate.is_empty() && wanted.contains(&candidate))
        })
        .take(5)
        .collect();
    let hint = match similar.is_empty() {
        true => String::new(),
        false => format!(" Similar: {}.", similar.join(", ")),
    };
    Error::invalid(format!("Parameter not found: '{name}'.{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_suggests_similar_ones() {
        let named = |name: &str| Parameter {
            name: name.into(),
            ..Parameter::default()
        };
        let parameters = [named("Filter Cutoff"), named("Gain"), named("")];
        assert_eq!(
            not_found("cutoff", &parameters).message,
            "Parameter not found: 'cutoff'. Similar: Filter Cutoff."
        );
        assert_eq!(
            not_found("x", &parameters).message,
            "Parameter not found: 'x'."
        );
    }
}
