//! Times blocks from Rust, for `./dev bench`: `block_time BUNDLE URI FRAMES COUNT` prints the
//! median and the 99th percentile of `process()`, in microseconds.
#![forbid(unsafe_code)]

use std::time::Instant;

use anyhow::{Context, Result};
use plugpen::{EventList, OpenOptions, Planes, PlanesMut, Server};

/// What the peer is given too: white noise within ±0.5. Some plugins cost more on a constant.
fn noise(frames: usize) -> Vec<f32> {
    let mut state = 1u32;
    let next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f32::from(u16::try_from(state >> 16).unwrap_or(0)) / 65_535.0 - 0.5
    };
    std::iter::repeat_with(next).take(frames).collect()
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .context("usage: block_time BUNDLE URI FRAMES COUNT")
    };
    let (bundle, selector) = (next()?, next()?);
    let (frames, count): (usize, usize) = (next()?.parse()?, next()?.parse()?);
    let options = OpenOptions {
        selector,
        max_block_size: u32::try_from(frames)?,
        ..OpenOptions::default()
    };
    let plugin = Server::private()?.open(&bundle, &options)?;
    let input = noise(frames);
    let inputs = vec![input.as_slice(); usize::try_from(plugin.num_input_channels())?];
    let mut outputs = vec![vec![0.0; frames]; usize::try_from(plugin.num_output_channels())?];
    let (events, mut said) = (EventList::new(), EventList::new());
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let mut planes: Vec<&mut [f32]> = outputs.iter_mut().map(Vec::as_mut_slice).collect();
        said.clear();
        let began = Instant::now();
        plugin.process(
            Planes::F32(&inputs),
            Planes::None,
            PlanesMut::F32(&mut planes),
            frames,
            &events,
            &mut said,
        )?;
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    times.sort_by(f64::total_cmp);
    println!("{:.3} {:.3}", times[count / 2], times[count * 99 / 100]);
    Ok(())
}
