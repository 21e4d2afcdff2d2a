//! What plugpen's tests share: where the built programs are ([`places`]), and counts of what a
//! process holds ([`census`]).
#![forbid(unsafe_code)]

pub mod census;
pub mod places;
