//! The instruction at fault.

use iced_x86::{
    Decoder, DecoderOptions, Formatter, InstructionInfoFactory, IntelFormatter, OpAccess,
};
use minidump::system_info::Cpu;
use minidump::{Minidump, MinidumpException, MinidumpRawContext, MinidumpSystemInfo};

use crate::findings::Instruction;

/// The longest there are, in bytes.
const LONGEST: usize = 15;

/// The instruction that a thread was at when its signal came, for x86-64.
pub fn at_fault(
    dump: &Minidump<'_, Vec<u8>>,
    system: &MinidumpSystemInfo,
    exception: &MinidumpException<'_>,
) -> Option<Instruction> {
    if system.cpu != Cpu::X86_64 {
        return None;
    }
    let context = exception.context(system, None)?;
    let MinidumpRawContext::Amd64(registers) = &context.raw else {
        return None;
    };
    let pointer = registers.rip;
    let memory = dump.get_memory()?;
    let code = memory.memory_at_address(pointer)?;
    let skipped = usize::try_from(pointer.checked_sub(code.base_address())?).ok()?;
    let bytes = code.bytes().get(skipped..)?;
    disassemble(&bytes[..bytes.len().min(LONGEST)], pointer)
}

fn disassemble(bytes: &[u8], pointer: u64) -> Option<Instruction> {
    let mut decoder = Decoder::with_ip(64, bytes, pointer, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return None;
    }
    let mut text = String::new();
    IntelFormatter::new().format(&instruction, &mut text);
    let mut about = InstructionInfoFactory::new();
    let used = about.info(&instruction).used_memory().first().copied();
    let (access, size) = match used.map(|used| (used.access(), used.memory_size())) {
        Some((access, size)) => (word(access), size.size()),
        None => ("", 0),
    };
    let bytes = &bytes[..instruction.len()];
    Some(Instruction {
        text,
        bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        access,
        size: u64::try_from(size).unwrap_or(0),
    })
}

fn word(access: OpAccess) -> &'static str {
    match access {
        OpAccess::Write | OpAccess::CondWrite | OpAccess::ReadWrite | OpAccess::ReadCondWrite => {
            "write"
        }
        OpAccess::Read | OpAccess::CondRead => "read",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_is_told_from_a_read() {
        // mov byte ptr [rax], 1
        let write = disassemble(&[0xc6, 0x00, 0x01, 0x90], 0x1000).unwrap();
        assert_eq!((write.access, write.size), ("write", 1));
        assert_eq!(
            (write.text.as_str(), write.bytes.as_str()),
            ("mov byte ptr [rax],1", "c60001")
        );
        // mov rax, [rdi + 8]
        let read = disassemble(&[0x48, 0x8b, 0x47, 0x08], 0x1000).unwrap();
        assert_eq!((read.access, read.size), ("read", 8));
        // ud2
        assert_eq!(disassemble(&[0x0f, 0x0b], 0x1000).unwrap().access, "");
        assert!(disassemble(&[0x06], 0x1000).is_none());
    }
}
