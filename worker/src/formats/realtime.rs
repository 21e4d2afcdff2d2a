//! The audio thread allocates nothing, enforced in debug builds: there an allocation of ours on
//! the block path ends the process. Plugins have allocators of their own and are not meant.

/// Runs `call`, in which nothing may be allocated or freed.
pub fn strict<T>(call: impl FnOnce() -> T) -> T {
    checked::with(true, call)
}

/// Runs `call`, in which allocating is known and accepted; says why at each use.
pub fn permitted<T>(call: impl FnOnce() -> T) -> T {
    checked::with(false, call)
}

#[cfg(not(debug_assertions))]
mod checked {
    pub fn with<T>(_: bool, call: impl FnOnce() -> T) -> T {
        call()
    }
}

#[cfg(debug_assertions)]
mod checked {
    use std::alloc::{GlobalAlloc, Layout, System};
    use std::cell::Cell;

    thread_local! {
        static STRICT: Cell<bool> = const { Cell::new(false) };
    }

    pub fn with<T>(strict: bool, call: impl FnOnce() -> T) -> T {
        let before = STRICT.replace(strict);
        let result = call();
        STRICT.set(before);
        result
    }

    struct Checking;

    #[global_allocator]
    static ALLOCATOR: Checking = Checking;

    // SAFETY: everything is passed on to the system's allocator as it came.
    unsafe impl GlobalAlloc for Checking {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            check("an allocation");
            // SAFETY: the caller's promise is passed on.
            unsafe { System.alloc(layout) }
        }

        unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
            check("a deallocation");
            // SAFETY: the caller's promise is passed on.
            unsafe { System.dealloc(memory, layout) };
        }
    }

    fn check(what: &str) {
        if STRICT.replace(false) {
            eprintln!("plugpen-worker: {what} on the audio thread's block path");
            eprintln!("{}", std::backtrace::Backtrace::force_capture());
            std::process::abort();
        }
    }
}
