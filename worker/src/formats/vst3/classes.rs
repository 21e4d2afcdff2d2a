//! The plugins of a module, and which of them is meant.

use std::path::Path;

use plugpen_proto::Error;
use plugpen_proto::selector::{self, Named};
use plugpen_proto::v1::ErrorReason;
use vst3::ComPtr;
use vst3::Steinberg::{
    IPluginFactory, IPluginFactory2, IPluginFactory2Trait, IPluginFactory3, IPluginFactory3Trait,
    IPluginFactoryTrait, PClassInfo, PClassInfo2, PClassInfoW, PFactoryInfo, kResultOk,
};

use super::ids::ClassId;
use super::roomy::Roomy;
use super::text;
use crate::formats::fpu;

/// Category of the classes that process audio.
const PROCESSOR: &str = "Audio Module Class";
/// More classes than this are not looked at. The most met are 370.
const MAX_CLASSES: i32 = 8192;

/// A plugin of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Class {
    pub id: ClassId,
    pub name: String,
    pub vendor: String,
    pub version: String,
    /// Words between bars: `Fx|Reverb`.
    pub sub_categories: String,
}

impl Class {
    /// Whether it is an instrument.
    pub fn is_instrument(&self) -> bool {
        self.is("Instrument")
    }

    fn is(&self, word: &str) -> bool {
        self.sub_categories.split('|').any(|found| found == word)
    }
}

/// Reads all audio classes, as well as the factory can tell of them.
pub fn read(factory: &ComPtr<IPluginFactory>) -> Vec<Class> {
    let (second, third) = super::module::versions(factory);
    let mut of_all = Roomy::<PFactoryInfo>::zeroed();
    // SAFETY: room for the answer.
    let told = fpu::guarded(|| unsafe { factory.getFactoryInfo(of_all.as_mut_ptr()) });
    let vendor = match told {
        kResultOk => text::bytes(&of_all.get().vendor),
        _ => String::new(),
    };
    // SAFETY: no arguments.
    let count = fpu::guarded(|| unsafe { factory.countClasses() });
    (0..count.clamp(0, MAX_CLASSES))
        .filter_map(|index| {
            let wide = third.as_ref().and_then(|third| unicode(third, index));
            let class = wide
                .or_else(|| second.as_ref().and_then(|second| narrow(second, index)))
                .or_else(|| first(factory, index))?;
            let (category, mut class) = class;
            if class.vendor.is_empty() {
                class.vendor.clone_from(&vendor);
            }
            (category == PROCESSOR).then_some(class)
        })
        .collect()
}

fn unicode(factory: &ComPtr<IPluginFactory3>, index: i32) -> Option<(String, Class)> {
    let mut info = Roomy::<PClassInfoW>::zeroed();
    // SAFETY: room for the answer; the index is below the count.
    let told = fpu::guarded(|| unsafe { factory.getClassInfoUnicode(index, info.as_mut_ptr()) });
    let info = info.get();
    let class = Class {
        id: ClassId::new(&info.cid),
        name: text::wide_either_way(&info.name),
        vendor: text::wide_either_way(&info.vendor),
        version: text::wide_either_way(&info.version),
        sub_categories: text::bytes(&info.subCategories),
    };
    (told == kResultOk).then(|| (text::bytes(&info.category), class))
}

fn narrow(factory: &ComPtr<IPluginFactory2>, index: i32) -> Option<(String, Class)> {
    let mut info = Roomy::<PClassInfo2>::zeroed();
    // SAFETY: as above.
    let told = fpu::guarded(|| unsafe { factory.getClassInfo2(index, info.as_mut_ptr()) });
    let info = info.get();
    let class = Class {
        id: ClassId::new(&info.cid),
        name: text::bytes(&info.name),
        vendor: text::bytes(&info.vendor),
        version: text::bytes(&info.version),
        sub_categories: text::bytes(&info.subCategories),
    };
    (told == kResultOk).then(|| (text::bytes(&info.category), class))
}

fn first(factory: &ComPtr<IPluginFactory>, index: i32) -> Option<(String, Class)> {
    let mut info = Roomy::<PClassInfo>::zeroed();
    // SAFETY: as above.
    let told = fpu::guarded(|| unsafe { factory.getClassInfo(index, info.as_mut_ptr()) });
    let info = info.get();
    let class = Class {
        id: ClassId::new(&info.cid),
        name: text::bytes(&info.name),
        vendor: String::new(),
        version: String::new(),
        sub_categories: String::new(),
    };
    (told == kResultOk).then(|| (text::bytes(&info.category), class))
}

/// Chooses a class; see [`selector::choose`].
///
/// # Errors
/// No plugin in the module, or none that the selector fits.
pub fn select(classes: &[Class], selector: &str, path: &Path) -> Result<usize, Error> {
    if classes.is_empty() {
        return Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "No compatible plugin types found for file: {} (its factory names no audio class)",
                path.display()
            ),
        ));
    }
    let ids: Vec<String> = classes.iter().map(|class| class.id.to_string()).collect();
    let named: Vec<Named<'_>> = (0..)
        .zip(classes.iter().zip(&ids))
        .map(|(index, (class, identifier))| Named {
            index,
            name: &class.name,
            identifier,
        })
        .collect();
    selector::choose(&path.display().to_string(), &named, selector)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_is_an_id_a_position_or_a_name() {
        let class = |number, name: &str| Class {
            id: ClassId::new(&vst3::uid(0, 0, 0, number)),
            name: name.into(),
            vendor: String::new(),
            version: String::new(),
            sub_categories: "Instrument|Synth".into(),
        };
        let classes = [class(1, "One"), class(2, "two"), class(3, "Two")];
        let path = Path::new("x.vst3");
        for (selector, at) in [
            ("", 0),
            ("2", 2),
            ("Two", 2),
            ("00000000000000000000000000000002", 1),
        ] {
            assert_eq!(select(&classes, selector, path), Ok(at), "{selector}");
        }
        assert!(select(&classes, "TWO", path).is_err());
        assert!(select(&[], "", path).is_err());
        assert!(classes[0].is_instrument() && !classes[0].is("Fx"));
    }
}
