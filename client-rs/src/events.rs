//! The one event stream of a server: followed in the background, sorted to the plugins.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{
    ErrorReason, FlushEventsRequest, HostCallback, WatchEventsRequest, WatchEventsResponse,
};

use crate::callbacks::{Dispatcher, Life, News};
use crate::connection::{Call, Connection, QUICK};
use crate::device::DeviceLink;
use crate::error::{self, Result};
use crate::plugin::shared::Shared;

/// Attempts to get a stream back that ended, before a daemon of this machine counts as gone: there,
/// no answer is an answer.
const ATTEMPTS: u32 = 3;
/// Pauses between attempts over a network: from the first to the longest, each twice the last.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(2));

/// Calls of plugins to their hosts that are kept until it is known whose they are.
const EARLY: usize = 4096;

/// Knows the plugins of a session and what has been heard of them.
pub(crate) struct Events {
    connection: Arc<Connection>,
    plugins: Mutex<HashMap<String, Weak<Shared>>>,
    /// Devices and MIDI inputs.
    devices: Mutex<HashMap<String, Weak<DeviceLink>>>,
    /// What plugins asked of their hosts while they were opened: the event may be here before
    /// the answer that names the plugin.
    early: Mutex<VecDeque<(String, HostCallback)>>,
    heard: Mutex<Heard>,
    moved: Condvar,
    pub(crate) dispatcher: Dispatcher,
}

/// How far the stream has been read.
#[derive(Clone, Copy, Default, PartialEq)]
struct Heard {
    /// Counts the streams; sequence numbers begin anew with each.
    stream: u64,
    sequence: u64,
    ended: bool,
}

impl Events {
    /// Starts to follow a session's events; returns when the stream stands.
    ///
    /// # Errors
    /// `ServerUnavailable`, `TimedOut`.
    pub(crate) fn follow(connection: Arc<Connection>) -> Result<Arc<Events>> {
        let core = connection.core.clone();
        let events = Arc::new(Events {
            connection,
            plugins: Mutex::default(),
            devices: Mutex::default(),
            early: Mutex::default(),
            heard: Mutex::default(),
            moved: Condvar::new(),
            dispatcher: Dispatcher::default(),
        });
        core.spawn(read(Arc::downgrade(&events), events.connection.clone()));
        let heard = events.wait(QUICK, |heard| heard.stream > 0)?;
        if heard.ended {
            return Err(events.connection.gone_error());
        }
        Ok(events)
    }

    /// Sends a plugin's events to it from now on.
    pub(crate) fn add(&self, plugin: &Arc<Shared>) {
        // Under the lock that `route` takes before it looks for the plugin: what is not early
        // finds it.
        let mut early = lock(&self.early);
        lock(&self.plugins).insert(plugin.handle.clone(), Arc::downgrade(plugin));
        early.retain(|(handle, call)| {
            let is_its = *handle == plugin.handle;
            if is_its {
                let news = News::HostCall(call.clone());
                self.dispatcher.push(&plugin.callbacks, news);
            }
            !is_its
        });
    }

    /// Forgets a plugin.
    pub(crate) fn remove(&self, handle: &str) {
        lock(&self.plugins).remove(handle);
    }

    /// Sends a device's or a MIDI input's events to it from now on.
    pub(crate) fn add_device(&self, device: &Arc<DeviceLink>) {
        lock(&self.devices).insert(device.handle.clone(), Arc::downgrade(device));
    }

    /// Forgets a device or a MIDI input.
    pub(crate) fn remove_device(&self, handle: &str) {
        lock(&self.devices).remove(handle);
    }

    /// The plugins that are still held by someone.
    pub(crate) fn plugins(&self) -> Vec<Arc<Shared>> {
        lock(&self.plugins)
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// Waits until everything a plugin has caused so far has been told to its callbacks.
    ///
    /// # Errors
    /// `ServerUnavailable`, `TimedOut`, `WrongState` from within a callback.
    pub(crate) fn flush(&self, plugin: &Shared) -> Result<()> {
        let before = *lock(&self.heard);
        let request = FlushEventsRequest {
            handle: plugin.handle.clone(),
        };
        let flushed = self.connection.call(
            Call::new("FlushEvents", QUICK),
            request,
            |mut api, request| async move { api.events.flush_events(request).await },
        );
        match flushed {
            Ok(flushed) => {
                self.wait(QUICK, |heard| {
                    heard.stream != before.stream || heard.sequence >= flushed.sequence
                })?;
            }
            // It says nothing any more; what it said is already on its way.
            Err(e) if is_ended(e.reason) => {}
            Err(e) => return Err(e),
        }
        self.dispatcher.settle(QUICK)
    }

    /// Ends all waits for events.
    pub(crate) fn close(&self) {
        self.dispatcher.close();
        self.advance(|heard| heard.ended = true);
    }

    fn wait(&self, timeout: Duration, until: impl Fn(&Heard) -> bool) -> Result<Heard> {
        let deadline = Instant::now() + timeout;
        let mut heard = lock(&self.heard);
        while !heard.ended && !until(&heard) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(error::timed_out("the event stream", timeout.as_secs_f64()));
            }
            heard = self
                .moved
                .wait_timeout(heard, left)
                .unwrap_or_else(|e| e.into_inner())
                .0;
        }
        Ok(*heard)
    }

    fn advance(&self, change: impl FnOnce(&mut Heard)) {
        change(&mut lock(&self.heard));
        self.moved.notify_all();
    }

    fn route(&self, event: WatchEventsResponse) {
        let sequence = event.sequence;
        match event.event {
            Some(Event::Snapshot(snapshot)) => {
                // What happened while the line was cut is not known.
                if lock(&self.heard).stream > 0 {
                    self.plugins()
                        .iter()
                        .for_each(|plugin| plugin.lost_events(0));
                }
                for plugin in snapshot.plugins {
                    if let (Some(shared), Some(death)) = (self.find(&plugin.handle), plugin.death) {
                        shared.note_death(death);
                    }
                }
                self.advance(|heard| {
                    heard.stream += 1;
                    heard.sequence = 0;
                });
                return;
            }
            Some(Event::Lost(lost)) if event.handle.is_empty() => {
                for plugin in self.plugins() {
                    plugin.lost_events(lost.count);
                }
                for device in self.devices() {
                    device.callbacks.add_dropped(lost.count);
                }
            }
            Some(Event::HostCallback(call)) => {
                let mut early = lock(&self.early);
                if let Some(plugin) = self.find(&event.handle) {
                    self.tell(&plugin, event.generation, Event::HostCallback(call));
                } else {
                    // The oldest are of plugins whose opening failed: nobody asks for them.
                    if early.len() >= EARLY
                        && let Some((handle, _)) = early.pop_front()
                    {
                        tracing::warn!(handle, "a plugin's call to its host was not delivered");
                    }
                    early.push_back((event.handle, call));
                }
            }
            Some(Event::Closed(_)) => {
                lock(&self.early).retain(|(handle, _)| *handle != event.handle);
            }
            Some(what) => {
                if let Some(plugin) = self.find(&event.handle) {
                    self.tell(&plugin, event.generation, what);
                } else if let Some(device) = self.device(&event.handle) {
                    self.tell_device(&device, what);
                }
            }
            None => {}
        }
        self.advance(|heard| heard.sequence = sequence);
    }

    fn tell(&self, plugin: &Shared, generation: u64, what: Event) {
        let news = match what {
            Event::Died(death) => {
                plugin.note_death(death.clone());
                News::Life(Life::Died(Box::new(death)))
            }
            Event::GaveUp(told) => News::Life(Life::GaveUp(told.reason)),
            // A dead worker's last words would spoil what is known of its successor.
            _ if generation != 0 && generation < plugin.generation() => return,
            Event::ParameterChanged(changed) => {
                if !changed.by_host && changed.value.is_finite() {
                    plugin.journal().parameter_set(changed.index, changed.value);
                }
                News::Value(changed.index, changed.value)
            }
            Event::MemoryGrowth(growth) => News::Life(Life::MemoryGrowth(growth)),
            Event::ParameterGesture(gesture) => News::Gesture(gesture.index, gesture.is_begin),
            Event::HostCallback(call) => News::HostCall(call),
            Event::ProcessorChanged(changed) => News::Change(plugin.note_change(&changed)),
            Event::LogLine(line) => {
                tracing::debug!(plugin = %plugin.name(), source = ?line.source(), "{}", line.text);
                return;
            }
            Event::NumericsFound(found) => {
                let what = match (found.nan, found.infinite) {
                    (true, false) => "samples that are no numbers (NaN)",
                    (false, true) => "infinite samples",
                    _ => "samples that are no numbers (NaN), and infinite ones",
                };
                tracing::warn!(plugin = %plugin.name(), output = found.output, "the plugin gave {what}");
                return;
            }
            Event::Lost(lost) => {
                plugin.lost_events(lost.count);
                return;
            }
            Event::Snapshot(_)
            | Event::Opened(_)
            | Event::Restarted(_)
            | Event::Closed(_)
            | Event::DeviceXruns(_)
            | Event::MidiReceived(_) => return,
        };
        self.dispatcher.push(&plugin.callbacks, news);
    }

    fn devices(&self) -> Vec<Arc<DeviceLink>> {
        lock(&self.devices)
            .values()
            .filter_map(Weak::upgrade)
            .collect()
    }

    fn device(&self, handle: &str) -> Option<Arc<DeviceLink>> {
        lock(&self.devices).get(handle).and_then(Weak::upgrade)
    }

    fn tell_device(&self, device: &DeviceLink, what: Event) {
        let news = match what {
            Event::DeviceXruns(xruns) => {
                device.note_xruns(xruns.xrun_count);
                News::Xruns(xruns.xrun_count, xruns.cause)
            }
            Event::MidiReceived(midi) => News::Midi(midi.data),
            Event::Died(death) => {
                tracing::error!("{}", death.summary);
                News::Xruns(device.note_death(death), "broken".into())
            }
            Event::Lost(lost) => {
                device.callbacks.add_dropped(lost.count);
                return;
            }
            _ => return,
        };
        self.dispatcher.push(&device.callbacks, news);
    }

    fn find(&self, handle: &str) -> Option<Arc<Shared>> {
        lock(&self.plugins).get(handle).and_then(Weak::upgrade)
    }

    /// The daemon does not come back: nobody may wait for it.
    fn give_up(&self, why: String) {
        self.connection.mark_gone(why);
        for plugin in self.plugins() {
            plugin.wake();
        }
        self.advance(|heard| {
            heard.stream = heard.stream.max(1);
            heard.ended = true;
        });
    }
}

/// Reads streams until the daemon is gone or nobody listens.
async fn read(events: Weak<Events>, connection: Arc<Connection>) {
    let mut patience = Patience::new(&connection);
    let mut why = "its connection broke".to_owned();
    while patience.another().await {
        if events.strong_count() == 0 {
            return;
        }
        let mut api = connection.api();
        let watched = api.events.watch_events(WatchEventsRequest::default()).await;
        match watched {
            Ok(response) => {
                let mut stream = response.into_inner();
                while let Ok(Some(event)) = stream.message().await {
                    let Some(events) = events.upgrade() else {
                        return;
                    };
                    if connection.is_remote() || event.sequence > 0 {
                        patience = Patience::new(&connection);
                    }
                    events.route(event);
                }
            }
            Err(status) => {
                let error = connection.error(status);
                tracing::debug!("no event stream: {error}");
                if !patience.may_pass(error.reason) {
                    // What the daemon says is more than that.
                    if error.reason != ErrorReason::ServerUnavailable {
                        why = error.message;
                    }
                    break;
                }
            }
        }
    }
    if let Some(events) = events.upgrade() {
        events.give_up(why);
    }
}

/// How often and for how long a stream is asked for again.
struct Patience {
    is_remote: bool,
    grace: Duration,
    attempts: u32,
    /// When the line was found cut.
    since: Option<Instant>,
    pause: Duration,
}

impl Patience {
    fn new(connection: &Connection) -> Patience {
        Patience {
            is_remote: connection.is_remote(),
            grace: connection.grace(),
            attempts: 0,
            since: None,
            pause: PAUSES.0,
        }
    }

    /// Whether to try once more; waits before that where it makes sense.
    async fn another(&mut self) -> bool {
        self.attempts += 1;
        if self.attempts == 1 {
            return true;
        }
        if !self.is_remote {
            return self.attempts <= ATTEMPTS;
        }
        let since = *self.since.get_or_insert_with(Instant::now);
        if since.elapsed() > self.grace {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES.1);
        true
    }

    /// Whether the trouble may be over the next time.
    fn may_pass(&self, reason: ErrorReason) -> bool {
        // The daemon may not have noticed yet that the earlier stream is gone.
        let passing = [
            ErrorReason::ServerUnavailable,
            ErrorReason::LimitReached,
            ErrorReason::TimedOut,
        ];
        self.is_remote && passing.contains(&reason)
    }
}

fn is_ended(reason: ErrorReason) -> bool {
    matches!(
        reason,
        ErrorReason::PluginDead
            | ErrorReason::PluginClosed
            | ErrorReason::PluginCrashed
            | ErrorReason::PluginHung
            | ErrorReason::NotFound
    )
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
