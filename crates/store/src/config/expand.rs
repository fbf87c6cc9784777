//! `${NAME}` and `${NAME:-default}`.

use std::collections::BTreeMap;

/// Resolves what names variables in a text, or says which is not set. What a variable holds is taken as it is.
pub(super) fn expand(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            resolved.push_str(before);
            resolved.push_str("${");
            rest = after;
            continue;
        }
        resolved.push_str(before);
        let (inside, after) =
            after.split_once('}').ok_or("there is a `${` without its `}`; write `$${` for `${` itself")?;
        let (name, default) =
            inside.split_once(":-").map_or((inside, None), |(name, default)| (name, Some(default)));
        if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err("what stands in `${…}` is not the name of a variable".to_owned());
        }
        // As in a shell, a default stands in for an empty variable too.
        let value = match (variables.get(name), default) {
            (Some(value), _) if !value.is_empty() => value,
            (_, Some(default)) => default,
            (Some(empty), None) => empty,
            (None, None) => return Err(format!("the variable {name} is not set in the environment")),
        };
        resolved.push_str(value);
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}
