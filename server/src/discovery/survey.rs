//! What this machine can do, as a worker finds out.

use plugpen_proto::Error;
use plugpen_proto::v1::{ErrorReason, FormatSupport, PluginFormat, SandboxReport};
use plugpen_proto::worker::Probe;

use super::probe::Prober;
use crate::daemon::Daemon;

/// The formats that workers can host here, and their jail.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    /// One entry a format.
    pub formats: Vec<FormatSupport>,
    /// The jail as a fresh worker reports it.
    pub sandbox: Option<SandboxReport>,
}

impl Survey {
    /// Whether plugins of this format can be hosted.
    pub fn hosts(&self, format: PluginFormat) -> bool {
        self.formats
            .iter()
            .any(|support| support.format() == format && support.available)
    }
}

const FORMATS: [PluginFormat; 5] = [
    PluginFormat::Null,
    PluginFormat::Lv2,
    PluginFormat::Vst2,
    PluginFormat::Vst3,
    PluginFormat::AudioUnit,
];

/// What to know of a format wherever it is hosted.
fn caution(format: PluginFormat) -> Option<&'static str> {
    match format {
        PluginFormat::AudioUnit => Some(
            "never run on macOS by its makers: type-checked for it, and tested against a \
             simulated AudioToolbox",
        ),
        _ => None,
    }
}

/// The survey, made by a probe worker the first time it is asked for.
///
/// # Errors
/// No worker can be started.
pub async fn survey(daemon: &Daemon) -> Result<&Survey, Error> {
    daemon.survey.get_or_try_init(|| make(daemon)).await
}

async fn make(daemon: &Daemon) -> Result<Survey, Error> {
    let mut prober = Prober::new(daemon, Vec::new(), "the survey".into());
    let hello = prober.start().await?;
    let mut formats = Vec::new();
    for format in FORMATS {
        // Nothing to read: it only says whether it could.
        let request = Probe {
            format: format.into(),
            ..Probe::default()
        };
        let answer = prober.probe(request).await;
        if let Err(error) = &answer
            && error.reason != ErrorReason::Unsupported
        {
            tracing::warn!(?format, %error, "the survey of a format failed");
        }
        let missing = answer.as_ref().err().map(|error| error.message.as_str());
        let notes: Vec<&str> = missing.into_iter().chain(caution(format)).collect();
        formats.push(FormatSupport {
            format: format.into(),
            available: answer.is_ok(),
            note: notes.join("; "),
        });
    }
    prober.end().await;
    Ok(Survey {
        formats,
        sandbox: hello.and_then(|hello| hello.sandbox),
    })
}
