//! What a session's plugins do, told to the session's watchers.
//!
//! One counter numbers the events of a session. A watcher sees rising numbers, with gaps where
//! events were not for it, were coalesced with later ones, or were lost. [`Hub::mark`] puts an
//! event without content into the streams; its number is what `FlushEvents` answers: a client
//! that has seen it has seen everything before it.

mod queue;

use std::sync::{Arc, Mutex, Weak};

use plugpen_proto::Error;
use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{ErrorReason, OpenedPlugin, Snapshot, WatchEventsResponse};

use crate::ids;
use crate::lock::lock;
use queue::Queue;

/// The events of one session.
pub struct Hub {
    max_watchers: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sequence: u64,
    watchers: Vec<Weak<Queue>>,
    closed: bool,
}

impl Hub {
    /// Without watchers yet.
    pub fn new(max_watchers: usize) -> Self {
        Self {
            max_watchers,
            inner: Mutex::default(),
        }
    }

    /// Tells all watchers of this plugin. Never blocks, any thread. Returns the event's number.
    pub fn publish(&self, handle: &str, generation: u64, event: Event) -> u64 {
        self.tell(handle, generation, Some(event))
    }

    /// Puts a mark behind everything published so far.
    pub fn mark(&self, handle: &str, generation: u64) -> u64 {
        self.tell(handle, generation, None)
    }

    fn tell(&self, handle: &str, generation: u64, event: Option<Event>) -> u64 {
        let mut inner = lock(&self.inner);
        inner.sequence += 1;
        let message = WatchEventsResponse {
            sequence: inner.sequence,
            time_ms: ids::now_ms(),
            handle: handle.to_owned(),
            generation,
            event,
        };
        // Under the lock, so that every queue gets the numbers in order.
        inner.watchers.retain(|watcher| match watcher.upgrade() {
            Some(queue) => {
                queue.push(&message);
                true
            }
            None => false,
        });
        inner.sequence
    }

    /// A watcher of these plugins, or of all if the list is empty. The snapshot is taken once the
    /// watcher hears everything, so nothing falls between the two.
    ///
    /// # Errors
    /// Too many watchers; a session that was closed.
    pub fn watch(
        &self,
        handles: Vec<String>,
        snapshot: impl FnOnce() -> Vec<OpenedPlugin>,
    ) -> Result<Watcher, Error> {
        let queue = Arc::new(Queue::new(handles));
        {
            let mut inner = lock(&self.inner);
            if inner.closed {
                let why = "the session is closed; open another";
                return Err(Error::new(ErrorReason::WrongState, why));
            }
            inner.watchers.retain(|w| w.strong_count() > 0);
            if inner.watchers.len() >= self.max_watchers {
                return Err(Error::new(
                    ErrorReason::LimitReached,
                    format!(
                        "this session has {} event streams already; share one",
                        self.max_watchers
                    ),
                ));
            }
            inner.watchers.push(Arc::downgrade(&queue));
        }
        let first = WatchEventsResponse {
            time_ms: ids::now_ms(),
            event: Some(Event::Snapshot(Snapshot {
                plugins: snapshot(),
            })),
            ..WatchEventsResponse::default()
        };
        Ok(Watcher {
            first: Some(first),
            queue,
        })
    }

    /// Ends all streams once they have told what they hold.
    pub fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        for queue in inner.watchers.drain(..).filter_map(|w| w.upgrade()) {
            queue.close();
        }
    }
}

/// One stream of events. Dropping it ends it.
pub struct Watcher {
    first: Option<WatchEventsResponse>,
    queue: Arc<Queue>,
}

impl Watcher {
    /// The next event; `None` when the session is closed.
    pub async fn next(&mut self) -> Option<WatchEventsResponse> {
        match self.first.take() {
            Some(first) => Some(first),
            None => self.queue.pop().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::{Closed, LogLine, ParameterChanged};

    use super::*;

    fn changed(index: u32, value: f64) -> Event {
        Event::ParameterChanged(ParameterChanged {
            index,
            value,
            by_host: false,
        })
    }

    #[tokio::test]
    async fn the_snapshot_comes_first_and_numbers_rise() {
        let hub = Hub::new(2);
        hub.publish("p1", 1, changed(0, 0.5));
        let mut watcher = hub.watch(Vec::new(), Vec::new).unwrap();
        hub.publish("p1", 1, changed(1, 0.5));
        hub.publish("p2", 1, Event::Closed(Closed {}));
        let first = watcher.next().await.unwrap();
        assert!(matches!(first.event, Some(Event::Snapshot(_))));
        assert_eq!(first.sequence, 0);
        assert_eq!(watcher.next().await.unwrap().sequence, 2);
        assert_eq!(watcher.next().await.unwrap().sequence, 3);
    }

    #[tokio::test]
    async fn a_watcher_of_one_plugin_hears_of_it_alone() {
        let hub = Hub::new(2);
        let mut watcher = hub.watch(vec!["p2".into()], Vec::new).unwrap();
        watcher.next().await;
        hub.publish("p1", 1, changed(0, 0.5));
        hub.publish("p2", 1, changed(0, 0.5));
        let mark = hub.mark("p2", 1);
        assert_eq!(watcher.next().await.unwrap().handle, "p2");
        let marked = watcher.next().await.unwrap();
        assert_eq!((marked.sequence, marked.event), (mark, None));
    }

    #[tokio::test]
    async fn a_closed_hub_tells_the_rest_and_ends() {
        let hub = Hub::new(1);
        let mut watcher = hub.watch(Vec::new(), Vec::new).unwrap();
        let error = hub.watch(Vec::new(), Vec::new).err().unwrap();
        assert_eq!(error.reason, ErrorReason::LimitReached);
        let line = LogLine::default();
        hub.publish("p1", 1, Event::LogLine(line));
        hub.close();
        assert!(watcher.next().await.is_some());
        assert!(watcher.next().await.is_some());
        assert_eq!(watcher.next().await, None);
        assert!(hub.watch(Vec::new(), Vec::new).is_err());
    }
}
