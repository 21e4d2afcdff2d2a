//! Nodes of the graph that bundles form.

use std::ffi::{CStr, CString, c_char};
use std::path::PathBuf;
use std::ptr::NonNull;

use super::lilv::{Lilv, LilvNode, LilvWorld};

/// A URI, literal or blank node.
pub struct Node {
    lilv: &'static Lilv,
    node: NonNull<LilvNode>,
}

impl Node {
    /// A node for a URI; `None` where lilv has no memory.
    pub fn uri(lilv: &'static Lilv, world: NonNull<LilvWorld>, uri: &str) -> Option<Self> {
        let uri = CString::new(uri).ok()?;
        // SAFETY: the world is valid, the URI a C string.
        unsafe { Self::take(lilv, (lilv.new_uri)(world.as_ptr(), uri.as_ptr())) }
    }

    /// Takes a node over from lilv; `None` for null.
    ///
    /// # Safety
    /// `node` is null, or valid and the caller's to free.
    pub unsafe fn take(lilv: &'static Lilv, node: *mut LilvNode) -> Option<Self> {
        NonNull::new(node).map(|node| Self { lilv, node })
    }

    /// Copies a node that belongs to something of lilv's; `None` for null.
    ///
    /// # Safety
    /// `node` is null or valid.
    pub unsafe fn copy(lilv: &'static Lilv, node: *const LilvNode) -> Option<Self> {
        if node.is_null() {
            return None;
        }
        // SAFETY: valid, says the caller.
        unsafe { Self::take(lilv, (lilv.node_duplicate)(node)) }
    }

    /// The node itself, for calls into lilv.
    pub fn as_ptr(&self) -> *const LilvNode {
        self.node.as_ptr()
    }

    /// A URI and not a literal.
    pub fn is_uri(&self) -> bool {
        // SAFETY: the node is valid, as in all of this impl.
        unsafe { (self.lilv.node_is_uri)(self.as_ptr()) }
    }

    /// The URI, or the literal as it is written.
    pub fn text(&self) -> String {
        // SAFETY: every node has a string, valid as long as the node.
        unsafe { text((self.lilv.node_as_string)(self.as_ptr())) }
    }

    /// A number or truth value.
    pub fn number(&self) -> Option<f32> {
        let lilv = self.lilv;
        let node = self.as_ptr();
        // SAFETY: the type is asked before the value.
        unsafe {
            if (lilv.node_is_float)(node) || (lilv.node_is_int)(node) {
                Some((lilv.node_as_float)(node))
            } else if (lilv.node_is_bool)(node) {
                Some(f32::from(u8::from((lilv.node_as_bool)(node))))
            } else {
                None
            }
        }
    }

    /// A number above 0 as a size.
    pub fn size(&self) -> Option<usize> {
        // SAFETY: the type is asked before the value.
        let number = unsafe {
            (self.lilv.node_is_int)(self.as_ptr()).then(|| (self.lilv.node_as_int)(self.as_ptr()))
        };
        number.and_then(|number| usize::try_from(number).ok())
    }

    /// The path of a `file:` URI.
    pub fn path(&self) -> Option<PathBuf> {
        // SAFETY: a node; the path is copied, then freed with lilv's own function.
        unsafe {
            let path = (self.lilv.node_get_path)(self.as_ptr(), std::ptr::null_mut());
            let copied = (!path.is_null()).then(|| PathBuf::from(text(path)));
            (self.lilv.free)(path.cast());
            copied
        }
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.is_uri() == other.is_uri() && self.text() == other.text()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // SAFETY: owned, freed once.
        unsafe { (self.lilv.node_free)(self.node.as_ptr()) };
    }
}

/// # Safety
/// `text` is null or a C string.
unsafe fn text(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: a C string, says the caller.
    unsafe { CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}
