//! A client's session: the owner of handles, events and limits.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;
use tokio::sync::OnceCell;

use crate::config::Limits;
use crate::connection::Peer;
use crate::devices::{self, Device};
use crate::events::Hub;
use crate::ids;
use crate::lock::lock;
use crate::plugins::Plugin;

/// Handles of closed plugins that a session remembers, to tell "closed" from "never was".
const REMEMBERED_CLOSED: usize = 1024;
/// Request ids that a session remembers.
const REMEMBERED_REQUESTS: usize = 256;
/// Over which deaths are counted.
const CRASH_WINDOW: Duration = Duration::from_secs(60);
/// Longest name a client may give itself, in bytes.
const MAX_NAME: usize = 256;

/// What a repeated request waits for: the handle the first one opened.
pub type Opening = Arc<OnceCell<String>>;

/// One session.
pub struct Session {
    /// The id in the calls' metadata; whoever knows it owns the session.
    pub id: String,
    /// What the client calls itself.
    pub name: String,
    /// Whose it is, as the gate tells callers apart.
    pub client: Arc<str>,
    /// Its events.
    pub hub: Arc<Hub>,
    /// Those of all sessions.
    pub everyone: Arc<Hub>,
    max_plugins: usize,
    max_crashes: usize,
    inner: Mutex<Inner>,
}

struct Inner {
    plugins: HashMap<String, Arc<Plugin>>,
    /// Open sound devices and MIDI inputs.
    devices: HashMap<String, Arc<Device>>,
    /// Plugins that are being opened and count already.
    opening: usize,
    closed_handles: VecDeque<String>,
    requests: VecDeque<(String, Opening)>,
    /// The connections it was used on.
    peers: Vec<Weak<Peer>>,
    last_connected: Instant,
    closed: bool,
    /// Its plugins' latest deaths.
    crashes: VecDeque<Instant>,
}

impl Session {
    fn new(
        id: String,
        name: String,
        client: Arc<str>,
        limits: &Limits,
        everyone: Arc<Hub>,
    ) -> Self {
        Self {
            id,
            name,
            client,
            hub: Arc::new(Hub::new(limits.watchers_per_session)),
            everyone,
            max_plugins: limits.plugins_per_session,
            max_crashes: limits.crashes_per_minute,
            inner: Mutex::new(Inner {
                plugins: HashMap::new(),
                devices: HashMap::new(),
                opening: 0,
                closed_handles: VecDeque::new(),
                requests: VecDeque::new(),
                peers: Vec::new(),
                last_connected: Instant::now(),
                closed: false,
                crashes: VecDeque::new(),
            }),
        }
    }

    /// Notes that it is used on this connection, which keeps it.
    pub fn used_by(&self, peer: &Arc<Peer>) {
        let mut inner = lock(&self.inner);
        inner.last_connected = Instant::now();
        let known = inner.peers.iter().any(|p| p.as_ptr() == Arc::as_ptr(peer));
        if !known {
            inner.peers.retain(|p| p.strong_count() > 0);
            inner.peers.push(Arc::downgrade(peer));
        }
    }

    /// Whether its last connection has been gone for longer than the grace period.
    fn is_abandoned(&self, now: Instant, grace: Duration) -> bool {
        let mut inner = lock(&self.inner);
        if inner.peers.iter().any(|p| p.strong_count() > 0) {
            inner.last_connected = now;
            return false;
        }
        now.saturating_duration_since(inner.last_connected) > grace
    }

    /// Its plugin of that handle.
    ///
    /// # Errors
    /// It was closed, or this session never had one.
    pub fn plugin(&self, handle: &str) -> Result<Arc<Plugin>, Error> {
        let inner = lock(&self.inner);
        if let Some(plugin) = inner.plugins.get(handle) {
            return Ok(plugin.clone());
        }
        if inner.closed_handles.iter().any(|closed| closed == handle) {
            return Err(Error::new(
                ErrorReason::PluginClosed,
                format!("the plugin {handle} was closed; open it again"),
            ));
        }
        Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "this session has no plugin {handle:?}; handles come from OpenPlugin and belong to one session"
            ),
        ))
    }

    /// Its plugins, oldest first.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<_> = lock(&self.inner).plugins.values().cloned().collect();
        plugins.sort_by_key(|plugin| plugin.number);
        plugins
    }

    /// Its device of that handle.
    ///
    /// # Errors
    /// It was closed, or this session never had one.
    pub fn device(&self, handle: &str) -> Result<Arc<Device>, Error> {
        let inner = lock(&self.inner);
        if let Some(device) = inner.devices.get(handle) {
            return Ok(device.clone());
        }
        if inner.closed_handles.iter().any(|closed| closed == handle) {
            return Err(devices::closed(handle));
        }
        Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "this session has no device {handle:?}; handles come from OpenDevice and OpenMidiIn and belong to one session"
            ),
        ))
    }

    /// Takes a device in.
    ///
    /// # Errors
    /// The session was closed meanwhile; the device comes back.
    pub fn add_device(&self, device: Arc<Device>) -> Result<(), (Error, Arc<Device>)> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err((session_closed(), device));
        }
        inner.devices.insert(device.handle.clone(), device);
        Ok(())
    }

    /// Takes a device out; `None` if it was closed before.
    ///
    /// # Errors
    /// This session never had it.
    pub fn remove_device(&self, handle: &str) -> Result<Option<Arc<Device>>, Error> {
        let mut inner = lock(&self.inner);
        if let Some(device) = inner.devices.remove(handle) {
            inner.remember_closed(handle);
            return Ok(Some(device));
        }
        let known = inner.closed_handles.iter().any(|closed| closed == handle);
        drop(inner);
        match known {
            true => Ok(None),
            false => self.device(handle).map(|_| None),
        }
    }

    /// Counts a death of one of its plugins.
    pub fn note_crash(&self, now: Instant) {
        let mut inner = lock(&self.inner);
        if inner.crashes.len() >= self.max_crashes.max(1) {
            inner.crashes.pop_front();
        }
        inner.crashes.push_back(now);
    }

    /// Whether its plugins do not die all the time.
    ///
    /// # Errors
    /// They do: nothing is to be started for it now.
    pub fn check_crash_rate(&self, now: Instant) -> Result<(), Error> {
        let mut inner = lock(&self.inner);
        inner
            .crashes
            .retain(|death| now.saturating_duration_since(*death) < CRASH_WINDOW);
        if inner.crashes.len() < self.max_crashes {
            return Ok(());
        }
        Err(Error::new(
            ErrorReason::LimitReached,
            format!(
                "{} plugins of this session died within a minute (limit \"crashes_per_minute\"); wait before starting more",
                inner.crashes.len()
            ),
        ))
    }

    /// Reserves a place for a plugin that is about to be opened.
    ///
    /// # Errors
    /// The session is full or closed.
    pub fn reserve(self: &Arc<Self>) -> Result<Place, Error> {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return Err(session_closed());
        }
        if inner.plugins.len() + inner.opening >= self.max_plugins {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "this session has {} plugins (limit \"plugins_per_session\"), dead ones included; close some",
                    self.max_plugins
                ),
            ));
        }
        inner.opening += 1;
        Ok(Place(self.clone()))
    }

    /// Takes a plugin out; `None` if it was closed before.
    ///
    /// # Errors
    /// This session never had it.
    pub fn remove(&self, handle: &str) -> Result<Option<Arc<Plugin>>, Error> {
        let mut inner = lock(&self.inner);
        let Some(plugin) = inner.plugins.remove(handle) else {
            drop(inner);
            return match self.plugin(handle) {
                Err(error) if error.reason == ErrorReason::PluginClosed => Ok(None),
                Err(error) => Err(error),
                Ok(_) => Ok(None),
            };
        };
        inner.remember_closed(handle);
        Ok(Some(plugin))
    }

    /// Where requests of this id meet.
    pub fn opening(&self, request_id: &str) -> Opening {
        let mut inner = lock(&self.inner);
        if let Some((_, opening)) = inner.requests.iter().find(|(id, _)| id == request_id) {
            return opening.clone();
        }
        if inner.requests.len() == REMEMBERED_REQUESTS {
            inner.requests.pop_front();
        }
        let opening = Opening::default();
        let entry = (request_id.to_owned(), opening.clone());
        inner.requests.push_back(entry);
        opening
    }

    /// Lets nothing more in and hands over what it has to be closed.
    fn shut(&self) -> Open {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        Open {
            plugins: inner.plugins.drain().map(|(_, plugin)| plugin).collect(),
            devices: inner.devices.drain().map(|(_, device)| device).collect(),
        }
    }
}

impl Inner {
    fn remember_closed(&mut self, handle: &str) {
        if self.closed_handles.len() == REMEMBERED_CLOSED {
            self.closed_handles.pop_front();
        }
        self.closed_handles.push_back(handle.to_owned());
    }
}

/// What a session had open.
pub struct Open {
    /// Its plugins.
    pub plugins: Vec<Arc<Plugin>>,
    /// Its sound devices and MIDI inputs.
    pub devices: Vec<Arc<Device>>,
}

fn session_closed() -> Error {
    Error::new(
        ErrorReason::WrongState,
        "the session is closed; open another",
    )
}

/// A place for a plugin in its session, given back if it comes to nothing.
pub struct Place(Arc<Session>);

impl Place {
    /// Puts the plugin there.
    ///
    /// # Errors
    /// The session was closed meanwhile; the plugin comes back.
    pub fn take(self, plugin: Arc<Plugin>) -> Result<(), (Error, Arc<Plugin>)> {
        let mut inner = lock(&self.0.inner);
        if inner.closed {
            return Err((session_closed(), plugin));
        }
        inner.plugins.insert(plugin.handle.clone(), plugin);
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.0.inner).opening -= 1;
    }
}

/// All sessions.
pub struct Sessions {
    /// The events of all of them.
    pub everyone: Arc<Hub>,
    limits: Limits,
    all: Mutex<HashMap<String, Arc<Session>>>,
}

impl Sessions {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            everyone: Arc::new(Hub::new(limits.watchers_per_session)),
            limits,
            all: Mutex::default(),
        }
    }

    /// Opens one.
    ///
    /// # Errors
    /// There are too many.
    pub fn open(
        &self,
        client_name: &str,
        client: &Arc<str>,
        peer: &Arc<Peer>,
    ) -> Result<Arc<Session>, Error> {
        let id = ids::random_hex::<16>().map_err(|error| Error::bug(error.to_string()))?;
        let name: String = client_name
            .chars()
            .filter(|c| !c.is_control())
            .take(MAX_NAME / 4)
            .collect();
        let session = Arc::new(Session::new(
            id.clone(),
            name,
            client.clone(),
            &self.limits,
            self.everyone.clone(),
        ));
        session.used_by(peer);
        let mut all = lock(&self.all);
        if all.len() >= self.limits.sessions {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!(
                    "there are {} sessions (limit \"sessions\"); close those that are not needed",
                    all.len()
                ),
            ));
        }
        all.insert(id, session.clone());
        Ok(session)
    }

    /// The session of this id.
    ///
    /// # Errors
    /// There is none, or none any more.
    pub fn get(&self, id: &str) -> Result<Arc<Session>, Error> {
        lock(&self.all).get(id).cloned().ok_or_else(|| {
            Error::new(
                ErrorReason::WrongState,
                "there is no such session: it was closed, or its client was away for too long; call OpenSession",
            )
        })
    }

    /// All of them.
    pub fn all(&self) -> Vec<Arc<Session>> {
        lock(&self.all).values().cloned().collect()
    }

    /// The plugins of all of them, oldest first.
    pub fn plugins(&self) -> Vec<Arc<Plugin>> {
        let mut plugins: Vec<_> = self.all().iter().flat_map(|s| s.plugins()).collect();
        plugins.sort_by_key(|plugin| plugin.number);
        plugins
    }

    /// Takes one out and hands over what it has to be closed.
    pub fn remove(&self, session: &Session) -> Open {
        lock(&self.all).remove(&session.id);
        session.shut()
    }

    /// Those whose client has been away for longer than the grace period.
    pub fn abandoned(&self, now: Instant, grace: Duration) -> Vec<Arc<Session>> {
        let mut sessions = self.all();
        sessions.retain(|session| session.is_abandoned(now, grace));
        sessions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer() -> Arc<Peer> {
        Arc::new(Peer::Local {
            uid: None,
            pid: None,
        })
    }

    fn open(sessions: &Sessions, name: &str, peer: &Arc<Peer>) -> Result<Arc<Session>, Error> {
        sessions.open(name, &"owner".into(), peer)
    }

    fn sessions(sessions: usize) -> Sessions {
        Sessions::new(Limits {
            sessions,
            plugins_per_session: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn a_session_outlives_its_connection_by_the_grace_period() {
        let sessions = sessions(2);
        let first = peer();
        let session = open(&sessions, "test", &first).unwrap();
        let later = Instant::now() + Duration::from_secs(1000);
        let grace = Duration::from_secs(10);
        assert!(sessions.abandoned(later, grace).is_empty());
        let second = peer();
        session.used_by(&second);
        drop(first);
        let later = later + Duration::from_secs(1000);
        assert!(sessions.abandoned(later, grace).is_empty());
        drop(second);
        assert!(sessions.abandoned(later, grace).is_empty());
        assert_eq!(
            sessions
                .abandoned(later + grace + Duration::from_millis(1), grace)
                .len(),
            1
        );
    }

    #[test]
    fn limits_hold_and_places_are_given_back() {
        let sessions = sessions(1);
        let session = open(&sessions, "a\nb", &peer()).unwrap();
        assert_eq!(session.name, "ab");
        let full = open(&sessions, "b", &peer()).err().unwrap();
        assert_eq!(full.reason, ErrorReason::LimitReached);
        let place = session.reserve().unwrap();
        let _other = session.reserve().unwrap();
        assert!(session.reserve().is_err());
        drop(place);
        assert!(session.reserve().is_ok());
        sessions.remove(&session);
        let closed = session.reserve().err().unwrap();
        assert_eq!(closed.reason, ErrorReason::WrongState);
        assert!(sessions.get(&session.id).is_err());
    }

    #[test]
    fn a_session_whose_plugins_die_all_the_time_has_to_wait() {
        let limits = Limits {
            crashes_per_minute: 2,
            ..Limits::default()
        };
        let session = open(&Sessions::new(limits), "a", &peer()).unwrap();
        let now = Instant::now();
        session.note_crash(now);
        assert!(session.check_crash_rate(now).is_ok());
        (0..5).for_each(|_| session.note_crash(now));
        let error = session.check_crash_rate(now).unwrap_err();
        assert!(error.message.contains("crashes_per_minute"), "{error}");
        assert!(session.check_crash_rate(now + CRASH_WINDOW).is_ok());
    }

    #[test]
    fn repeated_requests_meet_and_old_ones_are_forgotten() {
        let sessions = sessions(1);
        let session = open(&sessions, "a", &peer()).unwrap();
        let first = session.opening("x");
        assert!(Arc::ptr_eq(&first, &session.opening("x")));
        (0..REMEMBERED_REQUESTS).for_each(|i| drop(session.opening(&i.to_string())));
        assert!(!Arc::ptr_eq(&first, &session.opening("x")));
    }
}
