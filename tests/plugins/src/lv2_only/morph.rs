//! Multiplies its input with a port that is a control at first and can be samples, and adds one
//! whose first type no host knows. A third port follows the first; a fourth only says that it
//! can be something else.

use std::ffi::{CStr, c_void};
use std::ptr;

use lv2_sys::{
    LV2_Feature, LV2_Handle, LV2_Options_Interface, LV2_Options_Option,
    LV2_Options_Status_LV2_OPTIONS_ERR_BAD_KEY, LV2_Options_Status_LV2_OPTIONS_ERR_BAD_SUBJECT,
    LV2_Options_Status_LV2_OPTIONS_ERR_BAD_VALUE, LV2_Options_Status_LV2_OPTIONS_SUCCESS,
    LV2_URID_Map,
};

use super::instance;
use crate::kit::demand;
use crate::lv2::{Host, feature};

const INPUT: usize = 0;
const OUTPUT: usize = 1;
const AMOUNT: usize = 2;
const FOLLOWER: usize = 3;
const STUBBORN: usize = 4;
const ALIEN: usize = 5;

pub struct Morph {
    ports: [*mut c_void; 6],
    control: u32,
    audio: u32,
    cv: u32,
    urid: u32,
    current_type: u32,
    /// Types of the amount (and of what follows it) and of the alien port.
    amount: u32,
    alien: u32,
}

impl super::Plugin for Morph {
    const URI: &'static CStr = c"urn:plugpen:test:morph";

    unsafe fn new(features: *const *const LV2_Feature) -> Self {
        // SAFETY: the caller's promise.
        let map = unsafe { feature(features, lv2_sys::LV2_URID__map) };
        let host = Host(map.cast::<LV2_URID_Map>());
        let control = host.urid(c"http://lv2plug.in/ns/lv2core#ControlPort");
        Self {
            ports: [ptr::null_mut(); 6],
            control,
            audio: host.urid(c"http://lv2plug.in/ns/lv2core#AudioPort"),
            cv: host.urid(c"http://lv2plug.in/ns/lv2core#CVPort"),
            urid: host.urid(c"http://lv2plug.in/ns/ext/atom#URID"),
            current_type: host.urid(c"http://lv2plug.in/ns/ext/morph#currentType"),
            amount: control,
            alien: 0,
        }
    }

    fn ports(&mut self) -> &mut [*mut c_void] {
        &mut self.ports
    }

    fn run(&mut self, frames: usize) {
        demand(
            self.alien == self.cv,
            "a port of no known type is given one",
        );
        demand(
            self.ports.iter().all(|port| !port.is_null()),
            "every port is connected",
        );
        let is_control = self.amount == self.control;
        for frame in 0..frames {
            let at = if is_control { 0 } else { frame };
            // SAFETY: ports of samples have as many as the block has frames, controls have one.
            unsafe {
                let amount = self.read(AMOUNT, at);
                let sample = self.read(INPUT, frame) * amount + self.read(ALIEN, frame);
                self.ports[FOLLOWER].cast::<f32>().add(at).write(amount);
                self.ports[OUTPUT].cast::<f32>().add(frame).write(sample);
            }
        }
    }

    fn extension(uri: &[u8]) -> *const c_void {
        static INTERFACE: LV2_Options_Interface = LV2_Options_Interface {
            get: Some(get),
            set: Some(set),
        };
        match uri == lv2_sys::LV2_OPTIONS__interface {
            true => ptr::from_ref(&INTERFACE).cast(),
            false => ptr::null(),
        }
    }
}

impl Morph {
    /// # Safety
    /// The port is connected to more samples than `at`.
    unsafe fn read(&self, port: usize, at: usize) -> f32 {
        // SAFETY: the caller's promise.
        unsafe { self.ports[port].cast::<f32>().add(at).read() }
    }

    fn set(&mut self, option: &LV2_Options_Option) -> u32 {
        if option.key != self.current_type {
            return LV2_Options_Status_LV2_OPTIONS_ERR_BAD_KEY;
        }
        demand(option.context == 3, "the option of a port says so");
        demand(
            option.type_ == self.urid && option.size == 4 && !option.value.is_null(),
            "a type is a URID",
        );
        // SAFETY: checked on the lines above.
        let wanted = unsafe { option.value.cast::<u32>().read() };
        let is_samples = wanted == self.cv || wanted == self.audio;
        match usize::try_from(option.subject) {
            Ok(AMOUNT) if is_samples || wanted == self.control => self.amount = wanted,
            Ok(ALIEN) if wanted == self.cv => self.alien = wanted,
            Ok(AMOUNT | ALIEN | STUBBORN) => {
                return LV2_Options_Status_LV2_OPTIONS_ERR_BAD_VALUE;
            }
            _ => return LV2_Options_Status_LV2_OPTIONS_ERR_BAD_SUBJECT,
        }
        LV2_Options_Status_LV2_OPTIONS_SUCCESS
    }

    fn get(&self, option: &mut LV2_Options_Option) -> u32 {
        option.value = match usize::try_from(option.subject) {
            Ok(AMOUNT | FOLLOWER) => ptr::from_ref(&self.amount).cast(),
            Ok(ALIEN) => ptr::from_ref(&self.alien).cast(),
            _ => return LV2_Options_Status_LV2_OPTIONS_ERR_BAD_SUBJECT,
        };
        option.size = 4;
        option.type_ = self.urid;
        LV2_Options_Status_LV2_OPTIONS_SUCCESS
    }
}

unsafe extern "C" fn set(handle: LV2_Handle, options: *const LV2_Options_Option) -> u32 {
    // SAFETY: LV2's contract for handles and for arrays of options, which end with a key of 0.
    unsafe {
        let plugin = instance::<Morph>(handle);
        let mut next = options;
        let mut status = 0;
        while (*next).key != 0 {
            status |= plugin.set(&*next);
            next = next.add(1);
        }
        status
    }
}

unsafe extern "C" fn get(handle: LV2_Handle, options: *mut LV2_Options_Option) -> u32 {
    // SAFETY: as in `set`.
    unsafe {
        let plugin = instance::<Morph>(handle);
        let mut next = options;
        let mut status = 0;
        while (*next).key != 0 {
            status |= plugin.get(&mut *next);
            next = next.add(1);
        }
        status
    }
}
