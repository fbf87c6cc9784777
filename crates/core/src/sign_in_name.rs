//! The names that people sign in by.

use unicode_normalization::UnicodeNormalization as _;

/// The most characters of a sign-in name: as many as the longest e-mail address has.
const MOST_CHARACTERS: usize = 254;

/// A name that somebody signs in by, an e-mail address perhaps: in NFC, 1 to 254 characters, without spaces around it and
/// without control characters. Two that differ in capitals alone are the same.
#[derive(Clone, Debug)]
pub struct SignInName {
    text: String,
    folded: String,
}

impl SignInName {
    /// Takes a text as a sign-in name, or says which rule it breaks.
    ///
    /// # Errors
    /// The rule that is broken, as a sentence.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text: String = text.nfc().collect();
        if text.is_empty() {
            Err("a sign-in name has at least 1 character")
        } else if text.chars().count() > MOST_CHARACTERS {
            Err("a sign-in name has at most 254 characters")
        } else if text.trim() != text {
            Err("a sign-in name has no spaces around it")
        } else if text.chars().any(char::is_control) {
            Err("a sign-in name has no control characters")
        } else {
            let folded = fold(&text);
            Ok(Self { text, folded })
        }
    }

    /// Returns the name as it was written, in NFC.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns what two writings of one name share.
    #[must_use]
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Tells whether a text is this name, whatever its capitals.
    #[must_use]
    pub fn is(&self, text: &str) -> bool {
        fold(text) == self.folded
    }
}

/// Folds case. Through capitals, because some letters have two small forms, and `ß` is `SS`.
fn fold(text: &str) -> String {
    let capitals = text.nfc().collect::<String>().to_uppercase();
    capitals.chars().flat_map(char::to_lowercase).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::SignInName;

    #[test]
    fn writings_of_one_name_are_one() {
        for (one, two) in [
            ("Ada@Example.org", "ada@example.ORG"),
            ("Zo\u{eb}", "ZOE\u{308}"),
            ("stra\u{df}e", "STRASSE"),
            ("\u{3c3}\u{3c2}", "\u{3a3}\u{3a3}"),
        ] {
            let (one, two) = (SignInName::new(one).unwrap(), SignInName::new(two).unwrap());
            assert_eq!(one.folded(), two.folded());
            assert!(one.is(two.as_str()));
        }
        assert!(!SignInName::new("ada").unwrap().is("adb"));
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let longest = "\u{e9}".repeat(254);
        SignInName::new(&longest).unwrap();
        for bad in ["", " ada", "ada ", "a\u{7}b", "\u{a0}ada", &format!("{longest}x")] {
            assert!(SignInName::new(bad).is_err(), "{bad:?}");
        }
    }
}
