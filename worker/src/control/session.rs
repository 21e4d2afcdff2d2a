//! The worker's one plugin and what is told of it.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Instant;

use plugpen_channel::{REGIONS, Writer};
use plugpen_proto::Error;
use plugpen_proto::v1::{
    AudioRings, ErrorReason, GetNumericsResponse, Guard, OpenedPlugin, PluginState,
};
use plugpen_proto::worker::event::Event as Body;
use plugpen_proto::worker::{Load, Probe, Probed, RingsAttached};
use plugpen_shm::{RingSpec, WorkerEnd};

use super::events;
use super::staging::Staging;
use crate::arguments::Role;
use crate::audio::{AudioThread, Seat};
use crate::formats::{self, BlockRunner, Controller, HostBypass, Notices, Numerics, Processor};

/// What the main thread holds.
pub struct Session {
    role: Role,
    notices: Arc<Notices>,
    refusal: Option<Error>,
    plugin: Option<Loaded>,
    /// Events of the call at hand, ahead of what was noted.
    gestures: Vec<Body>,
    due: Option<Instant>,
}

/// A plugin that is there.
pub struct Loaded {
    /// The plugin's main half.
    pub controller: Box<dyn Controller>,
    /// Files for it.
    pub staging: Staging,
    /// Who has its other half.
    pub audio: AudioThread,
    /// Frames of the largest block.
    max_frames: u32,
    /// Channels of a slot the plugin fills or reads.
    outputs: u32,
    inputs: u32,
    /// Where its buffers are guarded.
    guard: Guard,
}

impl Session {
    /// A worker without a plugin.
    pub fn new(role: Role, notices: Arc<Notices>, refusal: Option<Error>) -> Self {
        Self {
            role,
            notices,
            refusal,
            plugin: None,
            gestures: Vec::new(),
            due: None,
        }
    }

    /// The plugin, once it is loaded.
    ///
    /// # Errors
    /// It is not.
    pub fn loaded(&mut self) -> Result<&mut Loaded, Error> {
        self.plugin
            .as_mut()
            .ok_or_else(|| wrong_state("no plugin is loaded yet: the first call is Load"))
    }

    /// Loads the worker's plugin.
    ///
    /// # Errors
    /// The jail that was required does not stand, a plugin is there already, or whatever the
    /// format says.
    pub fn load(&mut self, load: Load) -> Result<OpenedPlugin, Error> {
        self.allow(Role::Plugin)?;
        if self.plugin.is_some() {
            return Err(wrong_state("this worker has its plugin already"));
        }
        let options = load.options.as_ref();
        let max_frames = options.map_or(0, |options| options.max_block_size);
        let guard = options.map_or(Guard::Unspecified, |options| options.guard());
        let numerics = options.is_some_and(|options| options.numerics);
        let staging = Staging::new(load.private_dir.as_ref());
        let plugin = formats::load(load, Arc::clone(&self.notices))?;
        let mut opened = plugin.controller.opened();
        opened.state = PluginState::Ready.into();
        opened.worker_pid = std::process::id();
        // A plugin with a bypass of its own needs no dry line.
        let lines = match plugin.controller.bypass_parameter() {
            Some(_) => 0,
            None => channels(opened.num_input_channels),
        };
        let numerics = numerics.then(|| {
            let outputs = channels(opened.num_output_channels);
            self.notices.expect_outputs(outputs);
            Numerics::new(outputs)
        });
        let seat = Seat {
            numerics,
            bypass: HostBypass::new(
                lines,
                channels(max_frames),
                channels(opened.latency_samples),
            ),
            processor: plugin.processor,
            rings: None,
        };
        self.plugin = Some(Loaded {
            controller: plugin.controller,
            staging,
            audio: AudioThread::start(seat, Arc::clone(&self.notices))?,
            max_frames,
            inputs: opened.num_input_channels + opened.sidechain_channels,
            outputs: opened.num_output_channels,
            guard,
        });
        Ok(opened)
    }

    /// Reads metadata.
    ///
    /// # Errors
    /// This worker is not for that, or whatever the format says.
    pub fn probe(&mut self, probe: &Probe) -> Result<Probed, Error> {
        self.allow(Role::Probe)?;
        formats::probe(probe)
    }

    /// Notes a host-made gesture.
    pub fn gesture(&mut self, index: u32, is_begin: bool) {
        self.gestures.push(events::gesture(index, is_begin));
    }

    /// Where changes by the host are noted as well.
    pub fn notices(&self) -> &Notices {
        &self.notices
    }

    /// When the plugin wants to be attended to at the latest, whether or not it notes something.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// Attends to the plugin, and adds what has happened since the last time to what is sent
    /// next.
    ///
    /// # Errors
    /// An event that is too long to send.
    pub fn tell(&mut self, writer: &mut Writer) -> io::Result<()> {
        self.attend();
        let noted = self.notices.take();
        for gesture in self.gestures.drain(..) {
            writer.add(&events::envelope(gesture))?;
        }
        if let Some(loaded) = &self.plugin {
            for event in events::told(noted, loaded.controller.as_ref()) {
                writer.add(&events::envelope(event))?;
            }
        }
        Ok(())
    }

    fn attend(&mut self) {
        let Some(loaded) = &mut self.plugin else {
            return;
        };
        let attention = loaded.controller.attend();
        self.due = attention.within.map(|within| Instant::now() + within);
        if attention.parked {
            let attended = loaded.parked(0, |plugin, parked| {
                plugin.attend_parked(parked);
                Ok(())
            });
            if let Err(error) = attended {
                self.notices.log(&error.message);
            }
        }
    }

    fn allow(&self, role: Role) -> Result<(), Error> {
        if self.role != role {
            return Err(wrong_state(format!(
                "this worker was started with the role {:?}",
                self.role
            )));
        }
        match &self.refusal {
            Some(refusal) => Err(refusal.clone()),
            None => Ok(()),
        }
    }
}

impl Loaded {
    /// Plays through these rings from now on. Returns where the plugin's buffers are, if they are
    /// guarded.
    ///
    /// # Errors
    /// Descriptors or sizes that do not fit; no memory for guarded buffers.
    pub fn attach(
        &mut self,
        rings: Option<AudioRings>,
        descriptors: Vec<OwnedFd>,
        after_block: u64,
    ) -> Result<RingsAttached, Error> {
        let rings = rings.ok_or_else(|| Error::invalid("AttachRings without rings"))?;
        let count = descriptors.len();
        let descriptors: [OwnedFd; REGIONS] = descriptors.try_into().map_err(|_| {
            Error::invalid(format!(
                "AttachRings came with {count} descriptors; it takes {REGIONS}"
            ))
        })?;
        if rings.max_frames > self.max_frames {
            return Err(Error::invalid(format!(
                "rings for blocks of {} frames; the plugin was told of {} at most",
                rings.max_frames, self.max_frames
            )));
        }
        if rings.input_channels > self.inputs || rings.output_channels > self.outputs {
            return Err(Error::invalid(format!(
                "rings of {} input and {} output channels; the plugin has {} and {}",
                rings.input_channels, rings.output_channels, self.inputs, self.outputs
            )));
        }
        let spec = RingSpec::try_from(&rings).map_err(invalid)?;
        let layout = spec.layout().map_err(invalid)?;
        let end = WorkerEnd::attach(descriptors, &layout).map_err(invalid)?;
        let mut runner = BlockRunner::new(
            channels(rings.input_channels),
            channels(rings.output_channels),
            channels(rings.max_frames),
            channels(rings.event_bytes),
        );
        let guard = self.guard;
        let guards = match guard {
            Guard::Unspecified => Vec::new(),
            side => runner
                .guard(side, channels(rings.max_frames))
                .map_err(|error| no_guards(&error))?,
        };
        self.audio.parked(after_block, |seat| {
            seat.rings = Some((end, runner));
            Ok(RingsAttached {
                guards,
                guard: guard.into(),
            })
        })
    }

    /// What is wrong with the plugin's numbers, after `after_block` blocks.
    ///
    /// # Errors
    /// It was not opened for that, or does not come out of a block.
    pub fn numerics(
        &mut self,
        after_block: u64,
        reset: bool,
    ) -> Result<GetNumericsResponse, Error> {
        self.audio.parked(after_block, |seat| {
            let numerics = seat.numerics.as_mut().ok_or_else(|| {
                wrong_state("this plugin's numbers are not looked at; open it with numerics")
            })?;
            let counts = numerics.counts();
            if reset {
                numerics.reset();
            }
            Ok(counts)
        })
    }

    /// Runs a call that describes parameters: beside processing, or after `after_block` blocks
    /// where the plugin must be at rest for that.
    ///
    /// # Errors
    /// The plugin does not come out of a block, or what `act` says.
    pub fn describing<T>(
        &mut self,
        after_block: u64,
        act: impl FnOnce(&dyn Controller) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.controller.describes_at_rest() {
            self.parked(after_block, |controller, _| act(controller))
        } else {
            act(self.controller.as_ref())
        }
    }

    /// Runs a call that must not run beside processing.
    ///
    /// # Errors
    /// The plugin does not come out of a block, or what `act` says.
    pub fn parked<T>(
        &mut self,
        after_block: u64,
        act: impl FnOnce(&mut dyn Controller, &mut dyn Processor) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let controller = self.controller.as_mut();
        self.audio.parked(after_block, |seat| {
            let result = act(controller, seat.processor.as_mut());
            seat.bypass
                .align(channels(seat.processor.latency_samples()));
            result
        })
    }
}

fn no_guards(error: &io::Error) -> Error {
    let reason = match error.kind() {
        io::ErrorKind::Unsupported => ErrorReason::Unsupported,
        _ => ErrorReason::LimitReached,
    };
    Error::new(
        reason,
        format!("no guarded buffers for the plugin: {error}"),
    )
}

fn channels(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

fn invalid(error: impl std::fmt::Display) -> Error {
    Error::invalid(error.to_string())
}

fn wrong_state(message: impl Into<String>) -> Error {
    Error::new(ErrorReason::WrongState, message)
}
