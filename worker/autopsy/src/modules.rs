//! The files that were mapped into the process: unwind tables and symbols, read when first needed.

use std::borrow::Cow;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use addr2line::gimli;
use framehop::{ExplicitModuleSectionInfo, Module as UnwindModule};
use minidump::{MinidumpModule, MinidumpModuleList, Module as _};
use object::{Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};

use crate::findings::Frame;

/// Larger files are not read, in bytes.
const MAX_FILE: u64 = 512 << 20;
/// Characters of a name that are told: C++ has longer ones.
const MAX_NAME: usize = 400;
/// Inlined functions told for one address.
const MAX_INLINED: usize = 16;
/// Where distributions put what they strip off.
const DEBUG_FILES: &str = "/usr/lib/debug/.build-id";

type Sections = addr2line::Context<gimli::EndianSlice<'static, gimli::RunTimeEndian>>;

/// All modules of the process.
pub struct Modules(Vec<Module>);

struct Module {
    name: String,
    path: PathBuf,
    range: Range<u64>,
    /// `None` until it is needed.
    contents: Option<Contents>,
}

/// What could be read of a file.
#[derive(Default)]
struct Contents {
    /// What to add to the file's own addresses.
    bias: u64,
    /// For whoever unwinds, once.
    unwind: Option<ExplicitModuleSectionInfo<&'static [u8]>>,
    /// Functions by their addresses in the file: start, end and name.
    functions: Vec<(u64, u64, String)>,
    lines: Option<Sections>,
}

impl Modules {
    pub fn new(list: &MinidumpModuleList) -> Self {
        let module = |module: &MinidumpModule| {
            let path = module.code_file().into_owned();
            let name = path.rsplit('/').next().unwrap_or(&path).to_owned();
            let base = module.base_address();
            Module {
                name,
                path: path.into(),
                range: base..base.saturating_add(module.size()),
                contents: None,
            }
        };
        Self(list.iter().map(module).collect())
    }

    fn at(&mut self, address: u64) -> Option<&mut Module> {
        self.0
            .iter_mut()
            .find(|module| module.range.contains(&address))
    }

    /// The unwind tables of the module at an address, the first time they are asked for.
    pub fn unwind_tables(&mut self, address: u64) -> Option<UnwindModule<&'static [u8]>> {
        let module = self.at(address)?;
        let range = module.range.clone();
        let contents = module.contents();
        let tables = contents.unwind.take()?;
        let bias = contents.bias;
        Some(UnwindModule::new(String::new(), range, bias, tables))
    }

    /// What is at an address, with what was inlined there first. `lookup` is the address to look
    /// names up for: inside the call, for those that return.
    pub fn frames(&mut self, address: u64, lookup: u64) -> Vec<Frame> {
        let bare = Frame {
            address,
            ..Frame::default()
        };
        let Some(module) = self.at(lookup) else {
            return vec![bare];
        };
        let bare = Frame {
            module: module.name.clone(),
            offset: address.wrapping_sub(module.range.start),
            ..bare
        };
        let contents = module.contents();
        let own = lookup.wrapping_sub(contents.bias);
        let mut frames = contents.lines_at(own, &bare);
        if frames.is_empty() {
            frames.push(bare);
        }
        if let Some(outermost) = frames.last_mut()
            && outermost.function.is_empty()
        {
            outermost.function = contents.function_at(own);
        }
        frames
    }
}

impl Module {
    fn contents(&mut self) -> &mut Contents {
        let (path, base) = (&self.path, self.range.start);
        self.contents
            .get_or_insert_with(|| Contents::read(path, base).unwrap_or_default())
    }
}

/// A file's contents, for as long as this program runs, which is not long.
fn read(path: &Path) -> Option<&'static [u8]> {
    let about = fs::metadata(path).ok()?;
    if !about.is_file() || about.len() > MAX_FILE {
        return None;
    }
    Some(fs::read(path).ok()?.leak())
}

impl Contents {
    fn read(path: &Path, base: u64) -> Option<Self> {
        let bytes = read(path)?;
        let file = object::File::parse(bytes).ok()?;
        let first = file.segments().map(|segment| segment.address()).min()?;
        let mut functions = functions(&file);
        let mut lines = lines(&file);
        if let Some(stripped) = debug_file(&file)
            && let Ok(file) = object::File::parse(stripped)
        {
            functions.extend(self::functions(&file));
            lines = self::lines(&file).or(lines);
        }
        functions.sort();
        Some(Self {
            bias: base.wrapping_sub(first & !0xfff),
            unwind: Some(unwind(&file)),
            functions,
            lines,
        })
    }

    fn function_at(&self, address: u64) -> String {
        let after = self
            .functions
            .partition_point(|(start, ..)| *start <= address);
        let before = self.functions[..after].iter().rev().take(8);
        let mut before = before.filter(|(_, end, _)| address < *end);
        let name = before.next().map_or("", |(.., name)| name);
        cut(&addr2line::demangle_auto(Cow::Borrowed(name), None))
    }

    fn lines_at(&self, address: u64, bare: &Frame) -> Vec<Frame> {
        let mut found = Vec::new();
        let Some(lines) = &self.lines else {
            return found;
        };
        let Ok(mut frames) = lines.find_frames(address).skip_all_loads() else {
            return found;
        };
        while let Ok(Some(frame)) = frames.next()
            && found.len() < MAX_INLINED
        {
            let name = frame.function.as_ref().and_then(|f| f.demangle().ok());
            let name = name.map(|name| cut(&name)).unwrap_or_default();
            let place = frame.location.as_ref();
            found.push(Frame {
                function: name,
                file: place.and_then(|p| p.file).map(cut).unwrap_or_default(),
                line: place.and_then(|p| p.line).unwrap_or(0),
                inlined: true,
                ..bare.clone()
            });
        }
        if let Some(outermost) = found.last_mut() {
            outermost.inlined = false;
        }
        found
    }
}

fn cut(text: &str) -> String {
    let clean = text.chars().filter(|c| !c.is_control());
    clean.take(MAX_NAME).collect()
}

fn functions(file: &object::File<'_>) -> Vec<(u64, u64, String)> {
    let symbols = file.symbols().chain(file.dynamic_symbols());
    symbols
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.is_definition())
        .filter_map(|symbol| {
            let end = symbol.address().checked_add(symbol.size().max(1))?;
            Some((symbol.address(), end, symbol.name().ok()?.to_owned()))
        })
        .collect()
}

/// The file that a distribution keeps the debug information in, where it is installed.
fn debug_file(file: &object::File<'_>) -> Option<&'static [u8]> {
    let id = file.build_id().ok()??;
    let (first, rest) = id.split_first()?;
    let rest: String = rest.iter().map(|byte| format!("{byte:02x}")).collect();
    read(&Path::new(DEBUG_FILES).join(format!("{first:02x}/{rest}.debug")))
}

fn lines(file: &object::File<'static>) -> Option<Sections> {
    file.section_by_name(".debug_info")?;
    let endian = match file.is_little_endian() {
        true => gimli::RunTimeEndian::Little,
        false => gimli::RunTimeEndian::Big,
    };
    let section = |id: gimli::SectionId| -> Result<_, gimli::Error> {
        let data = file.section_by_name(id.name());
        let data = data.and_then(|section| section.data().ok());
        Ok(gimli::EndianSlice::new(data.unwrap_or_default(), endian))
    };
    addr2line::Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok()
}

fn unwind(file: &object::File<'static>) -> ExplicitModuleSectionInfo<&'static [u8]> {
    let range = |name: &str| {
        let section = file.section_by_name(name)?;
        let start = section.address();
        Some(start..start.checked_add(section.size())?)
    };
    let data = |name: &str| {
        let section = file.section_by_name(name)?;
        section.data().ok()
    };
    ExplicitModuleSectionInfo {
        base_svma: 0,
        text_svma: range(".text"),
        text: data(".text"),
        got_svma: range(".got"),
        eh_frame_svma: range(".eh_frame"),
        eh_frame: data(".eh_frame"),
        eh_frame_hdr_svma: range(".eh_frame_hdr"),
        eh_frame_hdr: data(".eh_frame_hdr"),
        debug_frame: data(".debug_frame"),
        ..ExplicitModuleSectionInfo::default()
    }
}
