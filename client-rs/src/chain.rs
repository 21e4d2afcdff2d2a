//! Plugins one after the other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use plugpen_engine::{
    BlockInput, BlockOutput, BlockProcessor, Chain, ChainState, Io, Planes, PlanesMut,
};
use plugpen_proto::event::EventList;
use plugpen_proto::v1::ErrorReason;

use crate::checks;
use crate::device::DeviceLink;
use crate::error::{Error, Result};
use crate::plugin::shared::lock;
use crate::plugin::{BlockReport, Plugin};
use crate::slot::{Slot, Taken};
use crate::standby::{OnDead, Stage};

/// Greatest difference of sample rates that are taken for the same, in Hz.
const SAME_RATE: f64 = 0.1;

/// Plugins one after the other: what one gives out goes into the next.
///
/// The chain keeps its plugins; each can still be used by itself, and in other chains, between
/// blocks. Between stages missing channels are silence and surplus ones are dropped. MIDI goes to
/// the first plugin that accepts it and on with what plugins give out; the last one's comes out.
pub struct PluginChain {
    plugins: Vec<Arc<Plugin>>,
    state: Arc<Slot<ChainState>>,
    /// The device that plays the chain, if one does.
    player: Mutex<Weak<DeviceLink>>,
    closed: AtomicBool,
    on_dead: Mutex<OnDead>,
}

impl PluginChain {
    /// A chain of different plugins of one sample rate, all fully wet.
    ///
    /// # Errors
    /// `InvalidInput` without plugins, with one twice or with different rates; `WrongState` for one
    /// that is closed or was opened without audio.
    pub fn new(plugins: Vec<Arc<Plugin>>) -> Result<PluginChain> {
        let Some(first) = plugins.first() else {
            return Err(Error::invalid(
                "Plugin chain must contain at least one plugin",
            ));
        };
        let rate = first.sample_rate();
        for (index, plugin) in plugins.iter().enumerate() {
            if plugin.is_closed() {
                return Err(Error::new(
                    ErrorReason::PluginClosed,
                    format!("PluginChain: plugin {index}: plugin is closed"),
                ));
            }
            if !plugin.has_audio() {
                return Err(Error::new(
                    ErrorReason::WrongState,
                    format!("PluginChain: plugin {index} was opened without audio"),
                ));
            }
            let earlier = plugins[..index].iter();
            if let Some(earlier) = earlier.enumerate().find(|(_, p)| Arc::ptr_eq(p, plugin)) {
                return Err(Error::invalid(format!(
                    "Failed to create plugin chain: Plugin at index {index} is the same instance as index {}",
                    earlier.0
                )));
            }
            let other = plugin.sample_rate();
            if (other - rate).abs() > SAME_RATE {
                return Err(Error::invalid(format!(
                    "Failed to create plugin chain: Sample rate mismatch: plugin 0 has {rate} Hz, plugin {index} has {other} Hz"
                )));
            }
        }
        for plugin in &plugins {
            plugin.enter_chain();
        }
        Ok(PluginChain {
            state: Slot::new(ChainState::new(plugins.len())),
            plugins,
            player: Mutex::default(),
            closed: AtomicBool::new(false),
            on_dead: Mutex::default(),
        })
    }

    /// Number of plugins.
    pub fn num_plugins(&self) -> usize {
        self.plugins.len()
    }

    /// The plugins in order.
    pub fn plugins(&self) -> &[Arc<Plugin>] {
        &self.plugins
    }

    /// A plugin by its position.
    ///
    /// # Errors
    /// `IndexOutOfRange`.
    pub fn get_plugin(&self, index: usize) -> Result<&Arc<Plugin>> {
        self.plugins
            .get(index)
            .ok_or_else(|| Error::out_of_range("plugin", index, self.plugins.len()))
    }

    /// Frames a second.
    pub fn sample_rate(&self) -> f64 {
        self.plugins[0].sample_rate()
    }

    /// Frames by which the output is late: the sum over the plugins.
    pub fn latency_samples(&self) -> u64 {
        let latencies = self.plugins.iter().map(|plugin| plugin.latency_samples());
        latencies.map(u64::from).sum()
    }

    /// The longest tail of the plugins, in seconds.
    pub fn tail_seconds(&self) -> f64 {
        let tails = self.plugins.iter().map(|plugin| plugin.tail_seconds());
        tails.fold(0.0, f64::max)
    }

    /// Input channels of the first plugin.
    pub fn num_input_channels(&self) -> u32 {
        self.plugins[0].num_input_channels()
    }

    /// Sidechain channels of the first plugin.
    pub fn sidechain_channels(&self) -> u32 {
        self.plugins[0].sidechain_channels()
    }

    /// Output channels of the last plugin.
    pub fn num_output_channels(&self) -> u32 {
        self.last().num_output_channels()
    }

    /// Most frames of a block: the least of the plugins.
    pub fn max_block_size(&self) -> u32 {
        let sizes = self.plugins.iter().map(|plugin| plugin.max_block_size());
        sizes.min().unwrap_or(0)
    }

    /// Whether any plugin accepts MIDI.
    pub fn accepts_midi(&self) -> bool {
        self.plugins.iter().any(|plugin| plugin.accepts_midi())
    }

    /// Whether the last plugin gives out MIDI.
    pub fn produces_midi(&self) -> bool {
        self.last().produces_midi()
    }

    fn last(&self) -> &Plugin {
        &self.plugins[self.plugins.len() - 1]
    }

    /// How much of a plugin's output is heard, 0 (its input only, as late as the output) to 1; also
    /// while an [`AudioDevice`](crate::AudioDevice) plays the chain, from its next period on.
    ///
    /// # Errors
    /// `IndexOutOfRange`, `InvalidInput` for a mix out of range; those of a call to the device.
    pub fn set_mix(&self, index: usize, wet: f64) -> Result<()> {
        self.check_open()?;
        self.state.take()?.set_mix(index, wet)?;
        let player = lock(&self.player).upgrade();
        match player {
            Some(device) if device.death().is_none() => device.set_mix(index, wet),
            _ => Ok(()),
        }
    }

    /// A device plays it, and is told of its mixes.
    pub(crate) fn played_by(&self, device: &Arc<DeviceLink>) {
        *lock(&self.player) = Arc::downgrade(device);
    }

    /// That device plays it no more.
    pub(crate) fn let_go_by(&self, device: &Arc<DeviceLink>) {
        let mut player = lock(&self.player);
        if player.as_ptr() == Arc::as_ptr(device) {
            *player = Weak::new();
        }
    }

    /// The mix of a plugin.
    ///
    /// # Errors
    /// `IndexOutOfRange`.
    pub fn get_mix(&self, index: usize) -> Result<f64> {
        self.state.take()?.mix(index)
    }

    /// Processes one block through all plugins and waits for it; see [`Plugin::process`].
    ///
    /// `midi` is the chain's MIDI, `changes` has the parameter changes of each plugin in order,
    /// and may be shorter than the chain.
    ///
    /// # Errors
    /// Those of [`Plugin::process`] for each plugin; `InvalidInput` for 0 frames too. After an
    /// error plugins before the failed one have processed the block.
    #[allow(
        clippy::too_many_arguments,
        reason = "they are Plugin::process's and one"
    )]
    pub fn process<'a>(
        &self,
        input: Planes<'_>,
        sidechain: Planes<'_>,
        output: PlanesMut<'a>,
        frames: usize,
        midi: &EventList,
        changes: &[EventList],
        midi_out: &'a mut EventList,
    ) -> Result<BlockReport> {
        self.check_open()?;
        checks::shapes(&self.io(), frames, &input, &sidechain, &output)?;
        if frames == 0 {
            return Err(Error::invalid(
                "Chain process failed: a block must have at least one frame",
            ));
        }
        // All of it before the first plugin hears anything of the block.
        checks::midi_only(midi, frames)?;
        for (plugin, changes) in self.plugins.iter().zip(changes) {
            checks::events(changes, frames, plugin.num_params())?;
        }
        let mut audio = self.lock_audio()?;
        let block = BlockInput {
            frames,
            audio: input,
            sidechain,
            events: midi,
            transport: None,
        };
        audio.chain_mut().submit_with(&block, changes)?;
        let mut block = BlockOutput {
            audio: output,
            events: midi_out,
            events_dropped: 0,
        };
        audio.collect(&mut block)?;
        Ok(BlockReport {
            events_dropped: block.events_dropped,
        })
    }

    /// What is played in the place of a plugin that dies, from the next block or render on; at first
    /// a death is an error. A plugin whose restart policy brings it back is heard again as soon as
    /// it is restored; others stay replaced until [`Plugin::restart`]. Its own death is told by its
    /// life callback and [`Plugin::death`].
    pub fn set_on_dead(&self, on_dead: OnDead) {
        *self.on_dead.lock().unwrap_or_else(PoisonError::into_inner) = on_dead;
        if on_dead != OnDead::Error {
            for plugin in &self.plugins {
                plugin.rescue_in_background();
            }
        }
    }

    /// See [`PluginChain::set_on_dead`].
    pub fn on_dead(&self) -> OnDead {
        *self.on_dead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Resets all plugins.
    ///
    /// # Errors
    /// Those of [`Plugin::reset`].
    pub fn reset(&self) -> Result<()> {
        self.check_open()?;
        self.plugins.iter().try_for_each(|plugin| plugin.reset())?;
        self.state.take()?.reset();
        Ok(())
    }

    /// Sets the non-realtime mode of all plugins.
    ///
    /// # Errors
    /// Those of [`Plugin::set_non_realtime`].
    pub fn set_non_realtime(&self, non_realtime: bool) -> Result<()> {
        self.check_open()?;
        let mut plugins = self.plugins.iter();
        plugins.try_for_each(|plugin| plugin.set_non_realtime(non_realtime))
    }

    /// Takes the audio of all plugins for the exclusive use of the engine.
    ///
    /// # Errors
    /// Those of [`Plugin::lock_audio`].
    pub fn lock_audio(&self) -> Result<ChainAudio> {
        self.check_open()?;
        let on_dead = self.on_dead();
        let mut state = self.state.take()?;
        // In one order for all chains, so that two that share plugins do not wait for each other.
        let mut order: Vec<_> = (0..self.plugins.len()).collect();
        order.sort_by_key(|index| Arc::as_ptr(&self.plugins[*index]));
        let mut taken = Vec::with_capacity(order.len());
        for index in order {
            let plugin = &self.plugins[index];
            let audio = match on_dead {
                OnDead::Error => plugin.lock_audio()?,
                OnDead::Silence | OnDead::Dry => plugin.lock_dead_or_alive()?,
            };
            taken.push((index, Stage::new(audio, on_dead)));
        }
        taken.sort_by_key(|(index, _)| *index);
        let stages = taken.into_iter().map(|(_, audio)| audio).collect();
        let inner = std::mem::take(&mut *state);
        let kept = inner.clone();
        match Chain::with_state(stages, inner) {
            Ok(chain) => Ok(ChainAudio {
                chain: Some(chain),
                state,
            }),
            Err(error) => {
                *state = kept;
                Err(error)
            }
        }
    }

    /// Lets go of the plugins, which stay open. Closing twice is no error.
    pub fn close(&self) {
        if !self.closed.swap(true, Ordering::AcqRel) {
            for plugin in &self.plugins {
                plugin.leave_chain();
            }
        }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn check_open(&self) -> Result<()> {
        match self.is_closed() {
            false => Ok(()),
            true => Err(Error::new(
                ErrorReason::WrongState,
                "PluginChain is closed; make a new one",
            )),
        }
    }

    fn io(&self) -> Io {
        let count = |number: u32| usize::try_from(number).unwrap_or(usize::MAX);
        Io {
            inputs: count(self.num_input_channels()),
            sidechain: count(self.sidechain_channels()),
            outputs: count(self.num_output_channels()),
            max_block_size: count(self.max_block_size()),
            ..Io::default()
        }
    }
}

impl Drop for PluginChain {
    fn drop(&mut self) {
        self.close();
    }
}

impl std::fmt::Debug for PluginChain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.plugins).finish()
    }
}

/// Exclusive use of the rings of all plugins of a chain, for the engine.
#[derive(Debug)]
pub struct ChainAudio {
    /// `None` only while it is dropped.
    chain: Option<Chain<Stage>>,
    state: Taken<ChainState>,
}

impl ChainAudio {
    fn chain(&self) -> &Chain<Stage> {
        self.chain.as_ref().expect("present until the drop")
    }

    fn chain_mut(&mut self) -> &mut Chain<Stage> {
        self.chain.as_mut().expect("present until the drop")
    }
}

impl Drop for ChainAudio {
    fn drop(&mut self) {
        if let Some(chain) = self.chain.take() {
            *self.state = chain.into_state();
        }
    }
}

impl BlockProcessor for ChainAudio {
    fn io(&self) -> Io {
        self.chain().io()
    }

    fn capacity(&self) -> usize {
        self.chain().capacity()
    }

    fn in_flight(&self) -> usize {
        self.chain().in_flight()
    }

    fn done(&mut self) -> Result<usize> {
        self.chain_mut().done()
    }

    fn wait(&mut self, blocks: usize) -> Result<()> {
        self.chain_mut().wait(blocks)
    }

    fn submit(&mut self, block: &BlockInput<'_>) -> Result<()> {
        self.chain_mut().submit(block)
    }

    fn submit_with(&mut self, block: &BlockInput<'_>, parameters: &[EventList]) -> Result<()> {
        self.chain_mut().submit_with(block, parameters)
    }

    fn collect(&mut self, block: &mut BlockOutput<'_>) -> Result<usize> {
        self.chain_mut().collect(block)
    }

    fn batch(&self) -> usize {
        self.chain().batch()
    }
}
