//! What the plugin is answered when it calls its host.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use plugpen_proto::event::EventList;

use super::abi::{self, Effect, TimeInfo, host, level};
use super::events;
use super::knobs::Knobs;
use super::text::{read_text, write_text};
use super::time::Clock;
use crate::formats::{HostCall, Notices, door, host_calls};

/// The host of the plugin that this process is there for. Plugins call with an unknown effect, or
/// none, from within their entry and from threads of their own, so it is found without looking
/// at what they pass.
static CURRENT: AtomicPtr<Host> = AtomicPtr::new(std::ptr::null_mut());

thread_local! {
    /// Where the plugin's events go while this thread processes.
    static OUTGOING: Cell<*mut EventList> = const { Cell::new(std::ptr::null_mut()) };
    /// Whose changes are the host's own doing on this thread.
    static QUIET: Cell<Quiet> = const { Cell::new(Quiet::No) };
    /// What the plugin was last told of the time on this thread; it gets a pointer to it.
    static TIME: UnsafeCell<Option<TimeInfo>> = const { UnsafeCell::new(None) };
}

/// What the plugin says of its parameters while the host changes them is no news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quiet {
    /// All of it is.
    No,
    /// All but of this parameter.
    Parameter(i32),
    /// Nothing is: the host only tries.
    Yes,
}

/// The host's side of one plugin. Lives as long as the process, as the plugin's threads may.
pub struct Host {
    /// What the plugin did.
    pub notices: Arc<Notices>,
    /// The time it asks for.
    pub clock: Clock,
    /// Offline work.
    pub offline: AtomicBool,
    /// The number of the plugin of a shell that is being opened, 0 for the shell itself.
    pub shell_id: AtomicI32,
    /// The plugin says that its channels or its latency are others now.
    pub io_changed: AtomicBool,
    /// Rate in frames a second.
    sample_rate: f64,
    /// Frames of the largest block.
    block_size: u32,
    /// The folder of the plugin's file.
    directory: CString,
    /// Its parameters, once they are known.
    knobs: OnceLock<Arc<Knobs>>,
    /// Events that came when there was no block to put them in.
    stray_events: AtomicU64,
}

/// One call of the plugin.
#[derive(Clone, Copy)]
struct Call {
    opcode: i32,
    index: i32,
    value: isize,
    pointer: *mut c_void,
    opt: f32,
}

impl Host {
    /// A host for a plugin of this file; all calls of plugins go to it from now on.
    pub fn new(
        file: &Path,
        sample_rate: f64,
        block_size: u32,
        offline: bool,
        notices: Arc<Notices>,
    ) -> &'static Self {
        let directory = file.parent().unwrap_or(file).display().to_string();
        let host: &'static Self = Box::leak(Box::new(Self {
            notices,
            clock: Clock::default(),
            offline: AtomicBool::new(offline),
            shell_id: AtomicI32::new(0),
            io_changed: AtomicBool::new(false),
            sample_rate,
            block_size,
            directory: CString::new(directory).unwrap_or_default(),
            knobs: OnceLock::new(),
            stray_events: AtomicU64::new(0),
        }));
        // SYNC: pairs with the acquire in `callback`: who finds the host finds it whole.
        CURRENT.store(std::ptr::from_ref(host).cast_mut(), Ordering::Release);
        host
    }

    /// Rate in frames a second.
    pub fn sample_rate(&self) -> f64 {
        self.sample_rate
    }

    /// Takes the plugin's parameters; once.
    pub fn know(&self, knobs: Arc<Knobs>) {
        self.knobs.get_or_init(|| knobs);
    }

    /// Takes the count of events that came when there was no block to put them in.
    pub fn take_stray_events(&self) -> u32 {
        let count = self.stray_events.swap(0, Ordering::Relaxed);
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn carry_out(&self, call: &Call) -> isize {
        match call.opcode {
            host::AUTOMATE => self.automate(call.index, call.opt),
            host::VERSION => abi::VERSION,
            host::CURRENT_ID => to_isize(self.shell_id.load(Ordering::Relaxed)),
            // All pins are connected, which this call says with 0.
            host::PIN_CONNECTED => 0,
            host::WANT_MIDI | host::WILL_REPLACE => 1,
            host::GET_TIME => self.time(),
            host::PROCESS_EVENTS => self.take_events(call.pointer),
            host::TEMPO_AT => self.tempo(),
            host::GET_NUM_AUTOMATABLE => self.knobs.get().map_or(0, |knobs| size(knobs.len())),
            host::IO_CHANGED => {
                if QUIET.get() != Quiet::Yes {
                    self.io_changed.store(true, Ordering::Relaxed);
                    self.notices.latency();
                }
                1
            }
            host::GET_SAMPLE_RATE => rounded(self.sample_rate),
            host::GET_BLOCK_SIZE => isize::try_from(self.block_size).unwrap_or(isize::MAX),
            host::GET_PROCESS_LEVEL => self.level(),
            // Reads and writes: changes go both ways.
            host::GET_AUTOMATION_STATE => 4,
            // SAFETY: the plugin gives room for 64 bytes, or null.
            host::GET_VENDOR | host::GET_PRODUCT => unsafe { write_text(call.pointer, c"plugpen") },
            host::GET_VENDOR_VERSION => version(),
            // SAFETY: the plugin passes a C string, or null.
            host::CAN_DO => can_do(unsafe { read_text(call.pointer) }),
            // English.
            host::GET_LANGUAGE => 1,
            host::GET_DIRECTORY => self.directory.as_ptr().expose_provenance().cast_signed(),
            host::UPDATE_DISPLAY => {
                if QUIET.get() != Quiet::Yes {
                    self.notices.program();
                    self.notices.parameter_info();
                }
                1
            }
            host::BEGIN_EDIT => self.gesture(call.index, true),
            host::END_EDIT => self.gesture(call.index, false),
            // Windows (SizeWindow), dialogues (OpenFileSelector), offline files and everything
            // else that this host does not do, or that means nothing.
            _ => 0,
        }
    }

    fn automate(&self, index: i32, value: f32) -> isize {
        let (Some(knobs), Ok(at)) = (self.knobs.get(), usize::try_from(index)) else {
            return 0;
        };
        if at >= knobs.len() || !value.is_finite() {
            return 0;
        }
        if is_news(index) {
            knobs.adopt(at, f64::from(value.clamp(0.0, 1.0)));
            self.notices.parameter(at, false);
        }
        1
    }

    fn gesture(&self, index: i32, is_begin: bool) -> isize {
        let count = self.knobs.get().map_or(0, |knobs| knobs.len());
        match usize::try_from(index) {
            Ok(at) if at < count => {
                if is_news(index) {
                    self.notices.gesture(at, is_begin);
                }
                1
            }
            _ => 0,
        }
    }

    fn time(&self) -> isize {
        let info = self.clock.info(self.sample_rate);
        TIME.with(|time| {
            // SAFETY: this thread's own, and no reference to it is ever kept; the plugin has a
            // pointer, good until it asks again on this thread.
            let place = unsafe { &mut *time.get() };
            let place: *const TimeInfo = place.insert(info);
            place.expose_provenance().cast_signed()
        })
    }

    fn tempo(&self) -> isize {
        rounded(self.clock.info(self.sample_rate).tempo * 10_000.0)
    }

    fn level(&self) -> isize {
        if self.offline.load(Ordering::Relaxed) {
            level::OFFLINE
        } else if OUTGOING.get().is_null() {
            level::USER
        } else {
            level::REALTIME
        }
    }

    fn take_events(&self, pointer: *mut c_void) -> isize {
        let outgoing = OUTGOING.get();
        // SAFETY: null, or set by `collecting` on this thread for the length of the call that we
        // are in, during which nobody else touches the list.
        let outgoing = unsafe { outgoing.as_mut() };
        // SAFETY: the plugin passes a list of events, or null.
        let lost = unsafe { events::take(pointer, outgoing) };
        self.stray_events
            .fetch_add(u64::from(lost), Ordering::Relaxed);
        1
    }

    fn note(&self, call: &Call, result: isize) {
        let mut text = [0; host_calls::MAX_TEXT];
        if call.opcode == host::CAN_DO {
            // SAFETY: the plugin passes a C string, or null.
            let asked = unsafe { read_text(call.pointer) }.to_bytes();
            let end = asked.len().min(text.len());
            text[..end].copy_from_slice(&asked[..end]);
        }
        let is_address = matches!(call.opcode, host::GET_TIME | host::GET_DIRECTORY);
        self.notices.host_call(&HostCall {
            opcode: call.opcode,
            index: call.index,
            value: call.value as i64,
            opt: call.opt,
            // An address means nothing to anyone else.
            result: if is_address { 1 } else { result as i64 },
            text,
        });
    }
}

/// Whether what the plugin says of a parameter on this thread is its own doing.
fn is_news(index: i32) -> bool {
    let quiet = QUIET.get();
    quiet != Quiet::Yes && quiet != Quiet::Parameter(index)
}

/// Runs `call` into the plugin; what it says of parameters meanwhile is the host's own doing.
pub fn quietly<T>(quiet: Quiet, call: impl FnOnce() -> T) -> T {
    let before = QUIET.replace(quiet);
    let result = call();
    QUIET.set(before);
    result
}

/// Runs `call` into the plugin on the audio thread; events it sends meanwhile go to `outgoing`.
pub fn collecting<T>(outgoing: &mut EventList, call: impl FnOnce() -> T) -> T {
    let before = OUTGOING.replace(outgoing);
    let result = call();
    OUTGOING.set(before);
    result
}

/// The function that every plugin is given.
///
/// # Safety
/// For plugins: pointers are what the interface says for the opcode, or null.
pub unsafe extern "C" fn callback(
    _effect: *mut Effect,
    opcode: i32,
    index: i32,
    value: isize,
    pointer: *mut c_void,
    opt: f32,
) -> isize {
    let call = Call {
        opcode,
        index,
        value,
        pointer,
        opt,
    };
    // SYNC: pairs with the release in `Host::new`.
    let host = CURRENT.load(Ordering::Acquire);
    // SAFETY: null or leaked, and never borrowed mutably.
    unsafe {
        door::enter("its host", host, 0, |host| {
            let result = host.carry_out(&call);
            if host.notices.host_calls_observed() {
                host.note(&call, result);
            }
            result
        })
    }
}

/// What this host can do: 1, cannot: -1, does not know: 0.
fn can_do(what: &CStr) -> isize {
    match what.to_bytes() {
        b"sendVstEvents"
        | b"sendVstMidiEvent"
        | b"sendVstTimeInfo"
        | b"receiveVstEvents"
        | b"receiveVstMidiEvent"
        | b"acceptIOChanges"
        | b"startStopProcess"
        | b"shellCategory"
        | b"supportShell" => 1,
        b"sizeWindow"
        | b"openFileSelector"
        | b"closeFileSelector"
        | b"editFile"
        | b"offline"
        | b"asyncProcessing"
        | b"reportConnectionChanges"
        | b"sendVstMidiEventFlagIsRealtime" => -1,
        _ => 0,
    }
}

/// The product's version as a number: 1.2.3 is 1203.
fn version() -> isize {
    let parts = plugpen_proto::VERSION.split('.').map(str::parse::<isize>);
    parts
        .zip([1000, 100, 1])
        .map(|(part, weight)| part.unwrap_or(0) * weight)
        .sum()
}

fn size(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

fn to_isize(number: i32) -> isize {
    isize::try_from(number).unwrap_or(0)
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "float to integer saturates, which is what is wanted"
)]
fn rounded(value: f64) -> isize {
    value.round() as isize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(opcode: i32, index: i32, pointer: *mut c_void, opt: f32) -> isize {
        // SAFETY: pointers are what the opcodes take; the effect is not looked at.
        unsafe { callback(std::ptr::dangling_mut(), opcode, index, 0, pointer, opt) }
    }

    #[test]
    fn every_call_is_answered_from_any_thread_and_told_to_who_observes() {
        let notices = Arc::new(Notices::new());
        notices.expect_parameters(3);
        notices.observe_host_calls();
        let file = Path::new("/usr/lib/vst/x.so");
        let host = Host::new(file, 44_100.0, 256, false, Arc::clone(&notices));
        let knobs = Arc::new(Knobs::new([0.0, 0.25, 0.5]));
        host.know(Arc::clone(&knobs));
        std::thread::scope(|threads| {
            threads.spawn(|| {
                let null = std::ptr::null_mut();
                assert_eq!(ask(host::VERSION, 0, null, 0.0), 2400);
                assert_eq!(ask(host::GET_SAMPLE_RATE, 0, null, 0.0), 44_100);
                assert_eq!(ask(host::GET_BLOCK_SIZE, 0, null, 0.0), 256);
                assert_eq!(ask(host::GET_PROCESS_LEVEL, 0, null, 0.0), level::USER);
                assert_eq!(ask(host::CAN_DO, 0, null, 0.0), 0);
                assert_eq!(ask(host::GET_VENDOR, 0, null, 0.0), 0);
                assert_eq!(ask(host::PROCESS_EVENTS, 0, null, 0.0), 1);
                assert_eq!(ask(host::AUTOMATE, 1, null, 0.75), 1);
                for bad in [-1, 3, i32::MAX] {
                    assert_eq!(ask(host::AUTOMATE, bad, null, 0.75), 0);
                    assert_eq!(ask(host::BEGIN_EDIT, bad, null, 0.0), 0);
                }
                assert_eq!(ask(host::AUTOMATE, 0, null, f32::NAN), 0);
                assert_eq!(ask(host::BEGIN_EDIT, 2, null, 0.0), 1);
                let can = c"sizeWindow".as_ptr().cast_mut().cast();
                assert_eq!(ask(host::CAN_DO, 0, can, 0.0), -1);
                let mut text = [1u8; 64];
                assert_eq!(ask(host::GET_PRODUCT, 0, text.as_mut_ptr().cast(), 0.0), 1);
                assert_eq!(text[..8], *b"plugpen\0");
                for opcode in [host::GET_TIME, host::GET_DIRECTORY] {
                    assert_ne!(ask(opcode, 0, null, 0.0), 0);
                }
                // SizeWindow, OpenFileSelector and numbers that mean nothing.
                for opcode in [15, 45, -1, 50, i32::MAX] {
                    assert_eq!(ask(opcode, 0, null, 0.0), 0);
                }
            });
        });
        quietly(Quiet::Parameter(0), || {
            ask(host::AUTOMATE, 0, std::ptr::null_mut(), 0.1);
        });
        assert_eq!((knobs.wanted(1), knobs.wanted(0)), (0.75, 0.0));
        let noted = notices.take();
        assert_eq!(noted.parameters, [(1, false)]);
        assert_eq!((noted.begun, noted.ended), (vec![2], Vec::new()));
        let asked = noted.host_calls.iter().find(|(call, _)| call.result == -1);
        assert_eq!(asked.unwrap().0.text[..10], *b"sizeWindow");
        assert_eq!(host.take_stray_events(), 0);
    }
}
