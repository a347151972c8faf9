//! Tests that go through several files of this module.

mod reading;
mod round_trip;
