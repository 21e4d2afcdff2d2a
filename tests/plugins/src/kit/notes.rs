//! Notes with ids, and what shapes them, where the format has them.

/// What happens to one note.
#[derive(Debug, Clone, Copy)]
pub enum Note {
    /// It begins or ends.
    Key {
        /// Its id; -1 for none.
        id: i32,
        is_on: bool,
        channel: u8,
        key: u8,
        velocity: f32,
        /// Cents.
        tuning: f32,
    },
    /// A property takes a value.
    Shape {
        /// Id of the note.
        id: i32,
        /// Which property.
        kind: u32,
        value: f64,
    },
}

/// Notes by frame, in the order they came.
pub type Notes = Vec<(usize, Note)>;

/// Room for what a test sends.
pub fn room() -> Notes {
    Vec::with_capacity(1024)
}
