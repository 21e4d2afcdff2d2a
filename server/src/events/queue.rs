//! What waits for one watcher: bounded, the values of a parameter coalesced, losses counted.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::time::Duration;

use plugpen_proto::v1::watch_events_response::Event;
use plugpen_proto::v1::{Lost, WatchEventsResponse};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::lock::lock;

/// Events that may wait.
const CAPACITY: usize = 1024;
/// After what waited has been given out, the next event is held back for so long, to travel with
/// those that follow. A client's HTTP/2 counts small frames that it has not read yet and hangs up
/// when there are too many; besides, coalescing needs something to wait.
const PAUSE: Duration = Duration::from_millis(4);

/// The queue of one watcher.
pub struct Queue {
    /// Only these plugins; empty: all.
    handles: Vec<String>,
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Default)]
struct Inner {
    /// By number, so that a coalesced one can be taken out of the middle.
    waiting: BTreeMap<u64, WatchEventsResponse>,
    /// Where the waiting value of a parameter is.
    values: HashMap<(String, u32), u64>,
    lost: u64,
    closed: bool,
    /// Waiting events that end the pause.
    vital: usize,
    /// The end of the pause.
    next_batch: Option<Instant>,
}

impl Queue {
    /// An empty one.
    pub fn new(handles: Vec<String>) -> Self {
        Self {
            handles,
            inner: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Appends an event, if it is for this watcher.
    pub fn push(&self, message: &WatchEventsResponse) {
        if !self.handles.is_empty() && !self.handles.contains(&message.handle) {
            return;
        }
        lock(&self.inner).push(message.clone());
        self.changed.notify_one();
    }

    /// The next event; `None` when the queue is closed and empty. For one task only.
    pub async fn pop(&self) -> Option<WatchEventsResponse> {
        loop {
            let pause = {
                let mut inner = lock(&self.inner);
                if inner.waiting.is_empty() && inner.closed {
                    return None;
                }
                let held = inner.vital == 0 && !inner.closed;
                match inner
                    .next_batch
                    .filter(|until| held && Instant::now() < *until)
                {
                    None => {
                        if let Some(message) = inner.pop() {
                            return Some(message);
                        }
                        None
                    }
                    pause => pause,
                }
            };
            let changed = self.changed.notified();
            match pause {
                None => changed.await,
                // Either way the queue is looked at again.
                Some(until) => drop(tokio::time::timeout_at(until, changed).await),
            }
        }
    }

    /// Lets no more in; what waits is still given out.
    pub fn close(&self) {
        lock(&self.inner).closed = true;
        self.changed.notify_one();
    }
}

impl Inner {
    fn push(&mut self, message: WatchEventsResponse) {
        if let Some(key) = parameter(&message)
            && let Some(earlier) = self.values.insert(key, message.sequence)
        {
            self.waiting.remove(&earlier);
        }
        self.vital += usize::from(is_vital(&message));
        self.waiting.insert(message.sequence, message);
        if self.waiting.len() > CAPACITY {
            self.drop_one();
        }
    }

    /// The oldest that can be spared; deaths and the like only if there is nothing else.
    fn drop_one(&mut self) {
        let spared = self.waiting.values().find(|message| !is_vital(message));
        let sequence = match spared {
            Some(message) => message.sequence,
            None => match self.waiting.first_key_value() {
                Some((&sequence, _)) => sequence,
                None => return,
            },
        };
        self.take(sequence);
        self.lost += 1;
    }

    fn take(&mut self, sequence: u64) -> Option<WatchEventsResponse> {
        let message = self.waiting.remove(&sequence)?;
        self.vital -= usize::from(is_vital(&message));
        if self.waiting.is_empty() {
            self.next_batch = Some(Instant::now() + PAUSE);
        }
        if let Some(key) = parameter(&message) {
            self.values.remove(&key);
        }
        Some(message)
    }

    fn pop(&mut self) -> Option<WatchEventsResponse> {
        let (&sequence, next) = self.waiting.first_key_value()?;
        if self.lost > 0 {
            let count = std::mem::take(&mut self.lost);
            return Some(WatchEventsResponse {
                // Below the one that follows, so that numbers still rise.
                sequence: sequence - 1,
                time_ms: next.time_ms,
                event: Some(Event::Lost(Lost { count })),
                ..WatchEventsResponse::default()
            });
        }
        self.take(sequence)
    }
}

fn parameter(message: &WatchEventsResponse) -> Option<(String, u32)> {
    match &message.event {
        Some(Event::ParameterChanged(change)) => Some((message.handle.clone(), change.index)),
        _ => None,
    }
}

fn is_vital(message: &WatchEventsResponse) -> bool {
    !matches!(
        message.event,
        Some(
            Event::ParameterChanged(_)
                | Event::ParameterGesture(_)
                | Event::LogLine(_)
                | Event::HostCallback(_)
                | Event::NumericsFound(_)
                | Event::DeviceXruns(_)
                | Event::MidiReceived(_)
        )
    )
}

#[cfg(test)]
mod tests {
    use plugpen_proto::v1::{Death, LogLine, ParameterChanged};

    use super::*;

    fn message(sequence: u64, event: Event) -> WatchEventsResponse {
        WatchEventsResponse {
            sequence,
            handle: "p1".into(),
            event: Some(event),
            ..WatchEventsResponse::default()
        }
    }

    fn value(sequence: u64, index: u32, value: f64) -> WatchEventsResponse {
        let change = ParameterChanged {
            index,
            value,
            by_host: false,
        };
        message(sequence, Event::ParameterChanged(change))
    }

    fn line(sequence: u64) -> WatchEventsResponse {
        message(sequence, Event::LogLine(LogLine::default()))
    }

    #[tokio::test]
    async fn only_the_last_value_of_a_parameter_waits() {
        let queue = Queue::new(Vec::new());
        for sequence in 1..=1000 {
            queue.push(&value(sequence, 7, 0.5));
        }
        queue.push(&value(1001, 8, 0.25));
        queue.push(&value(1002, 7, 0.75));
        assert_eq!(queue.pop().await.unwrap().sequence, 1001);
        assert_eq!(queue.pop().await, Some(value(1002, 7, 0.75)));
        queue.push(&value(1003, 7, 0.5));
        assert_eq!(queue.pop().await.unwrap().sequence, 1003);
    }

    #[tokio::test(start_paused = true)]
    async fn what_follows_at_once_travels_together_unless_it_matters() {
        let queue = Queue::new(Vec::new());
        let start = Instant::now();
        queue.push(&value(1, 7, 0.1));
        queue.pop().await.unwrap();
        assert_eq!(start.elapsed(), Duration::ZERO);
        queue.push(&value(2, 7, 0.2));
        queue.push(&value(3, 8, 0.3));
        assert_eq!(queue.pop().await.unwrap().sequence, 2);
        assert!(start.elapsed() >= PAUSE);
        assert_eq!(queue.pop().await.unwrap().sequence, 3);
        let second = Instant::now();
        queue.push(&value(4, 7, 0.2));
        queue.push(&message(5, Event::Died(Death::default())));
        assert_eq!(queue.pop().await.unwrap().sequence, 4);
        assert_eq!(queue.pop().await.unwrap().sequence, 5);
        assert_eq!(second.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn losses_are_counted_and_a_death_survives_a_flood() {
        let queue = Queue::new(Vec::new());
        queue.push(&message(1, Event::Died(Death::default())));
        for sequence in 2..=5000 {
            queue.push(&line(sequence));
        }
        let mut got = Vec::new();
        queue.close();
        while let Some(message) = queue.pop().await {
            got.push(message);
        }
        let lost: u64 = got
            .iter()
            .filter_map(|m| match &m.event {
                Some(Event::Lost(lost)) => Some(lost.count),
                _ => None,
            })
            .sum();
        assert_eq!(lost, 5000 - 1024);
        assert_eq!(got.len(), 1024 + 1);
        assert!(got.is_sorted_by_key(|m| m.sequence));
        let deaths = got
            .iter()
            .filter(|m| matches!(m.event, Some(Event::Died(_))));
        assert_eq!(deaths.count(), 1);
    }
}
