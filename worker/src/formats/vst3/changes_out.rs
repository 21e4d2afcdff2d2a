//! Parameter changes of one call to a processor, on their way from the plugin. All memory is made
//! before the first block.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use vst3::Steinberg::Vst::{
    IParamValueQueue, IParamValueQueueTrait, IParameterChanges, IParameterChangesTrait, ParamID,
    ParamValue,
};
use vst3::Steinberg::{kInvalidArgument, kResultFalse, kResultOk, tresult};
use vst3::{Class, ComPtr, ComWrapper};

use super::id_index::IdIndex;
use super::turns::take_turn;

/// The last value a plugin gave a parameter.
struct Answer {
    id: AtomicU32,
    said: Mutex<Said>,
    points: Arc<Points>,
}

/// All points of all parameters, in the order they were said.
struct Points {
    told: Mutex<Vec<Told>>,
    /// Points without room.
    lost: AtomicU32,
}

impl Points {
    fn add(&self, told: Told) {
        let kept = take_turn(&self.told).is_some_and(|mut list| {
            let fits = list.len() < list.capacity();
            if fits {
                list.push(told);
            }
            fits
        });
        if !kept {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// A value that a plugin gave a parameter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Told {
    pub id: u32,
    pub offset: i32,
    pub value: f64,
}

#[derive(Clone, Copy, Default)]
struct Said {
    points: i32,
    offset: i32,
    value: f64,
}

impl Class for Answer {
    type Interfaces = (IParamValueQueue,);
}

impl IParamValueQueueTrait for Answer {
    unsafe fn getParameterId(&self) -> ParamID {
        self.id.load(Ordering::Relaxed)
    }

    unsafe fn getPointCount(&self) -> i32 {
        take_turn(&self.said).map_or(0, |said| said.points.min(1))
    }

    unsafe fn getPoint(&self, index: i32, offset: *mut i32, value: *mut ParamValue) -> tresult {
        let said = take_turn(&self.said).filter(|said| said.points > 0);
        let (0, Some(said), false, false) = (index, said, offset.is_null(), value.is_null()) else {
            return kInvalidArgument;
        };
        // SAFETY: not null, and room by the interface.
        unsafe {
            offset.write(said.offset);
            value.write(said.value);
        }
        kResultOk
    }

    unsafe fn addPoint(&self, offset: i32, value: ParamValue, index: *mut i32) -> tresult {
        let Some(mut said) = take_turn(&self.said) else {
            return kResultFalse;
        };
        if said.points == 0 || offset >= said.offset {
            (said.offset, said.value) = (offset, value);
        }
        if !index.is_null() {
            // SAFETY: not null, and room by the interface.
            unsafe { index.write(said.points) };
        }
        let id = self.id.load(Ordering::Relaxed);
        self.points.add(Told { id, offset, value });
        said.points = said.points.saturating_add(1);
        kResultOk
    }
}

/// Some plugins speak from threads of their own; all take turns.
struct Answers {
    answers: Box<[ComWrapper<Answer>]>,
    pointers: Box<[ComPtr<IParamValueQueue>]>,
    index: Mutex<IdIndex>,
}

impl Answers {
    fn used(&self) -> usize {
        take_turn(&self.index).map_or(0, |index| index.len())
    }
}

impl Class for Answers {
    type Interfaces = (IParameterChanges,);
}

impl IParameterChangesTrait for Answers {
    unsafe fn getParameterCount(&self) -> i32 {
        i32::try_from(self.used()).unwrap_or(i32::MAX)
    }

    unsafe fn getParameterData(&self, index: i32) -> *mut IParamValueQueue {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        let queue = self.pointers.get(at).filter(|_| at < self.used());
        queue.map_or(std::ptr::null_mut(), ComPtr::as_ptr)
    }

    unsafe fn addParameterData(
        &self,
        id: *const ParamID,
        index: *mut i32,
    ) -> *mut IParamValueQueue {
        if id.is_null() {
            return std::ptr::null_mut();
        }
        // SAFETY: not null, and an id by the interface.
        let id = unsafe { id.read() };
        let Some(at) = take_turn(&self.index).and_then(|mut known| {
            let (at, is_new) = known.place(id)?;
            if is_new {
                self.answers[at].id.store(id, Ordering::Relaxed);
            }
            Some(at)
        }) else {
            return std::ptr::null_mut();
        };
        if !index.is_null() {
            // SAFETY: not null, and room by the interface.
            unsafe { index.write(i32::try_from(at).unwrap_or(i32::MAX)) };
        }
        self.pointers[at].as_ptr()
    }
}

/// Changes on their way from the plugin.
pub struct Output {
    points: Arc<Points>,
    list: ComWrapper<Answers>,
    pointer: ComPtr<IParameterChanges>,
}

impl Output {
    /// Room for changes of so many parameters with so many points. `None` cannot happen.
    pub fn new(parameters: usize, points: usize) -> Option<Self> {
        let points = Arc::new(Points {
            told: Mutex::new(Vec::with_capacity(points)),
            lost: AtomicU32::new(0),
        });
        let answers: Box<[ComWrapper<Answer>]> = (0..parameters)
            .map(|_| {
                ComWrapper::new(Answer {
                    id: AtomicU32::new(0),
                    said: Mutex::default(),
                    points: Arc::clone(&points),
                })
            })
            .collect();
        let pointers = answers.iter().map(ComWrapper::to_com_ptr);
        let list = ComWrapper::new(Answers {
            pointers: pointers.collect::<Option<_>>()?,
            answers,
            index: Mutex::new(IdIndex::new(parameters)),
        });
        let pointer = list.to_com_ptr()?;
        Some(Self {
            points,
            list,
            pointer,
        })
    }

    /// For the plugin.
    pub fn as_ptr(&self) -> *mut IParameterChanges {
        self.pointer.as_ptr()
    }

    /// Takes every value in the order they were said, as far as there was room; returns how many
    /// found none. Of those too, each parameter's last value is in [`Output::take`].
    pub fn points(&mut self, mut each: impl FnMut(Told)) -> u32 {
        if let Some(mut points) = take_turn(&self.points.told) {
            points.drain(..).for_each(&mut each);
        }
        self.points.lost.swap(0, Ordering::Relaxed)
    }

    /// Takes each changed parameter's id and last value.
    pub fn take(&mut self, mut each: impl FnMut(u32, f64)) {
        let Some(mut index) = take_turn(&self.list.index) else {
            return;
        };
        for answer in &self.list.answers[..index.len()] {
            let said = take_turn(&answer.said).map(|mut said| std::mem::take(&mut *said));
            if let Some(said) = said.filter(|said| said.points > 0) {
                each(answer.id.load(Ordering::Relaxed), said.value);
            }
        }
        index.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::super::changes_in::tests::seen;
    use super::*;

    #[test]
    fn a_plugin_s_last_value_is_taken() {
        let mut output = Output::new(2, 2).unwrap();
        // SAFETY: an object of this test, alive.
        let list = unsafe { vst3::ComRef::from_raw(output.as_ptr()) }.unwrap();
        let mut index = 0;
        // SAFETY: pointers to locals, or null.
        unsafe {
            for (id, offset, value) in [(7, 3, 0.5), (9, 0, 0.1), (7, 1, 0.9)] {
                let queue = list.addParameterData(&raw const id, &raw mut index);
                let queue = vst3::ComRef::from_raw(queue).unwrap();
                queue.addPoint(offset, value, std::ptr::null_mut());
            }
            assert_eq!(index, 0, "the queue it had");
            let third = 8;
            let refused = list.addParameterData(&raw const third, std::ptr::null_mut());
            assert!(refused.is_null(), "more than it has parameters");
            assert!(
                list.addParameterData(std::ptr::null(), std::ptr::null_mut())
                    .is_null()
            );
        }
        assert_eq!(
            seen(output.as_ptr()),
            [(7, vec![(3, 0.5)]), (9, vec![(0, 0.1)])]
        );
        let mut points = Vec::new();
        let lost = output.points(|told| points.push((told.id, told.offset, told.value)));
        assert_eq!(points, [(7, 3, 0.5), (9, 0, 0.1)], "for two there was room");
        assert_eq!(lost, 1);
        assert_eq!(output.points(|_| panic!("taken twice")), 0);
        let mut taken = Vec::new();
        output.take(|id, value| taken.push((id, value)));
        assert_eq!(taken, [(7, 0.5), (9, 0.1)]);
        output.take(|_, _| panic!("taken twice"));
    }

    #[test]
    fn threads_take_turns() {
        const IDS: u32 = 200;
        let mut output = Output::new(usize::try_from(IDS).unwrap(), 0).unwrap();
        let speak = |list: &ComPtr<IParameterChanges>| {
            for id in 0..IDS {
                // SAFETY: an object of this test, alive; pointers to locals, or null.
                unsafe {
                    let queue = list.addParameterData(&raw const id, std::ptr::null_mut());
                    let Some(queue) = vst3::ComRef::from_raw(queue) else {
                        continue;
                    };
                    queue.addPoint(0, f64::from(queue.getParameterId()), std::ptr::null_mut());
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..3 {
                let list = output.pointer.clone();
                scope.spawn(move || speak(&list));
            }
        });
        let mut taken = Vec::new();
        output.take(|id, value| taken.push((id, value)));
        assert!(taken.iter().all(|(id, value)| *value == f64::from(*id)));
        let mut ids: Vec<u32> = taken.iter().map(|(id, _)| *id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), taken.len(), "one queue a parameter");
    }
}
