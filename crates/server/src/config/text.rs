//! Reading TOML that may hold secrets: an error says which line is wrong, what it sets and why, and shows no value.

use serde::de::DeserializeOwned;

/// Reads a text; returns the line and what is wrong with it, of which no value is a part.
pub fn read_toml<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        let line = before.map_or(1, |before| before.matches('\n').count() + 1);
        let name =
            text.lines().nth(line - 1).and_then(name).map_or(String::new(), |name| format!("{name}: "));
        format!("line {line}: {name}{}", without_value(error.message()))
    })
}

/// Returns what a line sets, where it says so plainly.
fn name(line: &str) -> Option<&str> {
    let name = line.split_once('=')?.0.trim();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    (is_plain && !name.is_empty()).then_some(name)
}

/// Takes out of an error of serde the value that it repeats: what stands between `invalid type:` and `, expected`, of which the
/// kind stays.
fn without_value(message: &str) -> String {
    const REPEAT: [&str; 4] = ["invalid type:", "invalid value:", "invalid length", "unknown variant"];
    let message = message.lines().next().unwrap_or_default();
    let repeats = REPEAT.iter().any(|start| message.starts_with(start));
    let (Some(begin), Some(end)) = (message.find(['`', '"']), message.rfind(", expected")) else {
        return if repeats { "the value is of a wrong kind".to_owned() } else { message.to_owned() };
    };
    if repeats && begin < end {
        format!("{}{}", message[..begin].trim_end(), &message[end..])
    } else {
        message.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::read_toml;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[expect(dead_code, reason = "only what cannot be read matters here")]
        key: Option<String>,
        #[expect(dead_code, reason = "only what cannot be read matters here")]
        port: Option<u16>,
        #[expect(dead_code, reason = "only what cannot be read matters here")]
        kind: Option<Kind>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Kind {
        One,
        Two,
    }

    #[test]
    fn an_error_shows_nothing_of_the_line() {
        for (text, told) in [
            ("api_key = \"SECRET\"", "line 1: api_key: unknown field `api_key`"),
            ("\nkey = SECRET", "line 2: "),
            ("key = \"SECRET", "line 1: "),
            ("key \"SECRET\"", "line 1: "),
            ("key = \"SECRET\" x", "line 1: "),
            ("key = \"a\"\nkey = \"SECRET\"", "line 2: "),
            ("port = \"SECRET\"", "line 1: port: invalid type: string, expected u16"),
            ("port = \"SECRET, expected u8\"", "line 1: port: invalid type: string, expected u16"),
            ("key = 7777", "line 1: key: invalid type: integer, expected a string"),
            ("key = 7777.5", "line 1: key: invalid type: floating point, expected a string"),
            ("port = 777777", "line 1: port: invalid value: integer, expected u16"),
            ("kind = \"SECRET\"", "line 1: kind: unknown variant, expected `one` or `two`"),
        ] {
            let error = read_toml::<Form>(text).unwrap_err();
            assert!(error.starts_with(told), "{error}");
            assert!(!error.contains("SECRET") && !error.contains("7777") && !error.contains('\n'), "{error}");
        }
    }
}
