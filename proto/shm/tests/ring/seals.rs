//! Regions that could change under their readers are refused, and ours cannot.

use std::os::fd::OwnedFd;

use crate::common::{layout, ring};
use memmap2::MmapOptions;
use plugpen_shm::region::{Access, MemfdRegion, Region};
use plugpen_shm::{ClientEnd, RegionError, Regions, WorkerEnd};
use rustix::fs::{self, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io::Errno;

fn memfd(len: u64) -> OwnedFd {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let file = fs::memfd_create("test", flags).expect("a memfd");
    fs::ftruncate(&file, len).expect("a size");
    file
}

fn attach(file: OwnedFd) -> Result<MemfdRegion, RegionError> {
    MemfdRegion::attach(file, 4096, Access::Write)
}

#[test]
fn our_regions_cannot_be_resized() {
    let layout = layout(4);
    let regions = Regions::create(&layout).expect("regions");
    for file in regions.worker_fds().expect("descriptors") {
        assert!(fs::ftruncate(&file, 0).is_err());
        assert!(fs::ftruncate(&file, 1 << 30).is_err());
    }
    let [client, worker, _] = regions.client_fds().expect("descriptors");
    assert_eq!(fs::ftruncate(&client, 0), Err(Errno::PERM));
    let [_, writable, _] = regions.worker_fds().expect("descriptors");
    assert_eq!(fs::ftruncate(&writable, 0), Err(Errno::PERM));
    assert_eq!(fs::ftruncate(&writable, 1 << 30), Err(Errno::PERM));
    drop(worker);
}

#[test]
fn what_one_reads_one_cannot_map_for_writing() {
    let regions = Regions::create(&layout(4)).expect("regions");
    let [_, worker, status] = regions.client_fds().expect("descriptors");
    let [client, _, _] = regions.worker_fds().expect("descriptors");
    for file in [worker, status, client] {
        assert!(MmapOptions::new().map_raw(&file).is_err());
        assert!(MmapOptions::new().map_raw_read_only(&file).is_ok());
    }
}

#[test]
fn nobody_writes_the_status_page_even_by_opening_it_again() {
    let regions = Regions::create(&layout(4)).expect("regions");
    let [_, _, status] = regions.worker_fds().expect("descriptors");
    reopened_cannot_be_mapped(&status);
}

#[test]
fn nobody_writes_the_clients_region_once_it_is_attached() {
    let layout = layout(4);
    let (regions, _client, _worker) = ring::<MemfdRegion>(&layout);
    let [file, _, _] = regions.worker_fds().expect("descriptors");
    reopened_cannot_be_mapped(&file);
    let again = ClientEnd::attach(regions.client_fds().expect("descriptors"), &layout);
    assert!(matches!(again, Err(RegionError::System { .. })));
}

/// Opening through /proc for writing is refused by the file's mode, but not to root; mapping is,
/// to everybody.
fn reopened_cannot_be_mapped(file: &OwnedFd) {
    let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(file));
    match fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        Ok(file) => {
            assert!(MmapOptions::new().map_raw(&file).is_err());
            assert!(rustix::io::pwrite(&file, b"x", 0).is_err());
        }
        Err(error) => assert_eq!(error, Errno::ACCESS),
    }
}

#[test]
fn a_region_without_its_seals_is_refused() {
    let seals = |wanted| {
        let file = memfd(4096);
        fs::fcntl_add_seals(&file, wanted).expect("seals");
        attach(file)
    };
    for missing in [
        SealFlags::empty(),
        SealFlags::SHRINK,
        SealFlags::GROW,
        SealFlags::SEAL,
    ] {
        assert!(matches!(seals(missing), Err(RegionError::Seals { .. })));
    }
    assert!(seals(SealFlags::SHRINK | SealFlags::GROW).is_ok());
}

#[test]
fn a_file_that_is_no_memfd_is_refused() {
    let file = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open("/dev/zero")
        .expect("/dev/zero");
    assert!(matches!(
        attach(file.into()),
        Err(RegionError::Seals { actual: 0, .. })
    ));
}

#[test]
fn a_region_of_another_size_is_refused() {
    for len in [0, 4095, 4097] {
        let file = memfd(len);
        fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW).expect("seals");
        let Err(RegionError::Size { expected, actual }) = attach(file) else {
            panic!("{len} bytes");
        };
        assert_eq!((expected, actual), (4096, len));
    }
}

#[test]
fn descriptors_in_the_wrong_hands_are_refused() {
    let layout = layout(4);
    let regions = Regions::create(&layout).expect("regions");
    let client = regions.client_fds().expect("descriptors");
    let worker = regions.worker_fds().expect("descriptors");
    assert!(matches!(
        ClientEnd::attach(worker, &layout),
        Err(RegionError::Mode {
            expected: Access::Write,
            actual: Access::Read
        })
    ));
    assert!(matches!(
        WorkerEnd::attach(client, &layout),
        Err(RegionError::Mode {
            expected: Access::Read,
            actual: Access::Write
        })
    ));
}

#[test]
fn another_rings_regions_are_refused() {
    let (four, eight) = (layout(4), layout(8));
    let regions = Regions::create(&four).expect("regions");
    let other = Regions::create(&eight).expect("regions");
    let fds = regions.worker_fds().expect("descriptors");
    assert!(matches!(
        WorkerEnd::attach(fds, &eight),
        Err(RegionError::Size { .. })
    ));
    // The status page has one size for all; its mark gives it away.
    let [client, worker, _] = regions.worker_fds().expect("descriptors");
    let [_, _, status] = other.worker_fds().expect("descriptors");
    assert!(matches!(
        WorkerEnd::attach([client, worker, status], &four),
        Err(RegionError::Foreign)
    ));
}
