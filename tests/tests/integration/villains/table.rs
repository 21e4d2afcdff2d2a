//! Every attack, and what holds it. The names are those of `tests/plugins/src/attacks`.

use plugpen::v1::DeathKind;

/// What becomes of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It fails where any of these layers of the jail stands, and succeeds where none does.
    HeldBy(&'static [&'static str]),
    /// It fails where any of these layers stands; where none does, the daemon's limits end the
    /// worker, by this.
    Limited(&'static [&'static str], DeathKind),
    /// It fails with or without a jail, because of this.
    Never(&'static str),
    /// It succeeds, and this is why that is accepted.
    Accepted(&'static str),
    /// It ends the worker, by this: a kind, and the signals of which it is one.
    Ends(DeathKind, &'static [i32]),
    /// The worker goes on as if nothing had been.
    Survived,
}

/// What is known of an attack that nothing holds, with the jail off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unjailed {
    /// It succeeds, so its failure in the jail says something.
    Succeeds,
    /// It succeeds for root.
    SucceedsAsRoot,
    /// That depends on the machine, or cannot be seen from outside: it is tried in the jail only.
    Varies,
    /// It could hurt the machine: it is tried in the jail only.
    Harmful,
}

impl Fate {
    /// The layers of the jail by which an attack is held.
    pub fn layers(self) -> &'static [&'static str] {
        match self {
            Self::HeldBy(layers) | Self::Limited(layers, _) => layers,
            _ => &[],
        }
    }
}

/// One attack.
#[derive(Debug, Clone, Copy)]
pub struct Attack {
    /// Its name.
    pub name: &'static str,
    /// What it tries, as a sentence without its subject.
    pub tries: &'static str,
    /// What becomes of it.
    pub fate: Fate,
    /// What becomes of it without a jail.
    pub unjailed: Unjailed,
}

/// Attacks of one kind.
pub type Group = (&'static str, &'static [Attack]);

const SECCOMP: &str = "seccomp";
const LANDLOCK: &str = "landlock";
const RLIMITS: &str = "rlimits";
const UID: &str = "uid";
const USER: &str = "user_ns";
const PID: &str = "pid_ns";
const NET: &str = "net_ns";
const MOUNT: &str = "mount_ns";

const CALLS: Fate = Fate::HeldBy(&[SECCOMP]);
const FILES: Fate = Fate::HeldBy(&[LANDLOCK, MOUNT]);
const CHANGES: Fate = Fate::HeldBy(&[SECCOMP, MOUNT]);
const OTHERS: Fate = Fate::HeldBy(&[SECCOMP, PID]);
const WATCHED: Fate = Fate::HeldBy(&[SECCOMP, LANDLOCK, PID]);
const PROGRAMS: Fate = Fate::HeldBy(&[SECCOMP, LANDLOCK]);
const HANG: Fate = Fate::Ends(DeathKind::Hang, &[]);

const fn signal(number: &'static [i32]) -> Fate {
    Fate::Ends(DeathKind::Signal, number)
}

use Unjailed::{Harmful, Succeeds, SucceedsAsRoot, Varies};

const fn attack(name: &'static str, tries: &'static str, fate: Fate, unjailed: Unjailed) -> Attack {
    Attack {
        name,
        tries,
        fate,
        unjailed,
    }
}

const SOCKETS: &[Attack] = &[
    attack(
        "tcp",
        "connects to a TCP port of this machine",
        Fate::HeldBy(&[SECCOMP, LANDLOCK, NET]),
        Succeeds,
    ),
    attack("inet6", "makes an IPv6 socket", CALLS, Varies),
    attack("netlink", "makes a netlink socket", CALLS, Varies),
    attack("packet", "makes a packet socket", CALLS, Varies),
    attack(
        "vsock",
        "makes a socket to the machine's host",
        CALLS,
        Varies,
    ),
    attack(
        "daemon-socket",
        "connects to the daemon's own socket",
        Fate::HeldBy(&[SECCOMP, MOUNT]),
        Succeeds,
    ),
    attack(
        "abstract-socket",
        "connects to an abstract Unix socket",
        Fate::HeldBy(&[SECCOMP, LANDLOCK, NET]),
        Succeeds,
    ),
    attack(
        "datagram-sendto",
        "sends from a socket pair to a socket outside",
        Fate::HeldBy(&[SECCOMP, MOUNT]),
        Succeeds,
    ),
    attack(
        "datagram-connect",
        "connects one of a socket pair to a socket outside",
        Fate::HeldBy(&[SECCOMP, MOUNT]),
        Succeeds,
    ),
    attack(
        "io-uring",
        "makes calls past the filter by io_uring",
        CALLS,
        Varies,
    ),
];

const FILE_ATTACKS: &[Attack] = &[
    attack("read-secret", "reads a file of the user", FILES, Succeeds),
    attack("read-shadow", "reads /etc/shadow", FILES, SucceedsAsRoot),
    attack("list-home", "lists a folder of the user", FILES, Succeeds),
    attack(
        "stat-home",
        "asks for size and age of a file of the user",
        Fate::HeldBy(&[UID, MOUNT]),
        Succeeds,
    ),
    attack(
        "write-home",
        "opens a file of the user to write",
        FILES,
        Succeeds,
    ),
    attack(
        "create-home",
        "makes a file in a folder of the user",
        FILES,
        Succeeds,
    ),
    attack(
        "truncate-home",
        "empties a file of the user",
        FILES,
        Succeeds,
    ),
    attack("unlink-home", "removes a file of the user", FILES, Succeeds),
    attack(
        "write-bundle",
        "opens its own bundle's files to write",
        FILES,
        Succeeds,
    ),
    attack("create-tmp", "makes a file in /tmp", FILES, Succeeds),
    attack("create-shm", "makes a file in /dev/shm", FILES, Succeeds),
    attack(
        "chmod",
        "changes the mode of a file of the user",
        CHANGES,
        Succeeds,
    ),
    attack(
        "fchmod",
        "changes the mode of a file that it may read",
        CHANGES,
        Succeeds,
    ),
    attack(
        "chown",
        "changes the owner of a file of the user",
        CHANGES,
        Succeeds,
    ),
    attack(
        "utimes",
        "changes the age of a file of the user",
        CHANGES,
        Succeeds,
    ),
    attack(
        "setxattr",
        "sets an attribute of a file of the user",
        CHANGES,
        Varies,
    ),
    attack("inotify", "watches a folder of the user", CHANGES, Succeeds),
    attack(
        "symlink-escape",
        "reads through a symbolic link of its own",
        Fate::HeldBy(&[SECCOMP, LANDLOCK, MOUNT]),
        Succeeds,
    ),
    attack(
        "hardlink-escape",
        "links a file of the user into its own folder",
        Fate::HeldBy(&[SECCOMP, LANDLOCK, MOUNT]),
        Succeeds,
    ),
    attack(
        "rename-escape",
        "moves a file of the user into its own folder",
        FILES,
        Succeeds,
    ),
    attack(
        "proc-root-escape",
        "reads through /proc/self/root",
        FILES,
        Succeeds,
    ),
    attack(
        "daemon-environ",
        "reads the daemon's environment",
        Fate::HeldBy(&[LANDLOCK, PID, MOUNT]),
        Succeeds,
    ),
    attack(
        "daemon-memory",
        "opens the daemon's memory",
        Fate::HeldBy(&[LANDLOCK, PID, MOUNT]),
        Succeeds,
    ),
    attack(
        "daemon-descriptors",
        "lists the daemon's descriptors",
        Fate::HeldBy(&[LANDLOCK, PID, MOUNT]),
        Succeeds,
    ),
    attack(
        "file-handle",
        "opens a file of the user by its handle",
        Fate::HeldBy(&[SECCOMP, LANDLOCK, MOUNT]),
        Varies,
    ),
    attack(
        "make-device",
        "makes a door to the machine's memory",
        Fate::HeldBy(&[SECCOMP, LANDLOCK]),
        Varies,
    ),
    attack(
        "make-fifo",
        "makes a named pipe",
        Fate::HeldBy(&[SECCOMP, LANDLOCK]),
        Succeeds,
    ),
    attack(
        "open-device",
        "opens /dev/mem, /dev/kmsg, /dev/fuse or a terminal",
        FILES,
        Varies,
    ),
    attack(
        "terminal-input",
        "types at the user's terminal",
        CALLS,
        Varies,
    ),
];

const PROCESSES: &[Attack] = &[
    attack("execve", "becomes another program", PROGRAMS, Varies),
    attack(
        "execve-memfd",
        "becomes a program that it keeps in memory",
        CALLS,
        Varies,
    ),
    attack("system", "runs a command by system()", PROGRAMS, Succeeds),
    attack("popen", "runs a command by popen()", PROGRAMS, Succeeds),
    attack(
        "posix-spawn",
        "runs a command by posix_spawn()",
        PROGRAMS,
        Succeeds,
    ),
    attack("fork", "forks", CALLS, Succeeds),
    attack("vfork", "forks by vfork()", CALLS, Succeeds),
    attack(
        "clone-vm",
        "makes a process in its own memory",
        CALLS,
        Succeeds,
    ),
    attack(
        "clone-newuser",
        "makes a process in a user namespace",
        CALLS,
        Varies,
    ),
    attack("clone3", "makes a process by clone3()", CALLS, Succeeds),
];

const NEIGHBOURS: &[Attack] = &[
    attack("ptrace", "traces another process", WATCHED, Succeeds),
    attack(
        "process-vm-readv",
        "reads another process's memory",
        WATCHED,
        Succeeds,
    ),
    attack(
        "pidfd-open",
        "takes hold of another process",
        OTHERS,
        Succeeds,
    ),
    attack("kill", "ends another process by kill()", WATCHED, Succeeds),
    attack(
        "tgkill",
        "ends another process by tgkill()",
        WATCHED,
        Succeeds,
    ),
    attack(
        "sigqueue",
        "ends another process by sigqueue()",
        WATCHED,
        Succeeds,
    ),
    attack(
        "set-owner",
        "has the kernel send signals to another process",
        OTHERS,
        Succeeds,
    ),
    attack(
        "death-signal",
        "lives on without its daemon",
        CALLS,
        Succeeds,
    ),
    attack(
        "dumpable",
        "lets others look into its memory",
        CALLS,
        Succeeds,
    ),
    attack("tracer", "lets any process trace it", CALLS, Varies),
    attack(
        "raise-limits",
        "raises its resource limits",
        CALLS,
        SucceedsAsRoot,
    ),
    attack("nice", "raises its priority", CALLS, Varies),
    attack(
        "sched-fifo",
        "gives itself real-time priority",
        CALLS,
        Varies,
    ),
    attack(
        "affinity-of-others",
        "moves another process to one processor",
        OTHERS,
        Succeeds,
    ),
];

const MEMORY: &[Attack] = &[
    attack(
        "private-memory",
        "fills 1.25 GiB of its own memory",
        Fate::HeldBy(&[RLIMITS]),
        Harmful,
    ),
    attack(
        "shared-memory",
        "fills 1.25 GiB of shared anonymous memory",
        Fate::Limited(&[], DeathKind::MemoryLimit),
        Harmful,
    ),
    attack("memfd", "makes a file in memory", CALLS, Succeeds),
    attack(
        "threads",
        "starts a thousand threads",
        Fate::Limited(&[UID, USER], DeathKind::Limit),
        Harmful,
    ),
    attack(
        "descriptors",
        "opens five hundred files",
        Fate::HeldBy(&[RLIMITS]),
        Succeeds,
    ),
    attack(
        "large-file",
        "writes a file of 100 MiB",
        Fate::HeldBy(&[RLIMITS, MOUNT]),
        Succeeds,
    ),
    attack(
        "many-files",
        "writes 512 MiB in sixteen files",
        Fate::Limited(&[MOUNT], DeathKind::Limit),
        Harmful,
    ),
    attack(
        "shrink-rings",
        "shrinks the memory of the audio rings",
        Fate::Never("the memory is sealed against it"),
        Succeeds,
    ),
    attack(
        "write-status",
        "makes the client's and the daemon's parts of the rings writable",
        Fate::Never("the descriptors it was given are read-only"),
        Succeeds,
    ),
    attack(
        "load-own-library",
        "loads a library that it has written itself",
        Fate::HeldBy(&[MOUNT]),
        Succeeds,
    ),
    attack(
        "writable-code",
        "maps memory that is writable and executable",
        Fate::Accepted("plugins that compile at run time do that"),
        Succeeds,
    ),
];

const KERNEL: &[Attack] = &[
    attack("unshare", "leaves its namespaces", CALLS, Varies),
    attack(
        "mount",
        "mounts a file system",
        Fate::HeldBy(&[SECCOMP, LANDLOCK]),
        Harmful,
    ),
    attack("chroot", "changes its root folder", CALLS, Varies),
    attack("bpf", "makes a BPF map", CALLS, Varies),
    attack("perf", "opens a performance counter", CALLS, Varies),
    attack("userfaultfd", "handles page faults itself", CALLS, Varies),
    attack("keyctl", "asks for the session's keys", CALLS, Varies),
    attack(
        "sysv-memory",
        "makes System V shared memory",
        CALLS,
        Succeeds,
    ),
    attack(
        "sysv-semaphore",
        "makes a System V semaphore",
        CALLS,
        Succeeds,
    ),
    attack("sysv-queue", "makes a System V queue", CALLS, Succeeds),
    attack("posix-queue", "makes a POSIX queue", CALLS, Varies),
    attack(
        "x32-call",
        "makes a socket by the numbers of x32",
        CALLS,
        Varies,
    ),
    attack(
        "personality",
        "switches address randomisation off",
        CALLS,
        Succeeds,
    ),
    attack("reboot", "asks to reboot", CALLS, Harmful),
    attack("module", "asks to unload a kernel module", CALLS, Varies),
];

const DEATHS: &[Attack] = &[
    attack(
        "segv",
        "writes through a null pointer",
        signal(&[11]),
        Harmful,
    ),
    attack("abort", "calls abort()", signal(&[6]), Harmful),
    attack(
        "exit",
        "calls exit()",
        Fate::Ends(DeathKind::Exit, &[]),
        Harmful,
    ),
    attack(
        "quick-exit",
        "calls _exit()",
        Fate::Ends(DeathKind::Exit, &[]),
        Harmful,
    ),
    attack(
        "stack-overflow",
        "recurses until the stack ends",
        signal(&[6, 11]),
        Harmful,
    ),
    attack(
        "illegal-instruction",
        "raises SIGILL",
        signal(&[4]),
        Harmful,
    ),
    attack("division-by-zero", "raises SIGFPE", signal(&[8]), Harmful),
    attack("hang", "never returns, asleep", HANG, Harmful),
    attack("spin", "never returns, busy", HANG, Harmful),
    attack("deadlock", "takes a lock twice", HANG, Harmful),
    attack(
        "ignored-segv",
        "faults with the signal ignored",
        signal(&[11]),
        Harmful,
    ),
    attack(
        "handled-segv",
        "handles its fault and comes back to it for ever",
        HANG,
        Harmful,
    ),
    attack(
        "handled-abort",
        "handles SIGABRT and aborts",
        signal(&[6]),
        Harmful,
    ),
    attack(
        "blocked-signals",
        "faults with all signals blocked",
        signal(&[11]),
        Harmful,
    ),
    attack(
        "ignored-sigterm",
        "ignores SIGTERM and hangs",
        HANG,
        Harmful,
    ),
    attack(
        "closed-descriptors",
        "closes all descriptors",
        Fate::Ends(DeathKind::Killed, &[]),
        Harmful,
    ),
    attack(
        "exit-handler-hangs",
        "exits with a handler that never returns",
        HANG,
        Harmful,
    ),
    attack(
        "thread-crashes",
        "faults on a thread of its own",
        signal(&[11]),
        Harmful,
    ),
    attack(
        "int-0x80",
        "makes a system call of the 32-bit kind",
        Fate::Ends(DeathKind::Sandbox, &[31]),
        Harmful,
    ),
    attack(
        "wild-rings",
        "fills what it may write of the rings with ones, over and over",
        Fate::Ends(DeathKind::Protocol, &[9]),
        Harmful,
    ),
    attack(
        "noise-to-daemon",
        "writes noise into its control channel",
        Fate::Ends(DeathKind::Protocol, &[9]),
        Harmful,
    ),
    attack(
        "flood-to-daemon",
        "writes events into its control channel without end",
        Fate::Ends(DeathKind::Flood, &[9]),
        Harmful,
    ),
    attack(
        "printing",
        "prints eight megabytes",
        Fate::Survived,
        Harmful,
    ),
];

/// All of them.
pub const TABLE: &[Group] = &[
    ("Sockets", SOCKETS),
    ("Files", FILE_ATTACKS),
    ("Programs and processes", PROCESSES),
    ("Other processes, and itself", NEIGHBOURS),
    ("Memory, disk and threads", MEMORY),
    ("The kernel", KERNEL),
    ("Ways to die", DEATHS),
];

/// All of them, one after the other.
pub fn all() -> impl Iterator<Item = &'static Attack> {
    TABLE.iter().flat_map(|(_, attacks)| attacks.iter())
}
