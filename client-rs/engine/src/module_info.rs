//! `moduleinfo.json`, by which a VST3 bundle says what it holds.

use plugpen_proto::Error;
use serde::Deserialize;

/// The category of the classes that play.
const PROCESSOR: &str = "Audio Module Class";
/// Characters of a class id.
const CLASS_ID: usize = 32;

#[derive(Deserialize)]
struct Module {
    #[serde(rename = "Classes", default)]
    classes: Vec<Class>,
}

#[derive(Deserialize)]
struct Class {
    #[serde(rename = "CID", default)]
    id: String,
    #[serde(rename = "Category", default)]
    category: String,
}

/// The id of the first class that plays: 32 hex digits, in upper case.
///
/// # Errors
/// `InvalidInput` if it is not such a file, or names no class that plays.
pub fn module_class_id(file: &[u8]) -> Result<String, Error> {
    let bad = |why: String| Error::invalid(format!("not a usable moduleinfo.json: {why}"));
    let text = std::str::from_utf8(file).map_err(|_| bad("it is not UTF-8".into()))?;
    let module: Module =
        serde_json::from_str(&plain(text)).map_err(|error| bad(error.to_string()))?;
    let mut classes = module.classes.into_iter();
    let class = classes
        .find(|class| class.category == PROCESSOR)
        .ok_or_else(|| bad(format!("it has no class of the category '{PROCESSOR}'")))?;
    let id = class.id.replace('-', "");
    match id.len() == CLASS_ID && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => Ok(id.to_uppercase()),
        false => Err(bad(format!(
            "'{}' is no class id of {CLASS_ID} hex digits",
            class.id
        ))),
    }
}

/// The same without what the files have beyond JSON: comments, and commas before a closing
/// bracket.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    // Where a comma stands that nothing but blanks has followed yet.
    let mut comma = None;
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string(rest),
            '/' if rest.starts_with("//") => {
                rest = rest.find('\n').map_or("", |end| &rest[end..]);
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest[2..].find("*/").map_or("", |end| &rest[end + 4..]);
                continue;
            }
            _ => first.len_utf8(),
        };
        match first {
            ',' => comma = Some(plain.len()),
            ']' | '}' => {
                if let Some(at) = comma.take() {
                    plain.remove(at);
                }
            }
            blank if blank.is_whitespace() => {}
            _ => comma = None,
        }
        plain.push_str(&rest[..length]);
        rest = &rest[length..];
    }
    plain
}

/// The length of the string literal that a text begins with; of all of it if it does not end.
fn string(text: &str) -> usize {
    let mut escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FILE: &str = r#"{
        "Name": "two, // classes ]", // a comment
        /* , */
        "Classes": [
            { "CID": "038E7FA9629A4EAA8541B88918E8952C", "Category": "Component Controller Class", },
            { "CID": "0cdbb66985d548a9bfd8371909d24bb3", "Category": "Audio Module Class",
              "Sub Categories": [ "Fx", "Delay", ], },
        ],
    }"#;

    #[test]
    fn the_first_class_that_plays_is_found() {
        let id = module_class_id(FILE.as_bytes()).unwrap();
        assert_eq!(id, "0CDBB66985D548A9BFD8371909D24BB3");
        assert_eq!(plain(r#"["a,]\",}", 1 , ]"#), r#"["a,]\",}", 1  ]"#);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (file, part) in [
            (&b"\xff"[..], "UTF-8"),
            (b"", "EOF"),
            (b"{}", "no class of the category"),
            (
                br#"{"Classes": [{"CID": "12", "Category": "Audio Module Class"}]}"#,
                "'12' is no class id",
            ),
        ] {
            let error = module_class_id(file).unwrap_err();
            assert!(error.message.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_does_harm(text in r#"[\[\]{}",/*\\ \na1ä]{0,60}"#, cut: prop::sample::Index) {
            let _ = module_class_id(text.as_bytes());
            let bytes = FILE.as_bytes();
            let _ = module_class_id(&bytes[..cut.index(bytes.len())]);
        }

        #[test]
        fn plain_json_stays_as_it_is(names in prop::collection::vec(".*", 0..5)) {
            let json = serde_json::to_string(&names).unwrap();
            prop_assert_eq!(plain(&json), json);
        }
    }
}
