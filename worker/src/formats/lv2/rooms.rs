//! How large the buffers of atom ports are: what the host would give anyway, what a port asks
//! for in its description, and what the plugin asks for while it runs (the resize-port
//! extension).
//!
//! A plugin may ask for more in the middle of a run, where nothing can be allocated. So plugins
//! that know the extension get address space for the most from the start, of which the system
//! makes present only what is used, and a buffer never moves.

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use lv2_sys::{
    LV2_Resize_Port_Resize, LV2_Resize_Port_Status,
    LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_NO_SPACE,
    LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_UNKNOWN,
    LV2_Resize_Port_Status_LV2_RESIZE_PORT_SUCCESS,
};

use super::ports::{Kind, PortInfo};
use crate::formats::{Notices, door};

/// Largest buffer of a port. The most that a real plugin's description asks for is 108,544 bytes.
const MOST: usize = 16 * 1024 * 1024;
/// Address space for all buffers of a plugin that may ask for more.
const ALL: usize = 128 * 1024 * 1024;

/// The rooms of one plugin's ports.
pub struct Rooms {
    list: OnceLock<Box<[Room]>>,
    /// What was refused last and not told yet: the port plus one, and KiB.
    refused: AtomicU64,
    notices: Arc<Notices>,
}

/// One port's buffer.
#[derive(Debug)]
pub struct Room {
    port: u32,
    /// What the plugin may use.
    pub bytes: Arc<AtomicUsize>,
    /// What it can grow to.
    pub most: usize,
    /// Positions of the rooms that grow with it, because they are `rsz:asLargeAs` it.
    followers: Vec<usize>,
}

impl Rooms {
    /// None, until there are ports.
    pub fn new(notices: Arc<Notices>) -> Self {
        Self {
            list: OnceLock::new(),
            refused: AtomicU64::new(0),
            notices,
        }
    }

    /// The feature for the plugin.
    pub fn feature(&'static self) -> LV2_Resize_Port_Resize {
        LV2_Resize_Port_Resize {
            data: std::ptr::from_ref(self).cast_mut().cast(),
            resize: Some(resize),
        }
    }

    /// Decides on the rooms of all atom ports, of at least `sequence_bytes` each. Once.
    pub fn furnish(&self, ports: &[PortInfo], sequence_bytes: usize, may_grow: bool) {
        let atoms: Vec<&PortInfo> = ports
            .iter()
            .filter(|port| matches!(port.kind, Kind::AtomIn | Kind::AtomOut))
            .collect();
        let follows = |follower: usize, port: usize| {
            let (follower, port) = (atoms[follower], atoms[port]);
            follower.as_large_as.contains(&port.symbol) && follower.index != port.index
        };
        let asked = |port: &&PortInfo| sequence_bytes.max(port.minimum_size.min(MOST));
        let mut sizes: Vec<usize> = atoms.iter().map(asked).collect();
        // As often as a chain of ports that follow each other can be long.
        for _ in 0..atoms.len() {
            for at in 0..atoms.len() {
                let models = (0..atoms.len()).filter(|model| follows(at, *model));
                let most = models.map(|model| sizes[model]).max();
                sizes[at] = sizes[at].max(most.unwrap_or(0));
            }
        }
        let most = match may_grow {
            true => MOST.min(ALL / atoms.len().max(1)),
            false => 0,
        };
        let room = |at: usize| Room {
            port: atoms[at].index,
            bytes: Arc::new(AtomicUsize::new(sizes[at])),
            most: sizes[at].max(most),
            followers: (0..atoms.len())
                .filter(|follower| follows(*follower, at))
                .collect(),
        };
        self.list
            .get_or_init(|| (0..atoms.len()).map(room).collect());
    }

    /// A port's room.
    pub fn of(&self, port: u32) -> Option<&Room> {
        self.list.get()?.iter().find(|room| room.port == port)
    }

    /// What was refused since this was last asked: the port and the KiB it would have had.
    pub fn take_refused(&self) -> Option<(u32, u32)> {
        let refused = self.refused.swap(0, Ordering::Relaxed);
        let port = u32::try_from(refused >> 32).ok()?.checked_sub(1)?;
        let kib = u32::try_from(refused & u64::from(u32::MAX)).unwrap_or(u32::MAX);
        Some((port, kib))
    }

    fn resize(&self, port: u32, bytes: usize) -> LV2_Resize_Port_Status {
        let list = self.list.get().map_or(&[][..], |list| list);
        let Some(at) = list.iter().position(|room| room.port == port) else {
            return LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_UNKNOWN;
        };
        if bytes > list[at].most {
            let kib = u32::try_from(bytes / 1024).unwrap_or(u32::MAX);
            let told = (u64::from(port) + 1) << 32 | u64::from(kib);
            self.refused.store(told, Ordering::Relaxed);
            self.notices.stir();
            return LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_NO_SPACE;
        }
        grow(list, at, bytes);
        LV2_Resize_Port_Status_LV2_RESIZE_PORT_SUCCESS
    }
}

/// Grows a room, and those that are as large as it. Ends where nothing grows, circles included.
fn grow(list: &[Room], at: usize, bytes: usize) {
    let room = &list[at];
    if room.bytes.fetch_max(bytes, Ordering::Relaxed) < bytes {
        for &follower in &room.followers {
            grow(list, follower, bytes.min(list[follower].most));
        }
    }
}

unsafe extern "C" fn resize(
    handle: *mut c_void,
    port: u32,
    bytes: usize,
) -> LV2_Resize_Port_Status {
    let failed = LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_UNKNOWN;
    // SAFETY: the handle is the one of `feature`: as old as the process.
    unsafe {
        door::enter(
            "resize-port:resize",
            handle.cast::<Rooms>(),
            failed,
            |rooms| rooms.resize(port, bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(index: u32, minimum_size: usize, as_large_as: &[&str]) -> PortInfo {
        PortInfo {
            kind: Kind::AtomOut,
            minimum_size,
            as_large_as: as_large_as.iter().map(|symbol| (*symbol).into()).collect(),
            ..PortInfo::of_index(index)
        }
    }

    fn sizes(rooms: &Rooms) -> Vec<usize> {
        let list = rooms.list.get().unwrap().iter();
        list.map(|room| room.bytes.load(Ordering::Relaxed))
            .collect()
    }

    #[test]
    fn ports_are_as_large_as_they_and_their_models_ask() {
        let rooms = Rooms::new(Arc::new(Notices::new()));
        let ports = [
            port(0, 0, &["port1"]),
            port(1, 50_000, &["port2"]),
            port(2, 0, &["port0", "nobody"]),
            port(3, 0, &[]),
            port(4, usize::MAX, &[]),
        ];
        rooms.furnish(&ports, 1000, false);
        assert_eq!(sizes(&rooms), [50_000, 50_000, 50_000, 1000, MOST]);
    }

    #[test]
    fn a_room_grows_up_to_its_most_and_a_refusal_is_told_once() {
        let rooms: &'static Rooms = Box::leak(Box::new(Rooms::new(Arc::new(Notices::new()))));
        let feature = rooms.feature();
        // SAFETY: the feature's own data, or null.
        let resize = |port, bytes| unsafe { feature.resize.unwrap()(feature.data, port, bytes) };
        assert_ne!(resize(0, 10), 0);
        rooms.furnish(&[port(0, 0, &[]), port(1, 0, &["port0"])], 1000, true);
        assert_eq!(resize(0, 400_000), 0);
        assert_eq!(sizes(rooms), [400_000, 400_000]);
        assert_eq!(resize(0, 10), 0);
        assert_eq!(sizes(rooms), [400_000, 400_000]);
        assert_eq!(rooms.take_refused(), None);
        let no_space = LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_NO_SPACE;
        assert_eq!(resize(1, MOST + 1024), no_space);
        assert_eq!(rooms.take_refused(), Some((1, 16 * 1024 + 1)));
        assert_eq!(resize(1, usize::MAX), no_space);
        assert_eq!(rooms.take_refused(), Some((1, u32::MAX)));
        assert_eq!(rooms.take_refused(), None);
        assert_eq!(
            resize(7, 1),
            LV2_Resize_Port_Status_LV2_RESIZE_PORT_ERR_UNKNOWN
        );
    }
}
