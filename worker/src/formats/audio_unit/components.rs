//! Finding units: those a `.component` bundle declares, or one by its three codes.

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::ptr::null_mut;

use libloading::Library;
use plugpen_proto::Error;
use plugpen_proto::selector::{self, Named};
use plugpen_proto::v1::{ErrorReason, OpenOptions};

use super::abi::*;
use super::foundation::{self, Owned};
use super::toolbox::Toolbox;
use crate::formats::count;

/// Most bytes read of a bundle's `Info.plist`; Apple's own with all its units has 200 kB.
const MAX_INFO: u64 = 4 * 1024 * 1024;

/// The codes a unit is known by, written `aufx:delf:Demo`: type, subtype, manufacturer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Codes {
    pub kind: u32,
    pub subtype: u32,
    pub manufacturer: u32,
}

impl Codes {
    /// Reads three codes. They have four characters each, so a colon within one does no harm.
    pub fn parse(text: &str) -> Option<Self> {
        // Codes are bytes; what is not ASCII is shown as the character of that number.
        let bytes: Vec<u8> = text
            .chars()
            .map(|character| u8::try_from(u32::from(character)).ok())
            .collect::<Option<_>>()?;
        match bytes.as_slice() {
            &[a, b, c, d, b':', e, f, g, h, b':', i, j, k, l] => Some(Self {
                kind: code([a, b, c, d]),
                subtype: code([e, f, g, h]),
                manufacturer: code([i, j, k, l]),
            }),
            _ => None,
        }
    }

    /// For AudioToolbox.
    pub fn describe(self) -> AudioComponentDescription {
        AudioComponentDescription {
            kind: self.kind,
            subtype: self.subtype,
            manufacturer: self.manufacturer,
            ..AudioComponentDescription::default()
        }
    }
}

impl AudioComponentDescription {
    fn codes(self) -> Codes {
        Codes {
            kind: self.kind,
            subtype: self.subtype,
            manufacturer: self.manufacturer,
        }
    }
}

impl fmt::Display for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |code: u32| {
            code.to_be_bytes()
                .map(char::from)
                .iter()
                .collect::<String>()
        };
        let [kind, subtype, manufacturer] = [self.kind, self.subtype, self.manufacturer].map(text);
        write!(f, "{kind}:{subtype}:{manufacturer}")
    }
}

/// A kind of unit that AudioToolbox knows.
#[derive(Clone)]
pub struct Component {
    pub toolbox: &'static Toolbox,
    pub handle: AudioComponent,
    pub codes: Codes,
    /// Position in its bundle.
    pub index: u32,
    pub name: String,
    pub vendor: String,
    pub version: String,
}

/// Finds the unit that the options name.
///
/// # Errors
/// No AudioToolbox, no such bundle, or no such unit in it.
pub fn find(bundle: &Path, options: &OpenOptions) -> Result<Component, Error> {
    let toolbox = Toolbox::load(bundle)?;
    let (mut all, mut failure) = (Vec::new(), None);
    for component in declared(toolbox, bundle)? {
        match component {
            Ok(component) => all.push(component),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(failure) if all.is_empty() => Err(failure),
        _ => choose(bundle, all, &options.selector),
    }
}

fn choose(bundle: &Path, mut all: Vec<Component>, selector: &str) -> Result<Component, Error> {
    let codes: Vec<String> = all.iter().map(|c| c.codes.to_string()).collect();
    let named: Vec<Named<'_>> = all
        .iter()
        .zip(&codes)
        .map(|(component, codes)| Named {
            index: component.index,
            name: &component.name,
            identifier: codes,
        })
        .collect();
    let at = selector::choose(&bundle.display().to_string(), &named, selector)?;
    Ok(all.swap_remove(at))
}

/// All units of a bundle, in its own order, or the one of three codes in place of a path. Those that
/// AudioToolbox does not know, because the bundle is not installed, are registered with it; one
/// that cannot be is an error in its place.
///
/// # Errors
/// The bundle says nothing of itself, or declares no unit.
pub fn declared(
    toolbox: &'static Toolbox,
    bundle: &Path,
) -> Result<Vec<Result<Component, Error>>, Error> {
    let name = bundle.display().to_string();
    let nothing = || not_here(&name);
    if let Some(codes) = Codes::parse(&name) {
        return Ok(vec![Ok(known(toolbox, codes, 0).ok_or_else(nothing)?)]);
    }
    let file = bundle.join("Contents/Info.plist");
    let mut bytes = Vec::new();
    std::fs::File::open(&file)
        .and_then(|file| file.take(MAX_INFO).read_to_end(&mut bytes))
        .map_err(|_| nothing())?;
    let info = Owned::from_plist(toolbox, &bytes).ok_or_else(nothing)?;
    // SAFETY: `info` lives until the end of this function, and with it its values.
    let entries = unsafe {
        let list = foundation::value(toolbox, info.get(), "AudioComponents");
        foundation::elements(toolbox, list)
    };
    let text_of = |dictionary: CFTypeRef, key: &str| {
        // SAFETY: `info` or an element of its list.
        unsafe { foundation::text(toolbox, foundation::value(toolbox, dictionary, key)) }
    };
    let executable = text_of(info.get(), "CFBundleExecutable").unwrap_or_default();
    let executable = Path::new(&executable)
        .file_name()
        .map(|executable| bundle.join("Contents/MacOS").join(executable));
    let mut found = Vec::new();
    for entry in entries {
        let field = |key| text_of(entry, key).unwrap_or_default();
        let text = format!(
            "{}:{}:{}",
            field("type"),
            field("subtype"),
            field("manufacturer")
        );
        let Some(codes) = Codes::parse(&text) else {
            continue;
        };
        let index = count(found.len());
        let registered = || {
            // SAFETY: an element of `info`'s list.
            let version = unsafe {
                let version = foundation::value(toolbox, entry, "version");
                foundation::number(toolbox, version).unwrap_or(0)
            };
            let names = [field("name"), field("factoryFunction")];
            register(toolbox, executable.as_deref(), codes, names, version)
                .and_then(|()| {
                    known(toolbox, codes, index)
                        .ok_or_else(|| "AudioToolbox does not know it then".to_owned())
                })
                .map_err(|why| {
                    Error::new(
                        ErrorReason::PluginRefused,
                        format!("{name} declares {codes}, which cannot be registered: {why}"),
                    )
                })
        };
        found.push(known(toolbox, codes, index).map_or_else(registered, Ok));
    }
    if found.is_empty() {
        Err(nothing())
    } else {
        Ok(found)
    }
}

/// What AudioToolbox knows of a unit, `None` where that is nothing.
fn known(toolbox: &'static Toolbox, codes: Codes, index: u32) -> Option<Component> {
    let description = codes.describe();
    // SAFETY: a description that lives through the call.
    let handle = unsafe { (toolbox.component_find_next)(null_mut(), &raw const description) };
    if handle.is_null() {
        return None;
    }
    let mut name = std::ptr::null();
    let mut version = 0u32;
    let mut found = AudioComponentDescription::default();
    // SAFETY: a component, and room for each answer; a copied name is owned.
    let name = unsafe {
        (toolbox.component_get_description)(handle, &raw mut found);
        (toolbox.component_get_version)(handle, &raw mut version);
        (toolbox.component_copy_name)(handle, &raw mut name);
        Owned::take(toolbox, name)
    };
    // Zeros in a description mean any unit.
    if found.codes() != codes {
        return None;
    }
    // SAFETY: alive until the end of this function.
    let full = name.and_then(|name| unsafe { foundation::text(toolbox, name.get()) });
    let full = full.unwrap_or_else(|| codes.to_string());
    // By convention "Vendor: Name".
    let (vendor, name) = full.split_once(": ").unwrap_or(("", &full));
    Some(Component {
        toolbox,
        handle,
        codes,
        index,
        name: name.to_owned(),
        vendor: vendor.to_owned(),
        version: format!("{}.{}.{}", version >> 16, version >> 8 & 255, version & 255),
    })
}

/// Loads a bundle's code and tells AudioToolbox of one of its units.
///
/// # Errors
/// What is missing.
fn register(
    toolbox: &'static Toolbox,
    executable: Option<&Path>,
    codes: Codes,
    [name, factory]: [String; 2],
    version: i32,
) -> Result<(), String> {
    let executable = executable.ok_or("its Info.plist names no CFBundleExecutable")?;
    // SAFETY: code that the caller named to be run, here in its jail. It stays loaded.
    let library = unsafe { Library::new(executable) }.map_err(|error| error.to_string())?;
    let library: &'static Library = Box::leak(Box::new(library));
    // SAFETY: the type that every component's factory function has.
    let found = unsafe { library.get::<AudioComponentFactoryFunction>(factory.as_bytes()) };
    let factory = *found.map_err(|_| format!("there is no factoryFunction \"{factory}\" in it"))?;
    let name = Owned::string(toolbox, &name).ok_or("its name is no text")?;
    let description = codes.describe();
    // SAFETY: both live through the call, which copies the one and retains the other.
    let component = unsafe {
        (toolbox.component_register)(
            &raw const description,
            name.get(),
            version.cast_unsigned(),
            factory,
        )
    };
    match component.is_null() {
        true => Err("AudioToolbox does not take it".into()),
        false => Ok(()),
    }
}

fn not_here(what: &str) -> Error {
    Error::new(
        ErrorReason::NotFound,
        format!(
            "No compatible plugin types found for file: {what}; no AudioUnit is declared there or installed"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_and_written() {
        let codes = Codes::parse("aufx:de:f:Dem ").unwrap();
        assert_eq!((codes.kind, codes.subtype), (kind::EFFECT, code(*b"de:f")));
        assert_eq!(codes.to_string(), "aufx:de:f:Dem ");
        let odd = Codes::parse("aumu:\u{e9}abc:Demo").unwrap();
        assert_eq!(Codes::parse(&odd.to_string()), Some(odd));
        for none in [
            "",
            "aufx:delf",
            "http://x.org/a",
            "aufx:delf:Demo2",
            "aufx,delf,Demo",
        ] {
            assert_eq!(Codes::parse(none), None, "{none}");
        }
    }
}
