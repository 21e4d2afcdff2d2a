//! What the kernel says of a signal.

/// The first fields of `siginfo_t`, which every signal has, and those of faults and of SIGSYS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SignalInfo {
    pub(super) signal: i32,
    pub(super) code: i32,
    /// Meant only where [`SignalInfo::address`] says so.
    first: u64,
    second: u64,
}

impl SignalInfo {
    pub(super) fn of(raw: &[u64; 16]) -> Self {
        let half = |word: u64, high: bool| {
            let bytes = word.to_ne_bytes();
            let [a, b, c, d, e, f, g, h] = bytes;
            i32::from_ne_bytes(if high { [e, f, g, h] } else { [a, b, c, d] })
        };
        Self {
            signal: half(raw[0], false),
            code: half(raw[1], false),
            first: raw[2],
            second: raw[3],
        }
    }

    /// Raised by the kernel for what the thread itself did, and not sent by anybody.
    pub(super) fn is_fault(&self) -> bool {
        self.code > 0
            && matches!(
                self.signal,
                libc::SIGSEGV | libc::SIGBUS | libc::SIGILL | libc::SIGFPE | libc::SIGTRAP
            )
    }

    /// The address that could not be used.
    pub(super) fn address(&self) -> Option<u64> {
        /// The processor was given no address (a general protection fault).
        const SI_KERNEL: i32 = 0x80;
        (self.is_fault() && self.code != SI_KERNEL).then_some(self.first)
    }

    /// The system call that a filter refused.
    pub(super) fn system_call(&self) -> Option<i32> {
        /// SYS_SECCOMP
        const BY_FILTER: i32 = 1;
        (self.signal == libc::SIGSYS && self.code == BY_FILTER)
            .then(|| i32::try_from(self.second & 0xffff_ffff).unwrap_or(-1))
    }
}

/// Whether a signal that no handler takes ends a process.
pub(super) fn is_deadly(signal: i32) -> bool {
    !matches!(
        signal,
        libc::SIGCHLD
            | libc::SIGCONT
            | libc::SIGURG
            | libc::SIGWINCH
            | libc::SIGSTOP
            | libc::SIGTSTP
            | libc::SIGTTIN
            | libc::SIGTTOU
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(signal: i32, code: i32, first: u64, second: u64) -> SignalInfo {
        let word = |number: i32| u64::from(number.cast_unsigned());
        let mut raw = [0; 16];
        raw[..4].copy_from_slice(&[word(signal), word(code), first, second]);
        SignalInfo::of(&raw)
    }

    #[test]
    #[cfg(target_endian = "little")]
    fn an_address_is_told_for_faults_only() {
        assert_eq!(info(libc::SIGSEGV, 1, 8, 0).address(), Some(8));
        assert_eq!(info(libc::SIGSEGV, 0x80, 0, 0).address(), None);
        // Sent by kill(): the field holds who sent it.
        assert_eq!(info(libc::SIGSEGV, 0, 77, 0).address(), None);
        assert_eq!(info(libc::SIGABRT, -6, 77, 0).address(), None);
        let refused = info(libc::SIGSYS, 1, 0x1234, 0xc000_003e_0000_0029);
        assert_eq!(refused.system_call(), Some(41));
        assert_eq!(info(libc::SIGSYS, -6, 1, 41).system_call(), None);
    }
}
