//! What can go wrong, once: reasons, gRPC codes and Python exceptions.

use crate::v1::{Death, ErrorReason};

/// A failed call, at either end of any of plugpen's channels.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// Why; decides the gRPC code and the exception.
    pub reason: ErrorReason,
    /// One or two sentences for people: what was wrong, what was expected, what to do.
    pub message: String,
    /// The worker's end, where the reason is one.
    pub death: Option<Box<Death>>,
}

impl Error {
    /// An error without a death.
    pub fn new(reason: ErrorReason, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
            death: None,
        }
    }

    /// A value is malformed ([`ErrorReason::InvalidInput`]).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::InvalidInput, message)
    }

    /// An index is beyond the end ([`ErrorReason::IndexOutOfRange`]).
    pub fn out_of_range(what: &str, index: impl std::fmt::Display, count: usize) -> Self {
        let range = match count {
            0 => format!("there are no {what}s"),
            n => format!("it must be in [0, {}]", n - 1),
        };
        Self::new(
            ErrorReason::IndexOutOfRange,
            format!("{what} index {index} is out of range: {range}"),
        )
    }

    /// This plugin cannot do that ([`ErrorReason::Unsupported`]).
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::Unsupported, message)
    }

    /// A mistake of ours ([`ErrorReason::ServerBug`]).
    pub fn bug(message: impl Into<String>) -> Self {
        Self::new(ErrorReason::ServerBug, message)
    }

    /// The error of the call that was running when a worker died.
    pub fn died(death: Death) -> Self {
        let reason = match death.kind() {
            crate::v1::DeathKind::Hang => ErrorReason::PluginHung,
            _ => ErrorReason::PluginCrashed,
        };
        Self {
            reason,
            message: death.summary.clone(),
            death: Some(Box::new(death)),
        }
    }

    /// The error of a call made after a worker had died.
    pub fn dead(death: Death) -> Self {
        Self {
            reason: ErrorReason::PluginDead,
            message: format!(
                "the plugin is dead since an earlier call: {} Call restart() to bring it back with its state.",
                death.summary
            ),
            death: Some(Box::new(death)),
        }
    }

    /// The row of the status table for this error.
    pub fn row(&self) -> &'static StatusRow {
        StatusRow::of(self.reason)
    }
}

/// The Python exceptions, all below `PluginError`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants are the exceptions' names")]
pub enum Exception {
    PluginError,
    InvalidInput,
    PluginNotFound,
    Unsupported,
    PluginCrashed,
    PluginHung,
    PluginDead,
    WrongState,
    TimedOut,
    Cancelled,
    LimitReached,
    NotAllowed,
    ServerBug,
    ServerUnavailable,
}

impl Exception {
    /// The class's name in Python.
    pub fn name(self) -> String {
        format!("{self:?}")
    }
}

/// One line of the status table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusRow {
    /// Why a call failed.
    pub reason: ErrorReason,
    /// The number of the gRPC status code.
    pub code: i32,
    /// The Python exception.
    pub exception: Exception,
}

const fn row(reason: ErrorReason, code: i32, exception: Exception) -> StatusRow {
    StatusRow {
        reason,
        code,
        exception,
    }
}

/// From reason to gRPC code to Python exception; everything else is made from or tested against
/// this. UNAVAILABLE (14) means "the daemon is not there" and nothing else, because it invites a
/// blind retry.
pub const STATUS_TABLE: &[StatusRow] = &[
    row(ErrorReason::Unspecified, 13, Exception::ServerBug),
    row(ErrorReason::InvalidInput, 3, Exception::InvalidInput),
    row(ErrorReason::IndexOutOfRange, 11, Exception::InvalidInput),
    row(ErrorReason::NotFound, 5, Exception::PluginNotFound),
    row(ErrorReason::Unsupported, 12, Exception::Unsupported),
    row(ErrorReason::PluginCrashed, 10, Exception::PluginCrashed),
    row(ErrorReason::PluginHung, 4, Exception::PluginHung),
    row(ErrorReason::PluginDead, 9, Exception::PluginDead),
    row(ErrorReason::PluginClosed, 9, Exception::WrongState),
    row(ErrorReason::WrongState, 9, Exception::WrongState),
    row(ErrorReason::Draining, 9, Exception::WrongState),
    row(ErrorReason::TimedOut, 4, Exception::TimedOut),
    row(ErrorReason::Cancelled, 1, Exception::Cancelled),
    row(ErrorReason::LimitReached, 8, Exception::LimitReached),
    row(ErrorReason::NotAllowed, 7, Exception::NotAllowed),
    row(ErrorReason::Unauthenticated, 16, Exception::NotAllowed),
    row(ErrorReason::ServerBug, 13, Exception::ServerBug),
    row(
        ErrorReason::ServerUnavailable,
        14,
        Exception::ServerUnavailable,
    ),
    row(ErrorReason::VersionMismatch, 9, Exception::WrongState),
    row(ErrorReason::PluginRefused, 9, Exception::PluginError),
];

impl StatusRow {
    /// The row of a reason.
    pub fn of(reason: ErrorReason) -> &'static StatusRow {
        STATUS_TABLE
            .iter()
            .find(|row| row.reason == reason)
            .unwrap_or(&STATUS_TABLE[0])
    }

    /// The reason's stable name: its identifier without the prefix.
    pub fn reason_name(&self) -> &'static str {
        self.reason
            .as_str_name()
            .strip_prefix("ERROR_REASON_")
            .unwrap_or("UNSPECIFIED")
    }
}

#[cfg(feature = "grpc")]
mod grpc {
    use prost::Message as _;
    use tonic::{Code, Status};
    use tonic_types::pb;

    use super::Error;
    use crate::v1::{Death, ErrorReason};

    const DOMAIN: &str = "plugpen";
    const ERROR_INFO: &str = "type.googleapis.com/google.rpc.ErrorInfo";
    const DEATH: &str = "type.googleapis.com/plugpen.v1.Death";

    impl From<Error> for Status {
        /// The message, `google.rpc.ErrorInfo` with the stable reason, and the death.
        fn from(error: Error) -> Self {
            let row = error.row();
            let info = pb::ErrorInfo {
                reason: row.reason_name().into(),
                domain: DOMAIN.into(),
                metadata: Default::default(),
            };
            let mut details = vec![prost_types::Any {
                type_url: ERROR_INFO.into(),
                value: info.encode_to_vec(),
            }];
            if let Some(death) = &error.death {
                details.push(prost_types::Any {
                    type_url: DEATH.into(),
                    value: death.encode_to_vec(),
                });
            }
            let status = pb::Status {
                code: row.code,
                message: error.message.clone(),
                details,
            };
            Status::with_details(
                Code::from_i32(row.code),
                error.message,
                status.encode_to_vec().into(),
            )
        }
    }

    impl From<Status> for Error {
        /// Reads what [`From<Error> for Status`] wrote; a status of another origin (the
        /// transport, a proxy) is named by its code.
        fn from(status: Status) -> Self {
            let mut reason = None;
            let mut death = None;
            let details = pb::Status::decode(status.details()).unwrap_or_default();
            for any in details.details {
                match any.type_url.as_str() {
                    ERROR_INFO => {
                        let info = pb::ErrorInfo::decode(&*any.value).unwrap_or_default();
                        reason =
                            ErrorReason::from_str_name(&format!("ERROR_REASON_{}", info.reason));
                    }
                    DEATH => death = Death::decode(&*any.value).ok().map(Box::new),
                    _ => {}
                }
            }
            let reason = reason.unwrap_or(match status.code() {
                Code::Unavailable => ErrorReason::ServerUnavailable,
                Code::DeadlineExceeded => ErrorReason::TimedOut,
                Code::Cancelled => ErrorReason::Cancelled,
                Code::Unimplemented => ErrorReason::VersionMismatch,
                Code::Unauthenticated => ErrorReason::Unauthenticated,
                Code::PermissionDenied => ErrorReason::NotAllowed,
                Code::ResourceExhausted => ErrorReason::LimitReached,
                Code::InvalidArgument => ErrorReason::InvalidInput,
                Code::NotFound => ErrorReason::NotFound,
                // A transport that broke: h2 says Unknown or Internal with a source.
                _ if std::error::Error::source(&status).is_some() => ErrorReason::ServerUnavailable,
                _ => ErrorReason::ServerBug,
            });
            Self {
                reason,
                message: status.message().to_owned(),
                death,
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn every_row_survives_the_status() {
            for row in super::super::STATUS_TABLE.iter().skip(1) {
                let mut error = Error::new(row.reason, "why");
                error.death = Some(Box::new(Death {
                    signal: 11,
                    ..Death::default()
                }));
                let status = Status::from(error.clone());
                assert_eq!(status.code() as i32, row.code);
                assert_eq!(Error::from(status), error);
            }
        }

        #[test]
        fn only_a_missing_daemon_is_unavailable() {
            let rows: Vec<_> = super::super::STATUS_TABLE
                .iter()
                .filter(|row| row.code == Code::Unavailable as i32)
                .map(|row| row.reason)
                .collect();
            assert_eq!(rows, [ErrorReason::ServerUnavailable]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_one_row() {
        for number in 0..64 {
            let Ok(reason) = ErrorReason::try_from(number) else {
                continue;
            };
            let rows = STATUS_TABLE.iter().filter(|row| row.reason == reason);
            assert_eq!(rows.count(), 1, "{reason:?}");
        }
    }
}
