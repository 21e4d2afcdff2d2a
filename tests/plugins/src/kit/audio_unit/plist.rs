//! XML property lists: dictionaries, arrays, strings, whole numbers and data.

use super::abi::CFTypeRef;
use super::objects::{self, Value};

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">\n";

/// An object as text.
pub fn write(object: CFTypeRef) -> String {
    let mut text = HEAD.to_owned();
    add(object, &mut text);
    text + "</plist>\n"
}

fn add(object: CFTypeRef, text: &mut String) {
    match objects::value(object) {
        Value::String(string) => *text += &format!("<string>{}</string>\n", escape(string)),
        Value::Number(number) => *text += &format!("<integer>{number}</integer>\n"),
        Value::Data(bytes) => *text += &format!("<data>{}</data>\n", to_base64(bytes)),
        Value::Array(elements) => {
            *text += "<array>\n";
            elements.iter().for_each(|element| add(*element, text));
            *text += "</array>\n";
        }
        Value::Dictionary(entries) => {
            *text += "<dict>\n";
            for (key, value) in entries {
                *text += &format!("<key>{}</key>\n", escape(key));
                add(*value, text);
            }
            *text += "</dict>\n";
        }
        Value::Presets(_) => {}
    }
}

/// The object that a text stands for.
pub fn read(text: &str) -> Option<CFTypeRef> {
    let (_, inner) = text.split_once("<plist")?;
    let (_, inner) = inner.split_once('>')?;
    let mut rest = inner;
    let object = element(&mut rest)?;
    match rest.trim_start().strip_prefix("</plist>") {
        Some(_) => Some(object),
        None => {
            objects::release(object);
            None
        }
    }
}

/// The next element; on `None` nothing of it is left.
fn element(rest: &mut &str) -> Option<CFTypeRef> {
    let (tag, after) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    *rest = after;
    match tag {
        "dict" => {
            let mut entries = Vec::new();
            loop {
                if let Some(after) = rest.trim_start().strip_prefix("</dict>") {
                    *rest = after;
                    return Some(objects::make(Value::Dictionary(entries)));
                }
                let key = rest.trim_start().strip_prefix("<key>");
                let pair = key.and_then(|after| after.split_once("</key>"));
                let value = pair.and_then(|(key, after)| {
                    *rest = after;
                    Some((unescape(key), element(rest)?))
                });
                match value {
                    Some(entry) => entries.push(entry),
                    None => {
                        objects::release(objects::make(Value::Dictionary(entries)));
                        return None;
                    }
                }
            }
        }
        "array" => {
            let mut elements = Vec::new();
            loop {
                if let Some(after) = rest.trim_start().strip_prefix("</array>") {
                    *rest = after;
                    return Some(objects::make(Value::Array(elements)));
                }
                match element(rest) {
                    Some(object) => elements.push(object),
                    None => {
                        objects::release(objects::make(Value::Array(elements)));
                        return None;
                    }
                }
            }
        }
        "string" | "integer" | "data" => {
            let (content, after) = rest.split_once("</")?;
            let (end, after) = after.split_once('>')?;
            *rest = after;
            let value = match tag {
                "string" => Value::String(unescape(content)),
                "integer" => Value::Number(content.trim().parse().ok()?),
                _ => Value::Data(from_base64(content)?),
            };
            (end == tag).then(|| objects::make(value))
        }
        _ => None,
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn to_base64(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let byte = |at: usize| u32::from(three.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4usize {
            let digit = usize::try_from(bits >> (18 - 6 * place) & 63).unwrap_or(0);
            text.push(if place > three.len() {
                '='
            } else {
                char::from(DIGITS[digit])
            });
        }
    }
    text
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for digit in text
        .bytes()
        .filter(|byte| !byte.is_ascii_whitespace() && *byte != b'=')
    {
        let value = DIGITS.iter().position(|known| *known == digit)?;
        bits = bits << 6 | u32::try_from(value).ok()?;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 255).ok()?);
        }
    }
    Some(bytes)
}
