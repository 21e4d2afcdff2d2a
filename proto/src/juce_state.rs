//! The states that JUCE hosts keep of VST3 plugins: `VC2!`, a length, and XML whose elements hold
//! the two chunks in JUCE's own variant of base64. Read only; what plugpen writes is a
//! [`VstPreset`](crate::vstpreset::VstPreset).

use crate::Error;

/// First bytes of a blob.
const MAGIC: &[u8; 4] = b"VC2!";
/// The digits, 0 to 63. Each stands for 6 bits, the lowest bits of the data first.
const DIGITS: &[u8; 64] = b".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+";

/// The chunks of a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JuceState {
    /// The processor's state.
    pub component: Vec<u8>,
    /// The controller's state, where the blob has one.
    pub controller: Option<Vec<u8>>,
}

impl JuceState {
    /// Whether bytes begin like such a blob.
    pub fn is_one(data: &[u8]) -> bool {
        data.starts_with(MAGIC)
    }

    /// Reads a blob.
    ///
    /// # Errors
    /// Cut short, not text, or without a chunk for the processor.
    pub fn read(data: &[u8]) -> Result<Self, Error> {
        let bad = |why: &str| Error::invalid(format!("not a JUCE state: {why}"));
        if !Self::is_one(data) {
            return Err(bad("it does not begin with VC2!"));
        }
        let (length, rest) = data[MAGIC.len()..]
            .split_first_chunk::<4>()
            .ok_or_else(|| bad("it has no length"))?;
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        let text = rest
            .get(..length)
            .ok_or_else(|| bad("it is shorter than it says"))?;
        let text = std::str::from_utf8(text).map_err(|_| bad("its XML is not UTF-8"))?;
        let chunk = |name: &str| {
            let content = element(text, name)?;
            Some(decode(content.trim()).ok_or_else(|| bad(&format!("its {name} cannot be read"))))
        };
        Ok(Self {
            component: chunk("IComponent").ok_or_else(|| bad("it has no IComponent"))??,
            controller: chunk("IEditController").transpose()?,
        })
    }
}

/// The text of the first element of a name; none of ours has attributes or children.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (content, _) = rest.split_once(&format!("</{name}>"))?;
    Some(content)
}

/// Decodes `N.digits`, where N is the number of bytes.
fn decode(text: &str) -> Option<Vec<u8>> {
    let (count, digits) = text.split_once('.')?;
    let count: usize = count.parse().ok()?;
    let bits = count.checked_mul(8)?;
    if digits.len() != bits.div_ceil(6) {
        return None;
    }
    let mut bytes = Vec::with_capacity(count);
    let (mut held, mut number) = (0u32, 0u32);
    for digit in digits.bytes() {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        held |= u32::try_from(value).ok()? << number;
        number += 6;
        if number >= 8 && bytes.len() < count {
            bytes.push(held.to_le_bytes()[0]);
            held >>= 8;
            number -= 8;
        }
    }
    (bytes.len() == count).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The way JUCE writes it.
    fn encode(bytes: &[u8]) -> String {
        let mut text = format!("{}.", bytes.len());
        for digit in 0..(bytes.len() * 8).div_ceil(6) {
            let bit = |at: usize| {
                let byte = bytes.get(at / 8).copied().unwrap_or(0);
                usize::from(byte >> (at % 8) & 1)
            };
            let value = (0..6).map(|at| bit(digit * 6 + at) << at).sum::<usize>();
            text.push(char::from(DIGITS[value]));
        }
        text
    }

    fn blob(xml: &str) -> Vec<u8> {
        let mut blob = MAGIC.to_vec();
        blob.extend(u32::try_from(xml.len()).unwrap().to_le_bytes());
        blob.extend(xml.as_bytes());
        blob
    }

    #[test]
    fn the_lowest_bits_come_first() {
        assert_eq!(decode("1.AD"), Some(vec![0x01]));
        assert_eq!(decode("1.A."), Some(vec![0x01]));
        assert_eq!(decode("3.+++"), None, "a digit too few");
        assert_eq!(decode("3.++++"), Some(vec![0xff; 3]));
        assert_eq!(decode("0."), Some(Vec::new()));
        for junk in ["", "x.", "2.A", "1.A-", "99999999999999999999.A"] {
            assert_eq!(decode(junk), None, "{junk}");
        }
    }

    #[test]
    fn a_blob_needs_a_component() {
        let xml = format!(
            "<?xml version=\"1.0\"?> <VST3PluginState><IComponent>{}</IComponent>\
             <IEditController>{}</IEditController></VST3PluginState>",
            encode(b"abc"),
            encode(b"")
        );
        let mut whole = blob(&xml);
        // JUCE ends it with a zero byte.
        whole.push(0);
        let state = JuceState::read(&whole).unwrap();
        assert_eq!(state.component, b"abc");
        assert_eq!(state.controller.as_deref(), Some(&b""[..]));
        for (junk, part) in [
            (whole[..20].to_vec(), "shorter"),
            (whole[..6].to_vec(), "no length"),
            (blob("<x/>"), "no IComponent"),
            (blob("<IComponent>5.A</IComponent>"), "cannot be read"),
            (b"VST3".to_vec(), "VC2!"),
        ] {
            let error = JuceState::read(&junk).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn what_juce_writes_is_read(bytes: Vec<u8>) {
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
        }

        #[test]
        fn no_bytes_do_harm(data: Vec<u8>, text: String) {
            let _ = JuceState::read(&data);
            let _ = JuceState::read(&blob(&text));
            let _ = decode(&text);
        }
    }
}
