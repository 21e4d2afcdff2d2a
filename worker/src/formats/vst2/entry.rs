//! From a file to an effect: the library, its entry, and the plugins of a shell.

use std::path::Path;
use std::sync::atomic::Ordering;

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use plugpen_proto::Error;
use plugpen_proto::selector::{self, Named};
use plugpen_proto::v1::ErrorReason;

use super::abi::{CATEGORY_SHELL, Entry, effect};
use super::host::{Host, callback};
use super::instance::Instance;
use crate::formats::count;

/// Most plugins of a shell that are looked at.
const MAX_SHELL: usize = 4096;
/// Names of the entry, the newer one first. 44 of 200 plugins export only the older.
const ENTRIES: [&[u8]; 2] = [b"VSTPluginMain", b"main"];

/// A file whose library is loaded, for as long as the process lives.
pub struct File {
    entry: Entry,
    name: String,
}

/// Which plugin of a shell: its number and name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShellPlugin {
    pub id: i32,
    pub name: String,
    pub index: u32,
}

/// An opened plugin, and which of a shell it is.
pub struct Opened {
    pub instance: Instance,
    pub shell: Option<ShellPlugin>,
}

/// What a file holds.
pub enum Content {
    /// One plugin.
    Plugin(Instance),
    /// A shell, and what it says it has.
    Shell(Instance, Vec<ShellPlugin>),
}

impl File {
    /// Loads a file's library and finds its entry.
    ///
    /// # Errors
    /// No such file, no library, or none of a VST2 plugin.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        if name.is_empty() {
            return Err(Error::invalid("plugin_path is empty"));
        }
        if !path.exists() {
            return Err(Error::new(
                ErrorReason::NotFound,
                format!("Plugin file does not exist: {name}"),
            ));
        }
        // SAFETY: runs the library's initialisers, which is what this process is there for.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) };
        let library = library.map_err(|error| {
            Error::new(
                ErrorReason::PluginRefused,
                format!("createPluginInstance failed: {name} cannot be loaded: {error}"),
            )
        })?;
        let entry = ENTRIES.iter().find_map(|name| {
            // SAFETY: plugins give these names to functions of this type only.
            unsafe { library.get::<Entry>(*name) }
                .ok()
                .map(|entry| *entry)
        });
        // Never unloaded: threads of some plugins outlive their effect.
        std::mem::forget(library);
        let entry = entry.ok_or_else(|| {
            Error::new(
                ErrorReason::NotFound,
                format!(
                    "No compatible plugin types found for file: {name} (it is a library, but no \
                     VST2 plugin: it exports neither VSTPluginMain nor main)"
                ),
            )
        })?;
        Ok(Self { entry, name })
    }

    /// Opens the plugin that is meant: the only one, or the one of a shell that the selector
    /// fits.
    ///
    /// # Errors
    /// The plugin refuses, or the shell has no such plugin.
    pub fn open(&self, host: &Host, selector: &str) -> Result<Opened, Error> {
        match self.look(host)? {
            Content::Plugin(instance) => {
                self.check_selector(&instance, selector)?;
                Ok(Opened {
                    instance,
                    shell: None,
                })
            }
            Content::Shell(shell, plugins) => {
                drop(shell);
                self.open_one(host, self.choose(plugins, selector)?)
            }
        }
    }

    /// Opens a plugin of a shell, which asks the host for its number.
    ///
    /// # Errors
    /// The plugin refuses, or the shell gives out itself.
    pub fn open_one(&self, host: &Host, plugin: ShellPlugin) -> Result<Opened, Error> {
        let instance = self.instantiate(host, plugin.id)?;
        if instance.ask(effect::GET_CATEGORY, 0, 0, 0.0) == CATEGORY_SHELL {
            return Err(self.refused("it gives out its shell instead of one of its plugins"));
        }
        Ok(Opened {
            instance,
            shell: Some(plugin),
        })
    }

    /// Opens the only plugin, or the shell and lists what it holds.
    ///
    /// # Errors
    /// The plugin refuses.
    pub fn look(&self, host: &Host) -> Result<Content, Error> {
        let instance = self.instantiate(host, 0)?;
        if instance.ask(effect::GET_CATEGORY, 0, 0, 0.0) != CATEGORY_SHELL {
            return Ok(Content::Plugin(instance));
        }
        let plugins = shell_plugins(&instance);
        Ok(Content::Shell(instance, plugins))
    }

    fn instantiate(&self, host: &Host, shell_id: i32) -> Result<Instance, Error> {
        host.shell_id.store(shell_id, Ordering::Relaxed);
        let refused = |why: String| self.refused(&why);
        // SAFETY: the plugin's entry, with the function it is for.
        let effect = crate::formats::fpu::guarded(|| unsafe { (self.entry)(callback) });
        // SAFETY: an entry gives out an effect or null.
        let mut instance = unsafe { Instance::new(effect) }.map_err(refused)?;
        instance.open();
        // Some have their parameters only now.
        instance.count().map_err(refused)?;
        Ok(instance)
    }

    fn refused(&self, why: &str) -> Error {
        Error::new(
            ErrorReason::PluginRefused,
            format!("createPluginInstance failed: {}: {why}", self.name),
        )
    }

    /// A selector for a file of one plugin must mean that one.
    fn check_selector(&self, instance: &Instance, selector: &str) -> Result<(), Error> {
        let name = name_of(instance).unwrap_or_default();
        let only = Named {
            index: 0,
            name: &name,
            identifier: &format!("{:08X}", instance.unique_id()),
        };
        selector::choose(&self.name, &[only], selector).map(drop)
    }

    /// Chooses a plugin of a shell; see [`selector::choose`].
    fn choose(&self, mut plugins: Vec<ShellPlugin>, selector: &str) -> Result<ShellPlugin, Error> {
        let ids: Vec<String> = plugins.iter().map(|p| identifier(p.id)).collect();
        let named: Vec<Named<'_>> = plugins
            .iter()
            .zip(&ids)
            .map(|(plugin, identifier)| Named {
                index: plugin.index,
                name: &plugin.name,
                identifier,
            })
            .collect();
        let at = selector::choose(&self.name, &named, selector)?;
        Ok(plugins.swap_remove(at))
    }
}

/// Numbers and names of a shell's plugins.
fn shell_plugins(shell: &Instance) -> Vec<ShellPlugin> {
    let mut plugins: Vec<ShellPlugin> = Vec::new();
    while plugins.len() < MAX_SHELL {
        let (id, name) = shell.text(effect::SHELL_NEXT_PLUGIN, 0, 0);
        // Four characters, which may come with or without a sign.
        let id = i32::try_from(id).or_else(|_| u32::try_from(id).map(u32::cast_signed));
        let Ok(id) = id else {
            break;
        };
        // The end, or the beginning again.
        if id == 0 || plugins.iter().any(|plugin| plugin.id == id) {
            break;
        }
        plugins.push(ShellPlugin {
            id,
            name,
            index: count(plugins.len()),
        });
    }
    plugins
}

/// A number as eight hex digits.
pub fn identifier(id: i32) -> String {
    format!("{:08X}", id.cast_unsigned())
}

/// The plugin's name, where it says one.
pub fn name_of(instance: &Instance) -> Option<String> {
    [effect::GET_EFFECT_NAME, effect::GET_PRODUCT]
        .into_iter()
        .map(|opcode| instance.text(opcode, 0, 0).1)
        .find(|name| !name.is_empty())
}
