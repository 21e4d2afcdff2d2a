//! When a dead plugin is brought back without being asked, and how often.

use std::time::Duration;

use plugpen_proto::v1::{DeathKind, RestartPolicy};
use serde::Deserialize;

use super::ConfigError;

/// The words of the policies, here and on every command line.
pub const POLICIES: [(&str, RestartPolicy); 3] = [
    ("never", RestartPolicy::Never),
    ("on-crash", RestartPolicy::OnCrash),
    ("always", RestartPolicy::Always),
];

/// Restarts by policy.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Restarts {
    /// For plugins that were opened without one: never, on-crash or always.
    pub policy: String,
    /// The first death within the window is followed by a restart at once, the second after
    /// this delay, each further one after twice the last.
    pub delay_seconds: f64,
    /// The delay grows no longer than this.
    pub longest_delay_seconds: f64,
    /// Deaths of one plugin file (by its contents) within the window, after which it is left dead.
    pub crashes: u32,
    /// The window.
    pub within_seconds: f64,
}

impl Default for Restarts {
    fn default() -> Self {
        Self {
            policy: "never".into(),
            delay_seconds: 0.1,
            longest_delay_seconds: 10.0,
            crashes: 10,
            within_seconds: 60.0,
        }
    }
}

impl Restarts {
    /// The policy of a plugin that was opened with this one.
    pub fn policy(&self, wished: RestartPolicy) -> RestartPolicy {
        let named = POLICIES.iter().find(|(name, _)| *name == self.policy);
        match wished {
            RestartPolicy::Unspecified => named.map_or(RestartPolicy::Never, |(_, policy)| *policy),
            wished => wished,
        }
    }

    /// How long to wait after so many deaths within the window; `None` when that is enough.
    pub fn delay(&self, deaths: u32) -> Option<Duration> {
        if deaths > self.crashes {
            return None;
        }
        let doublings = deaths.checked_sub(2).map(|n| n.min(60));
        let delay = doublings.map_or(0.0, |n| {
            (self.delay_seconds * 2f64.powi(i32::try_from(n).unwrap_or(60)))
                .min(self.longest_delay_seconds)
        });
        Some(Duration::from_secs_f64(delay))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if !POLICIES.iter().any(|(name, _)| *name == self.policy) {
            return Err(ConfigError::Value(format!(
                "restarts.policy is {:?}; use never, on-crash or always",
                self.policy
            )));
        }
        for (name, seconds) in [
            ("delay_seconds", self.delay_seconds),
            ("longest_delay_seconds", self.longest_delay_seconds),
            ("within_seconds", self.within_seconds),
        ] {
            if !(0.0..=super::bounds::LONGEST_SECONDS).contains(&seconds) {
                return Err(ConfigError::Value(format!(
                    "restarts.{name} is {seconds}; expected 0 to {}",
                    super::bounds::LONGEST_SECONDS
                )));
            }
        }
        Ok(())
    }
}

/// Whether a policy asks for a restart after such a death.
pub fn restarts_after(policy: RestartPolicy, death: DeathKind) -> bool {
    match policy {
        RestartPolicy::Always => true,
        RestartPolicy::OnCrash => death != DeathKind::Killed,
        RestartPolicy::Never | RestartPolicy::Unspecified => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_end() {
        let restarts = Restarts {
            delay_seconds: 0.5,
            longest_delay_seconds: 3.0,
            crashes: 6,
            ..Restarts::default()
        };
        let delays: Vec<_> = (1..=7)
            .map(|n| restarts.delay(n).map(|d| d.as_secs_f64()))
            .collect();
        assert_eq!(
            delays,
            [
                Some(0.0),
                Some(0.5),
                Some(1.0),
                Some(2.0),
                Some(3.0),
                Some(3.0),
                None
            ]
        );
        assert!(Restarts::default().delay(u32::MAX).is_none());
    }

    #[test]
    fn a_policy_of_the_plugin_wins_over_the_default() {
        let restarts = Restarts {
            policy: "always".into(),
            ..Restarts::default()
        };
        assert_eq!(restarts.policy(RestartPolicy::Never), RestartPolicy::Never);
        assert_eq!(
            restarts.policy(RestartPolicy::Unspecified),
            RestartPolicy::Always
        );
        assert!(!restarts_after(RestartPolicy::OnCrash, DeathKind::Killed));
        assert!(restarts_after(RestartPolicy::OnCrash, DeathKind::Hang));
        assert!(restarts_after(RestartPolicy::Always, DeathKind::Killed));
        assert!(!restarts_after(RestartPolicy::Never, DeathKind::Signal));
    }
}
