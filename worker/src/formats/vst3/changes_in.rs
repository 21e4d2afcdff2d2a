//! Parameter changes of one call to a processor, on their way to the plugin. All memory is made
//! before the first block.

use std::cell::Cell;

use vst3::Steinberg::Vst::{
    IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID,
    ParamValue,
};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

/// No queue.
const NONE: u32 = u32::MAX;

/// A value from a frame on.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Point {
    queue: u32,
    /// Position among all points, so that sorting keeps the order of equals.
    order: u32,
    offset: i32,
    value: f64,
}

/// The points of one parameter, as a plugin sees them.
struct Queue {
    id: Cell<u32>,
    points: Cell<*const Point>,
    count: Cell<usize>,
}

impl Class for Queue {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Queue {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id.get()
    }

    unsafe fn getPointCount(&self) -> i32 {
        i32::try_from(self.count.get()).unwrap_or(i32::MAX)
    }

    unsafe fn getPoint(&self, index: i32, offset: *mut i32, value: *mut ParamValue) -> tresult {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        if at >= self.count.get() || offset.is_null() || value.is_null() {
            return kInvalidArgument;
        }
        // SAFETY: `points` and `count` were set together in `Input::finish` and hold until the
        // next call; the index was checked, and the plugin has room for both answers.
        unsafe {
            let point = &*self.points.get().add(at);
            offset.write(point.offset);
            value.write(point.value);
        }
        kResultOk
    }

    unsafe fn addPoint(&self, _: i32, _: ParamValue, _: *mut i32) -> tresult {
        kResultFalse
    }
}

/// All queues, as a plugin sees them.
struct Queues {
    /// One a parameter, of which the first `used` count.
    list: Box<[ComPtr<IParamValueQueue>]>,
    used: Cell<usize>,
}

impl Class for Queues {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for Queues {
    unsafe fn getParameterCount(&self) -> i32 {
        i32::try_from(self.used.get()).unwrap_or(i32::MAX)
    }

    unsafe fn getParameterData(&self, index: i32) -> *mut IParamValueQueue {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let queue = self.list.get(at).filter(|_| at < self.used.get());
        queue.map_or(std::ptr::null_mut(), ComPtr::as_ptr)
    }

    unsafe fn addParameterData(&self, _: *const ParamID, _: *mut i32) -> *mut IParamValueQueue {
        std::ptr::null_mut()
    }
}

/// Changes on their way to the plugin.
pub struct Input {
    queues: Box<[ComWrapper<Queue>]>,
    list: ComWrapper<Queues>,
    pointer: ComPtr<IParameterChanges>,
    points: Vec<Point>,
    /// The queue of each parameter, by index.
    queue_of: Box<[u32]>,
    /// The parameters that have one, in order.
    used: Vec<usize>,
}

impl Input {
    /// Room for changes of so many parameters with so many points. `None` cannot happen.
    pub fn new(parameters: usize, points: usize) -> Option<Self> {
        let queues: Box<[ComWrapper<Queue>]> = (0..parameters)
            .map(|_| {
                ComWrapper::new(Queue {
                    id: Cell::new(0),
                    points: Cell::new(std::ptr::null()),
                    count: Cell::new(0),
                })
            })
            .collect();
        let list = queues.iter().map(ComWrapper::to_com_ptr);
        let list = ComWrapper::new(Queues {
            list: list.collect::<Option<_>>()?,
            used: Cell::new(0),
        });
        let pointer = list.to_com_ptr()?;
        Some(Self {
            queues,
            list,
            pointer,
            points: Vec::with_capacity(points + parameters),
            queue_of: vec![NONE; parameters].into(),
            used: Vec::with_capacity(parameters),
        })
    }

    /// Adds a change; false where there is no room or no such parameter.
    pub fn add(&mut self, parameter: usize, offset: i32, value: f64) -> bool {
        let Some(queue) = self.queue_of.get_mut(parameter) else {
            return false;
        };
        if self.points.len() == self.points.capacity() {
            return false;
        }
        if *queue == NONE {
            *queue = crate::formats::count(self.used.len());
            self.used.push(parameter);
        }
        self.points.push(Point {
            queue: *queue,
            order: crate::formats::count(self.points.len()),
            offset,
            value,
        });
        true
    }

    /// Makes the changes visible to the plugin. `ids` are the parameters' ids by index.
    pub fn finish(&mut self, ids: &[u32]) -> *mut IParameterChanges {
        self.points
            .sort_unstable_by_key(|point| (point.queue, point.offset, point.order));
        // Of several at one frame the last one counts.
        self.points.dedup_by(|next, kept| {
            let same = next.queue == kept.queue && next.offset == kept.offset;
            if same {
                *kept = *next;
            }
            same
        });
        let mut start = 0;
        for (queue, parameter) in self.queues.iter().zip(&self.used) {
            let number = self.points[start].queue;
            let points = self.points[start..].iter();
            let count = points.take_while(|point| point.queue == number).count();
            queue.id.set(ids.get(*parameter).copied().unwrap_or(NONE));
            // Through a slice: a pointer to one point would not lead to the others.
            queue.points.set(self.points[start..].as_ptr());
            queue.count.set(count);
            start += count;
        }
        self.list.used.set(self.used.len());
        self.pointer.as_ptr()
    }

    /// Forgets all changes.
    pub fn clear(&mut self) {
        self.list.used.set(0);
        for parameter in self.used.drain(..) {
            self.queue_of[parameter] = NONE;
        }
        self.points.clear();
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// All queues of a list: ids and points.
    pub fn seen(changes: *mut IParameterChanges) -> Vec<(u32, Vec<(i32, f64)>)> {
        // SAFETY: an object of a test, alive.
        let changes = unsafe { vst3::ComRef::from_raw(changes) }.unwrap();
        // SAFETY: as above; indices and pointers are right unless a test wants them wrong.
        unsafe {
            assert!(changes.getParameterData(-1).is_null());
            let count = changes.getParameterCount();
            assert!(changes.getParameterData(count).is_null());
            let queues = (0..count).map(|at| {
                let queue = vst3::ComRef::from_raw(changes.getParameterData(at)).unwrap();
                let points = (0..queue.getPointCount()).map(|point| {
                    let (mut offset, mut value) = (0, 0.0);
                    let told = queue.getPoint(point, &raw mut offset, &raw mut value);
                    assert_eq!(told, kResultOk);
                    (offset, value)
                });
                (queue.getParameterId(), points.collect())
            });
            queues.collect()
        }
    }

    #[test]
    fn changes_come_sorted_by_parameter_and_frame() {
        let mut input = Input::new(3, 3).unwrap();
        for round in 0..2 {
            assert!(input.add(2, 10, 0.5));
            assert!(input.add(0, 0, 0.1));
            assert!(input.add(2, 4, 0.25));
            assert!(input.add(2, 4, 0.75), "the last at a frame counts");
            assert!(!input.add(3, 0, 0.0), "no such parameter");
            assert!(input.add(0, 1, 0.2));
            assert!(input.add(0, 2, 0.3));
            assert!(!input.add(0, 3, 0.4), "no room");
            let seen = seen(input.finish(&[100, 101, 102]));
            let wanted = [
                (102, vec![(4, 0.75), (10, 0.5)]),
                (100, vec![(0, 0.1), (1, 0.2), (2, 0.3)]),
            ];
            assert_eq!(seen, wanted, "round {round}");
            input.clear();
        }
        assert_eq!(seen(input.finish(&[100, 101, 102])), []);
    }
}
