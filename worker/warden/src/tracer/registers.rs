//! The registers of a thread, where processors differ.

use minidump_common::format as md;

use super::dump::Writer;

/// The general registers.
#[derive(Debug, Clone)]
pub(super) struct Registers(pub(super) libc::user_regs_struct);

#[cfg(target_arch = "x86_64")]
impl Registers {
    /// The architecture's number in a minidump.
    pub(super) const ARCHITECTURE: u16 = 9;
    /// Bytes below the stack pointer that functions may use.
    pub(super) const RED_ZONE: u64 = 128;

    /// Where the thread is in its code.
    pub(super) fn instruction_pointer(&self) -> u64 {
        self.0.rip
    }

    /// Where its stack ends.
    pub(super) fn stack_pointer(&self) -> u64 {
        self.0.rsp
    }

    /// The system call it is in, below 0 for none.
    pub(super) fn system_call(&self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    pub(super) fn write(&self, dump: &mut Writer) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
        let r = &self.0;
        let short = |value: u64| u16::try_from(value & 0xffff).unwrap_or(0);
        let flags = md::ContextFlagsAmd64::CONTEXT_AMD64_CONTROL
            | md::ContextFlagsAmd64::CONTEXT_AMD64_INTEGER
            | md::ContextFlagsAmd64::CONTEXT_AMD64_SEGMENTS;
        dump.put(md::CONTEXT_AMD64 {
            context_flags: flags.bits(),
            cs: short(r.cs),
            ds: short(r.ds),
            es: short(r.es),
            fs: short(r.fs),
            gs: short(r.gs),
            ss: short(r.ss),
            eflags: u32::try_from(r.eflags & 0xffff_ffff).unwrap_or(0),
            rax: r.rax,
            rcx: r.rcx,
            rdx: r.rdx,
            rbx: r.rbx,
            rsp: r.rsp,
            rbp: r.rbp,
            rsi: r.rsi,
            rdi: r.rdi,
            r8: r.r8,
            r9: r.r9,
            r10: r.r10,
            r11: r.r11,
            r12: r.r12,
            r13: r.r13,
            r14: r.r14,
            r15: r.r15,
            rip: r.rip,
            ..md::CONTEXT_AMD64::default()
        })
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    /// The architecture's number in a minidump.
    pub(super) const ARCHITECTURE: u16 = 12;
    /// Bytes below the stack pointer that functions may use.
    pub(super) const RED_ZONE: u64 = 0;

    /// Where the thread is in its code.
    pub(super) fn instruction_pointer(&self) -> u64 {
        self.0.pc
    }

    /// Where its stack ends.
    pub(super) fn stack_pointer(&self) -> u64 {
        self.0.sp
    }

    /// The system call it is in, if it is in one.
    pub(super) fn system_call(&self) -> i64 {
        self.0.regs[8].cast_signed()
    }

    pub(super) fn write(&self, dump: &mut Writer) -> md::MINIDUMP_LOCATION_DESCRIPTOR {
        let flags = md::ContextFlagsArm64::CONTEXT_ARM64_CONTROL
            | md::ContextFlagsArm64::CONTEXT_ARM64_INTEGER;
        dump.put(md::CONTEXT_ARM64 {
            context_flags: flags.bits(),
            cpsr: u32::try_from(self.0.pstate & 0xffff_ffff).unwrap_or(0),
            iregs: self.0.regs,
            sp: self.0.sp,
            pc: self.0.pc,
            ..md::CONTEXT_ARM64::default()
        })
    }
}
