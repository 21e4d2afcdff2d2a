//! Texts as parameter values. A text gets the next number when it is first met, so that paths and
//! names go wherever numbers go: into events, states, journals.

use std::sync::OnceLock;

use plugpen_proto::Error;
use plugpen_proto::v1::ErrorReason;

/// Numbers a parameter has for texts.
pub const NUMBERS: usize = 1024;

/// The texts of one parameter. Number 0 is the empty text, which stands for none and is never
/// sent. Any thread may read; the main thread adds.
#[derive(Debug, PartialEq)]
pub struct Texts {
    list: Box<[OnceLock<Box<str>>]>,
}

impl Texts {
    /// Only the empty text.
    pub fn new() -> Self {
        let list: Box<[OnceLock<Box<str>>]> = (0..NUMBERS).map(|_| OnceLock::new()).collect();
        list[0].get_or_init(Box::default);
        Self { list }
    }

    /// The text of a number; empty where there is none.
    pub fn text(&self, number: f64) -> &str {
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "float to integer saturates, and the index is checked"
        )]
        let at = number.round() as usize;
        let text = self.list.get(at).and_then(OnceLock::get);
        text.map_or("", |text| text)
    }

    /// The number of a text that has one. Allocates nothing.
    pub fn find(&self, text: &str) -> Option<f64> {
        let known = self.list.iter().map_while(OnceLock::get);
        let at = known.into_iter().position(|known| **known == *text)?;
        u32::try_from(at).ok().map(f64::from)
    }

    /// The number of a text, a new one if need be. For the main thread.
    ///
    /// # Errors
    /// All numbers are taken.
    pub fn number(&self, text: &str) -> Result<f64, Error> {
        if let Some(number) = self.find(text) {
            return Ok(number);
        }
        // Only the main thread adds, so an empty place stays empty until here.
        let free = self.list.iter().position(|place| place.get().is_none());
        let Some(at) = free else {
            return Err(Error::new(
                ErrorReason::LimitReached,
                format!("this parameter has had {NUMBERS} texts already; restart the plugin"),
            ));
        };
        self.list[at].get_or_init(|| text.into());
        self.find(text)
            .ok_or_else(|| Error::bug("a text was added and is not there"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_its_number() {
        let texts = Texts::new();
        assert_eq!((texts.text(0.0), texts.find("")), ("", Some(0.0)));
        assert_eq!(texts.number("/a.wav"), Ok(1.0));
        assert_eq!(texts.number("/b.wav"), Ok(2.0));
        assert_eq!(texts.number("/a.wav"), Ok(1.0));
        assert_eq!((texts.text(2.0), texts.text(3.0)), ("/b.wav", ""));
        assert_eq!((texts.text(f64::NAN), texts.text(-7.0)), ("", ""));
        for number in 3..NUMBERS {
            texts.number(&number.to_string()).unwrap();
        }
        let full = texts.number("one more").unwrap_err();
        assert_eq!(full.reason, ErrorReason::LimitReached);
        assert_eq!(texts.number("/b.wav"), Ok(2.0));
    }
}
