//! Follows stacks from their end to their beginning.

use anyhow::anyhow;
use framehop::aarch64::{CacheAarch64, UnwindRegsAarch64, UnwinderAarch64};
use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{FrameAddress, Unwinder};
use minidump::{
    Minidump, MinidumpContext, MinidumpException, MinidumpRawContext, MinidumpSystemInfo,
    MinidumpThread, MinidumpThreadList, MinidumpThreadNames, UnifiedMemory, UnifiedMemoryList,
};

use crate::findings::{Frame, Thread};
use crate::modules::Modules;

/// Frames of one thread that are told.
const MAX_FRAMES: usize = 128;
/// Threads that are told.
const MAX_THREADS: usize = 256;

/// All threads of a dump. The one to blame, which is the first, comes first.
pub fn threads(
    dump: &Minidump<'_, Vec<u8>>,
    system: &MinidumpSystemInfo,
    exception: Option<&MinidumpException<'_>>,
    modules: &mut Modules,
) -> anyhow::Result<Vec<Thread>> {
    let list: MinidumpThreadList<'_> = dump
        .get_stream()
        .map_err(|error| anyhow!("the dump has no threads: {error}"))?;
    let names: MinidumpThreadNames = dump.get_stream().unwrap_or_default();
    let memory = dump.get_memory().unwrap_or_default();
    let mut walker = Walker::default();
    let threads = list.threads.iter().take(MAX_THREADS).map(|thread| {
        let tid = thread.raw.thread_id;
        let context = thread.context(system, None);
        let (frames, truncated) = match &context {
            Some(context) => walker.walk(thread, context, &memory, modules),
            None => (Vec::new(), true),
        };
        Thread {
            tid,
            name: names.get_name(tid).unwrap_or_default().into_owned(),
            crashed: exception.is_some_and(|exception| exception.thread_id == tid),
            truncated,
            frames,
        }
    });
    Ok(threads.collect())
}

/// Unwinders of both processors, with the tables of the modules met so far.
#[derive(Default)]
struct Walker {
    x86_64: UnwinderX86_64<&'static [u8]>,
    x86_64_cache: CacheX86_64,
    aarch64: UnwinderAarch64<&'static [u8]>,
    aarch64_cache: CacheAarch64,
}

impl Walker {
    fn walk(
        &mut self,
        thread: &MinidumpThread<'_>,
        context: &MinidumpContext,
        memory: &UnifiedMemoryList<'_>,
        modules: &mut Modules,
    ) -> (Vec<Frame>, bool) {
        let stack = thread.stack_memory(memory);
        match &context.raw {
            MinidumpRawContext::Amd64(r) => follow(
                &mut self.x86_64,
                &mut self.x86_64_cache,
                r.rip,
                UnwindRegsX86_64::new(r.rip, r.rsp, r.rbp),
                stack,
                modules,
            ),
            MinidumpRawContext::Arm64(r) => follow(
                &mut self.aarch64,
                &mut self.aarch64_cache,
                r.pc,
                UnwindRegsAarch64::new(r.iregs[30], r.sp, r.iregs[29]),
                stack,
                modules,
            ),
            _ => (Vec::new(), true),
        }
    }
}

fn follow<U: Unwinder<Module = framehop::Module<&'static [u8]>>>(
    unwinder: &mut U,
    cache: &mut U::Cache,
    pointer: u64,
    mut registers: U::UnwindRegs,
    stack: Option<UnifiedMemory<'_, '_>>,
    modules: &mut Modules,
) -> (Vec<Frame>, bool) {
    let mut read = |address| {
        let stack = stack.as_ref().ok_or(())?;
        stack.get_memory_at_address::<u64>(address).ok_or(())
    };
    let mut frames = Vec::new();
    let mut at = FrameAddress::from_instruction_pointer(pointer);
    loop {
        let lookup = at.address_for_lookup();
        frames.extend(modules.frames(at.address(), lookup));
        if frames.len() >= MAX_FRAMES {
            frames.truncate(MAX_FRAMES);
            return (frames, true);
        }
        if let Some(tables) = modules.unwind_tables(lookup) {
            unwinder.add_module(tables);
        }
        let next = unwinder.unwind_frame(at, &mut registers, cache, &mut read);
        at = match next.map(|next| next.and_then(FrameAddress::from_return_address)) {
            Ok(Some(next)) => next,
            Ok(None) => return (frames, false),
            Err(_) => return (frames, true),
        };
    }
}
