//! What plugpen's tests share: where the built programs are ([`places`]), and counts of what a
//! process holds ([`census`]).
#![forbid(unsafe_code)]

pub mod census;
pub mod places;

/// The README's Rust example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
