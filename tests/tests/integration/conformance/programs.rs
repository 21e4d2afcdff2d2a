//! Programs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use plugpen::CHANGE_PROGRAM;
use plugpen::v1::ErrorReason;

use super::format::Format;
use crate::system::server;

pub fn a_program_sets_its_values(format: &Format) {
    let server = server();
    let (name, programs) = format.programs;
    let plugin = format.open(&server, name);
    let flags = Arc::new(AtomicU32::new(0));
    let told = Arc::clone(&flags);
    plugin.set_change_callback(Some(Box::new(move |change| {
        told.fetch_or(change, Ordering::Relaxed);
    })));
    let mut names = plugin.program_names().unwrap();
    assert_eq!(plugin.num_programs() as usize, names.len());
    let order: Vec<u32> = programs
        .iter()
        .map(|(name, _)| names.iter().position(|known| known == name).unwrap())
        .map(|at| u32::try_from(at).unwrap())
        .collect();
    for ((name, value), &index) in programs.iter().zip(&order).rev() {
        assert_eq!(plugin.program_name(index).unwrap(), *name);
        plugin.set_program(index).unwrap();
        assert_eq!(plugin.program().unwrap(), index);
        let got = plugin.get_param(0).unwrap();
        assert!((got - value).abs() < 1e-6, "{} {name}: {got}", format.name);
        super::play(&plugin, &[1.0; 64]);
        let got = plugin.get_param(0).unwrap();
        assert!(
            (got - value).abs() < 1e-6,
            "{} {name}: {got} later",
            format.name
        );
    }
    plugin.poll_callbacks().unwrap();
    let told = flags.load(Ordering::Relaxed) & CHANGE_PROGRAM;
    assert_eq!(told, CHANGE_PROGRAM, "{}", format.name);
    names.sort();
    let mut expected: Vec<_> = programs.iter().map(|(name, _)| *name).collect();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

pub fn what_is_no_program_is_refused(format: &Format) {
    let server = server();
    let plugin = format.open(&server, format.programs.0);
    for index in [plugin.num_programs(), u32::MAX] {
        let error = plugin.set_program(index).unwrap_err();
        assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
        let error = plugin.program_name(index).unwrap_err();
        assert_eq!(error.reason, ErrorReason::IndexOutOfRange);
    }
    let none = format.open(&server, "latency");
    if none.num_programs() == 0 {
        assert_eq!(
            none.set_program(0).unwrap_err().reason,
            ErrorReason::IndexOutOfRange
        );
        assert_eq!(none.program().unwrap(), 0);
    }
}
