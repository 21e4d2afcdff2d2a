//! Which plugin of a file is meant: one set of rules for every format.

use crate::Error;
use crate::v1::ErrorReason;

/// Plugins that an error lists; a module can hold hundreds.
const MOST_LISTED: usize = 40;

/// What a plugin of a file can be called.
#[derive(Debug, Clone, Copy)]
pub struct Named<'a> {
    /// Position in its file.
    pub index: u32,
    /// Its name; empty where it is not known and cannot be meant.
    pub name: &'a str,
    /// What nothing else in its file has: a URI, a class id, a number in hex digits, codes.
    pub identifier: &'a str,
}

/// Finds the plugin that a selector means, and returns its position in `plugins`. The first rule
/// that fits any decides: an empty selector means the first plugin; then identifiers (whatever
/// the case of their letters), positions in the file, whole names, whole names whatever their
/// case, beginnings of names whatever their case.
///
/// # Errors
/// `NotFound` or `IndexOutOfRange` where nothing fits, `InvalidInput` where the first rule that
/// fits any fits several. All list what there is.
pub fn choose(place: &str, plugins: &[Named<'_>], selector: &str) -> Result<usize, Error> {
    if plugins.is_empty() {
        return Err(Error::new(
            ErrorReason::NotFound,
            format!("{place} holds no plugin"),
        ));
    }
    if selector.is_empty() {
        return Ok(0);
    }
    // An identifier may be nothing but digits; a position has no zeros in front.
    let is_position = selector == "0" || selector.starts_with(|c| matches!(c, '1'..='9'));
    let index = is_position.then(|| selector.parse::<u32>().ok()).flatten();
    let begins = |name: &str| {
        let beginning = name.get(..selector.len());
        beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(selector))
    };
    let rules: [&dyn Fn(&Named<'_>) -> bool; 6] = [
        &|plugin| plugin.identifier == selector,
        &|plugin| plugin.identifier.eq_ignore_ascii_case(selector),
        &|plugin| index == Some(plugin.index),
        &|plugin| plugin.name == selector,
        &|plugin| plugin.name.eq_ignore_ascii_case(selector),
        &|plugin| begins(plugin.name),
    ];
    for fits in rules {
        let fitting: Vec<usize> = (0..plugins.len())
            .filter(|at| fits(&plugins[*at]))
            .collect();
        match fitting[..] {
            [] => {}
            [one] => return Ok(one),
            _ => {
                let several = fitting.iter().map(|at| &plugins[*at]);
                return Err(Error::invalid(format!(
                    "\"{selector}\" could be several plugins of {place}: {}; choose one by its \
                     index or its identifier",
                    list(several)
                )));
            }
        }
    }
    match index {
        Some(index) => Err(Error::out_of_range("plugin", index, plugins.len())),
        None => Err(Error::new(
            ErrorReason::NotFound,
            format!(
                "{place} has no plugin \"{selector}\"; it has: {}",
                list(plugins.iter())
            ),
        )),
    }
}

fn list<'a>(plugins: impl ExactSizeIterator<Item = &'a Named<'a>>) -> String {
    let more = plugins.len().saturating_sub(MOST_LISTED);
    let mut listed: Vec<String> = plugins
        .take(MOST_LISTED)
        .map(|plugin| match plugin.identifier {
            "" => format!("{} \"{}\"", plugin.index, plugin.name),
            identifier => format!("{} \"{}\" ({identifier})", plugin.index, plugin.name),
        })
        .collect();
    if more > 0 {
        listed.push(format!("and {more} more"));
    }
    listed.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGINS: [Named<'_>; 7] = [
        named(0, "One", "A1"),
        named(1, "two", "B2"),
        named(2, "Two", "C3"),
        named(4, "Twofold", "D4"),
        named(5, "Same", "E5"),
        named(6, "Same", "F6"),
        named(7, "Größer als 1", "00000002"),
    ];

    const fn named<'a>(index: u32, name: &'a str, identifier: &'a str) -> Named<'a> {
        Named {
            index,
            name,
            identifier,
        }
    }

    fn choose(selector: &str) -> Result<usize, Error> {
        super::choose("x.vst3", &PLUGINS, selector)
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        for (selector, at) in [
            ("", 0),
            ("C3", 2),
            ("c3", 2),
            ("4", 3),
            ("00000002", 6),
            ("two", 1),
            ("Two", 2),
            ("ONE", 0),
            ("twof", 3),
            ("größ", 6),
            ("on", 0),
        ] {
            assert_eq!(choose(selector), Ok(at), "{selector}");
        }
    }

    #[test]
    fn what_could_be_several_is_refused_with_all_of_them() {
        for (selector, listed) in [
            ("TWO", "1 \"two\" (B2), 2 \"Two\" (C3); choose"),
            ("Same", "5 \"Same\" (E5), 6 \"Same\" (F6); choose"),
            ("tw", "1 \"two\" (B2), 2 \"Two\" (C3), 4 \"Twofold\" (D4)"),
        ] {
            let refused = choose(selector).unwrap_err();
            assert_eq!(refused.reason, ErrorReason::InvalidInput);
            assert!(refused.message.contains(listed), "{refused}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_with_what_is() {
        let nobody = choose("Nobody").unwrap_err();
        assert_eq!(nobody.reason, ErrorReason::NotFound);
        assert!(nobody.message.contains("0 \"One\" (A1), 1"), "{nobody}");
        // The one that could not be read is missing.
        assert_eq!(
            choose("3").unwrap_err().reason,
            ErrorReason::IndexOutOfRange
        );
        for id in ["00000001", "+1", "01"] {
            assert_eq!(
                choose(id).unwrap_err().reason,
                ErrorReason::NotFound,
                "{id}"
            );
        }
        let many: Vec<Named<'_>> = (0..184).map(|at| named(at, "x", "")).collect();
        let cut = super::choose("x", &many, "y").unwrap_err();
        assert!(cut.message.ends_with("39 \"x\", and 144 more"), "{cut}");
        let none = super::choose("x", &[], "").unwrap_err();
        assert_eq!(none.reason, ErrorReason::NotFound);
    }
}
