//! Talking to others.

use std::mem::{offset_of, size_of};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixDatagram, UnixStream};

use libc::{AF_INET6, AF_NETLINK, AF_PACKET, AF_UNIX, AF_VSOCK, SOCK_DGRAM, SOCK_RAW, SOCK_STREAM};

use super::sys::{done, owned, sys};
use super::{Attack, Outcome, Target};

pub const ALL: &[(&str, Attack)] = &[
    ("tcp", tcp),
    ("inet6", inet6),
    ("netlink", netlink),
    ("packet", packet),
    ("vsock", vsock),
    ("daemon-socket", daemon_socket),
    ("abstract-socket", abstract_socket),
    ("datagram-sendto", datagram_sendto),
    ("datagram-connect", datagram_connect),
    ("io-uring", io_uring),
];

fn tcp(target: &Target<'_>) -> Outcome {
    let port = u16::try_from(target.number("port")).unwrap_or(0);
    done(TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))))
}

fn socket(family: i32, kind: i32) -> Outcome {
    sys!(SYS_socket, family, kind, 0).map(owned).map(drop)
}

fn inet6(_: &Target<'_>) -> Outcome {
    socket(AF_INET6, SOCK_STREAM)
}

fn netlink(_: &Target<'_>) -> Outcome {
    socket(AF_NETLINK, SOCK_RAW)
}

fn packet(_: &Target<'_>) -> Outcome {
    socket(AF_PACKET, SOCK_RAW)
}

fn vsock(_: &Target<'_>) -> Outcome {
    socket(AF_VSOCK, SOCK_STREAM)
}

fn daemon_socket(target: &Target<'_>) -> Outcome {
    done(UnixStream::connect(target.named("socket")))
}

/// An address of a name, with the length that counts.
fn address(name: &str, is_abstract: bool) -> (libc::sockaddr_un, usize) {
    let mut address = libc::sockaddr_un {
        sun_family: u16::try_from(AF_UNIX).unwrap_or(0),
        sun_path: [0; 108],
    };
    let room = address.sun_path.iter_mut().skip(usize::from(is_abstract));
    for (place, byte) in room.zip(name.bytes()) {
        *place = byte.cast_signed();
    }
    let length = offset_of!(libc::sockaddr_un, sun_path) + name.len() + 1;
    (address, length)
}

fn abstract_socket(target: &Target<'_>) -> Outcome {
    let (address, length) = address(target.named("abstract"), true);
    let socket = owned(sys!(SYS_socket, AF_UNIX, SOCK_STREAM, 0)?);
    sys!(SYS_connect, socket.as_raw_fd(), &raw const address, length).map(drop)
}

/// A socket of a pair: made connected, and yet it can be addressed to others.
fn one_of_two() -> Result<(UnixDatagram, UnixDatagram), i32> {
    let mut two = [-1; 2];
    sys!(SYS_socketpair, AF_UNIX, SOCK_DGRAM, 0, two.as_mut_ptr())?;
    Ok((owned(two[0].into()).into(), owned(two[1].into()).into()))
}

fn datagram_sendto(target: &Target<'_>) -> Outcome {
    let (one, _two) = one_of_two()?;
    done(one.send_to(b"out", target.named("datagram")))
}

fn datagram_connect(target: &Target<'_>) -> Outcome {
    let (one, _two) = one_of_two()?;
    done(one.connect(target.named("datagram")))?;
    done(one.send(b"out"))
}

fn io_uring(_: &Target<'_>) -> Outcome {
    // struct io_uring_params, all zero: 120 bytes.
    let mut parameters = [0_u64; 120 / size_of::<u64>()];
    sys!(SYS_io_uring_setup, 4, parameters.as_mut_ptr())
        .map(owned)
        .map(drop)
}
