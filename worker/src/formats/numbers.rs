//! Numbers as texts and back, and from double to single precision.

/// The number a text starts with, 0 if with none or one beyond an `f32`.
pub fn leading_number(text: &str) -> f64 {
    let text = text.trim_start();
    let end = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *c == '.' || (*at == 0 && matches!(c, '-' | '+'))))
        .map_or(text.len(), |(at, _)| at);
    let number = text.parse().or_else(|_| text[..end].parse()).unwrap_or(0.0);
    if narrow(number).is_finite() {
        number
    } else {
        0.0
    }
}

/// A number with six significant digits and no trailing zeros, C's `%g`.
pub fn six_digits(value: f32) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let scientific = format!("{value:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trim = |digits: &str| {
        let trimmed = if digits.contains('.') {
            digits.trim_end_matches('0').trim_end_matches('.')
        } else {
            digits
        };
        trimmed.to_owned()
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        trim(&format!("{value:.decimals$}"))
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{}e{sign}{:02}", trim(digits), exponent.abs())
    }
}

/// The nearest `f32`, which is what ports and texts work with.
pub fn narrow(value: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "rounding is meant")]
    let narrowed = value as f32;
    narrowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_have_six_digits() {
        let numbers = [
            0.180_336_88,
            -9.599_999,
            14.400_002,
            48_000.0,
            2e7,
            1.5e-5,
            123_456.7,
        ];
        let texts: Vec<_> = numbers.iter().map(|number| six_digits(*number)).collect();
        assert_eq!(
            texts,
            [
                "0.180337", "-9.6", "14.4", "48000", "2e+07", "1.5e-05", "123457"
            ]
        );
    }

    #[test]
    fn a_number_may_have_a_unit_behind_it() {
        for (text, number) in [
            ("-3.5 dB", -3.5),
            (" 12", 12.0),
            ("1e3", 1000.0),
            ("0.1", 0.1),
            ("x", 0.0),
            ("", 0.0),
            ("1e300", 0.0),
            ("nan", 0.0),
        ] {
            assert_eq!(leading_number(text), number, "{text}");
        }
    }
}
