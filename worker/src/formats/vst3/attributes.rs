//! Attribute lists and the messages that carry them between a plugin's two halves.

use std::collections::BTreeMap;
use std::ffi::{CString, c_char, c_void};
use std::sync::Mutex;

use plugpen_proto::limits::MAX_STATE;
use vst3::Steinberg::Vst::IAttributeList_::AttrID;
use vst3::Steinberg::Vst::{IAttributeList, IAttributeListTrait, IMessage, IMessageTrait};
use vst3::Steinberg::{
    FIDString, kInternalError, kInvalidArgument, kOutOfMemory, kResultFalse, kResultOk, tresult,
};
use vst3::{Class, ComPtr, ComWrapper};

use super::door::enter;
use super::text;

/// Attributes of a list, at most.
const MAX_ATTRIBUTES: usize = 4096;

enum Value {
    Int(i64),
    Float(f64),
    Text(Vec<u16>),
    Binary(Box<[u8]>),
}

/// Named values.
#[derive(Default)]
pub struct Attributes {
    values: Mutex<BTreeMap<Vec<u8>, Value>>,
}

impl Class for Attributes {
    type Interfaces = (IAttributeList,);
}

impl Attributes {
    /// An empty list for a plugin.
    pub fn lent() -> ComWrapper<Self> {
        ComWrapper::new(Self::default())
    }

    /// Sets a text.
    pub fn set_text(&self, key: Vec<u8>, text: &str) {
        self.put(key, Value::Text(text::to_wide(text)));
    }

    /// Sets a number.
    pub fn set_int(&self, key: Vec<u8>, number: i64) {
        self.put(key, Value::Int(number));
    }

    fn put(&self, key: Vec<u8>, value: Value) -> tresult {
        let mut values = self.values.lock().unwrap_or_else(|e| e.into_inner());
        if values.len() >= MAX_ATTRIBUTES && !values.contains_key(&key) {
            return kOutOfMemory;
        }
        values.insert(key, value);
        kResultOk
    }

    fn set(&self, id: AttrID, value: Option<Value>) -> tresult {
        // SAFETY: null or a C string, by the interface.
        let key = unsafe { text::c_string(id) };
        match (key, value) {
            (Some(key), Some(value)) => self.put(key, value),
            _ => kInvalidArgument,
        }
    }

    /// Hands a value to `take`, which says whether it is of the right kind.
    fn get(&self, id: AttrID, take: impl FnOnce(&Value) -> bool) -> tresult {
        // SAFETY: null or a C string, by the interface.
        let Some(key) = (unsafe { text::c_string(id) }) else {
            return kInvalidArgument;
        };
        let values = self.values.lock().unwrap_or_else(|e| e.into_inner());
        match values.get(&key) {
            Some(value) if take(value) => kResultOk,
            _ => kResultFalse,
        }
    }
}

impl IAttributeListTrait for Attributes {
    unsafe fn setInt(&self, id: AttrID, value: i64) -> tresult {
        enter("IAttributeList::setInt", self, kInternalError, |this| {
            this.set(id, Some(Value::Int(value)))
        })
    }

    unsafe fn getInt(&self, id: AttrID, value: *mut i64) -> tresult {
        enter("IAttributeList::getInt", self, kInternalError, |this| {
            this.get(id, |found| match found {
                // SAFETY: not null, and room by the interface.
                Value::Int(found) if !value.is_null() => unsafe {
                    value.write(*found);
                    true
                },
                _ => false,
            })
        })
    }

    unsafe fn setFloat(&self, id: AttrID, value: f64) -> tresult {
        enter("IAttributeList::setFloat", self, kInternalError, |this| {
            this.set(id, Some(Value::Float(value)))
        })
    }

    unsafe fn getFloat(&self, id: AttrID, value: *mut f64) -> tresult {
        enter("IAttributeList::getFloat", self, kInternalError, |this| {
            this.get(id, |found| match found {
                // SAFETY: not null, and room by the interface.
                Value::Float(found) if !value.is_null() => unsafe {
                    value.write(*found);
                    true
                },
                _ => false,
            })
        })
    }

    unsafe fn setString(&self, id: AttrID, string: *const u16) -> tresult {
        enter("IAttributeList::setString", self, kInternalError, |this| {
            // SAFETY: null or ends with a zero, by the interface.
            let units = unsafe { text::wide_string(string) };
            let ended = units.map(|mut units| {
                units.push(0);
                Value::Text(units)
            });
            this.set(id, ended)
        })
    }

    unsafe fn getString(&self, id: AttrID, string: *mut u16, bytes: u32) -> tresult {
        enter("IAttributeList::getString", self, kInternalError, |this| {
            let room = usize::try_from(bytes).unwrap_or(0) / size_of::<u16>();
            if string.is_null() || room == 0 {
                return kInvalidArgument;
            }
            this.get(id, |found| match found {
                Value::Text(units) => {
                    let count = units.len().min(room);
                    // SAFETY: the plugin has room for `room` units, and `count` is no more.
                    unsafe {
                        std::ptr::copy_nonoverlapping(units.as_ptr(), string, count);
                        string.add(count - 1).write(0);
                    }
                    true
                }
                _ => false,
            })
        })
    }

    unsafe fn setBinary(&self, id: AttrID, data: *const c_void, bytes: u32) -> tresult {
        enter("IAttributeList::setBinary", self, kInternalError, |this| {
            let count = usize::try_from(bytes).unwrap_or(usize::MAX);
            if count > MAX_STATE || (data.is_null() && count > 0) {
                return kInvalidArgument;
            }
            let copy = match count {
                0 => Box::default(),
                // SAFETY: not null, and as long as the plugin says.
                _ => unsafe { std::slice::from_raw_parts(data.cast::<u8>(), count) }.into(),
            };
            this.set(id, Some(Value::Binary(copy)))
        })
    }

    unsafe fn getBinary(&self, id: AttrID, data: *mut *const c_void, bytes: *mut u32) -> tresult {
        enter("IAttributeList::getBinary", self, kInternalError, |this| {
            if data.is_null() || bytes.is_null() {
                return kInvalidArgument;
            }
            this.get(id, |found| match found {
                // Stays where it is until it is set anew, as the interface has it.
                // SAFETY: not null, and room by the interface.
                Value::Binary(found) => unsafe {
                    data.write(found.as_ptr().cast());
                    bytes.write(u32::try_from(found.len()).unwrap_or(0));
                    true
                },
                _ => false,
            })
        })
    }
}

/// A message from one half of a plugin to the other.
pub struct Message {
    /// Never freed while the message lives, since plugins keep the pointer: set once, or leaked.
    id: Mutex<Option<CString>>,
    attributes: ComPtr<IAttributeList>,
}

impl Class for Message {
    type Interfaces = (IMessage,);
}

impl Message {
    /// An empty message. `None` cannot happen and is no message.
    pub fn lent() -> Option<ComWrapper<Self>> {
        let attributes = Attributes::lent().to_com_ptr()?;
        Some(ComWrapper::new(Self {
            id: Mutex::default(),
            attributes,
        }))
    }
}

impl IMessageTrait for Message {
    unsafe fn getMessageID(&self) -> FIDString {
        let id = self.id.lock().unwrap_or_else(|e| e.into_inner());
        id.as_ref()
            .map_or(std::ptr::null(), |id| id.as_ptr().cast::<c_char>())
    }

    unsafe fn setMessageID(&self, id: FIDString) {
        enter("IMessage::setMessageID", self, (), |this| {
            // SAFETY: null or a C string, by the interface.
            let id = unsafe { text::c_string(id) }.and_then(|id| CString::new(id).ok());
            let mut place = this.id.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(before) = std::mem::replace(&mut *place, id) {
                std::mem::forget(before);
            }
        });
    }

    unsafe fn getAttributes(&self) -> *mut IAttributeList {
        self.attributes.as_ptr()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_kept_by_kind() {
        let lent = Attributes::lent();
        let list = lent.to_com_ptr::<IAttributeList>().unwrap();
        let (a, b) = (c"a".as_ptr(), c"b".as_ptr());
        let (mut int, mut float, mut text) = (0, 0.0, [9u16; 4]);
        let (mut data, mut size) = (std::ptr::null(), 0);
        // SAFETY: all pointers are to locals of the sizes given, or null.
        unsafe {
            assert_eq!(list.setInt(a, 7), kResultOk);
            assert_eq!(list.getInt(a, &raw mut int), kResultOk);
            assert_ne!(list.getFloat(a, &raw mut float), kResultOk);
            assert_ne!(list.getInt(b, &raw mut int), kResultOk);
            assert_ne!(list.getInt(a, std::ptr::null_mut()), kResultOk);
            assert_ne!(list.setInt(std::ptr::null(), 1), kResultOk);
            assert_eq!(list.setFloat(a, 0.5), kResultOk);
            assert_eq!(list.getFloat(a, &raw mut float), kResultOk);
            let long = [0x41, 0x42, 0x43, 0x44, 0x45, 0];
            assert_eq!(list.setString(b, long.as_ptr()), kResultOk);
            assert_eq!(list.getString(b, text.as_mut_ptr(), 8), kResultOk);
            assert_ne!(list.getString(b, text.as_mut_ptr(), 1), kResultOk);
            assert_ne!(list.setString(b, std::ptr::null()), kResultOk);
            assert_eq!(list.setBinary(a, [1u8, 2].as_ptr().cast(), 2), kResultOk);
            assert_eq!(list.getBinary(a, &raw mut data, &raw mut size), kResultOk);
            assert_ne!(list.setBinary(a, std::ptr::null(), 2), kResultOk);
            assert_eq!(std::slice::from_raw_parts(data.cast::<u8>(), 2), [1, 2]);
        }
        assert_eq!((int, float, size), (7, 0.5, 2));
        assert_eq!(text, [0x41, 0x42, 0x43, 0]);
    }

    #[test]
    fn a_message_has_a_name_and_a_list() {
        let lent = Message::lent().unwrap();
        let message = lent.to_com_ptr::<IMessage>().unwrap();
        // SAFETY: C strings, and pointers to objects that live.
        unsafe {
            assert!(message.getMessageID().is_null());
            message.setMessageID(c"Text".as_ptr());
            assert_eq!(text::c_string(message.getMessageID()).unwrap(), b"Text");
            assert!(!message.getAttributes().is_null());
        }
    }
}
