//! Globs of bytes: what the globs of paths and of attribute names have in common.

use globset::{Glob, GlobBuilder};

/// Compiles a glob in which a backslash escapes; else the reason why it is none.
pub(crate) fn compile(builder: &mut GlobBuilder<'_>) -> Result<Glob, String> {
    let glob = builder.backslash_escape(true).build().map_err(|error| error.kind().to_string())?;
    if has_wide_set(glob.glob()) {
        return Err("a set in brackets is one of single bytes: write characters beyond ASCII as `{é,è}`".to_owned());
    }
    Ok(glob)
}

/// The length of a set of characters up to its closing bracket, or to the end if there is none. `set` begins behind the opening one.
pub(crate) fn set_length(set: &str) -> usize {
    // A bracket that stands first in a set, or first behind its negation, is one of the set.
    let first = usize::from(set.starts_with(['!', '^']));
    let end = set.char_indices().find(|(at, character)| *at > first && *character == ']');
    end.map_or(set.len(), |(end, _)| end)
}

/// The globs without braces that a valid glob with braces stands for; `None` if they are more than [`MOST_ALTERNATIVES`].
pub(crate) fn alternatives(glob: &str) -> Option<Vec<String>> {
    let mut open = vec![glob.to_owned()];
    let mut done = Vec::new();
    while let Some(glob) = open.pop() {
        match first_braces(&glob) {
            None => done.push(glob),
            Some((before, choices, behind)) => {
                open.extend(choices.iter().rev().map(|choice| [before, *choice, behind].concat()));
            }
        }
        if open.len() + done.len() > MOST_ALTERNATIVES {
            return None;
        }
    }
    Some(done)
}

/// More alternatives than anybody types, and few enough to compile.
pub(crate) const MOST_ALTERNATIVES: usize = 1_000;

/// What stands before the first braces, the alternatives in them, and what stands behind.
fn first_braces(glob: &str) -> Option<(&str, Vec<&str>, &str)> {
    let (mut depth, mut start, mut choices) = (0_usize, 0, Vec::new());
    let mut first = 0;
    for (at, character) in syntax(glob) {
        match character {
            '{' => {
                depth += 1;
                if depth == 1 {
                    (first, start) = (at, at + 1);
                }
            }
            ',' if depth == 1 => {
                choices.push(&glob[start..at]);
                start = at + 1;
            }
            '}' if depth == 1 => {
                choices.push(&glob[start..at]);
                return Some((&glob[..first], choices, &glob[at + 1..]));
            }
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

/// The characters of a glob that are neither escaped nor in a set.
pub(crate) fn syntax(glob: &str) -> impl Iterator<Item = (usize, char)> {
    let mut characters = glob.char_indices();
    std::iter::from_fn(move || {
        let (at, character) = characters.next()?;
        match character {
            '\\' => drop(characters.next()),
            '[' => {
                let end = at + 1 + set_length(&glob[at + 1..]);
                while characters.clone().next().is_some_and(|(next, _)| next <= end) {
                    characters.next();
                }
            }
            _ => {}
        }
        Some((at, character))
    })
}

/// Whether a set has a character that is more than one byte. The set would match each of these bytes.
fn has_wide_set(glob: &str) -> bool {
    syntax(glob).filter(|(_, character)| *character == '[').any(|(at, _)| {
        let set = &glob[at + 1..];
        !set[..set_length(set)].is_ascii()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_are_taken_apart() {
        for (glob, expected) in [
            ("a", &["a"][..]),
            ("{a,b}", &["a", "b"]),
            ("x{a,}y", &["xay", "xy"]),
            ("{a,{b,c}d}/{e,f}", &["a/e", "a/f", "bd/e", "bd/f", "cd/e", "cd/f"]),
            ("\\{a,b\\}", &["\\{a,b\\}"]),
            ("[{]{a,[,}]}", &["[{]a", "[{][,}]"]),
        ] {
            assert_eq!(alternatives(glob).unwrap(), expected, "{glob}");
        }
        assert!(alternatives(&"{a,b}".repeat(9)).is_some());
        assert_eq!(alternatives(&"{a,b}".repeat(10)), None);
        assert_eq!(alternatives(&"{a,b}".repeat(10_000)), None);
    }

    #[test]
    fn a_set_of_wide_characters_is_refused() {
        for (glob, expected) in [
            ("é", false),
            ("[é]", true),
            ("[a-ü]", true),
            ("[!é]", true),
            ("[]é]", true),
            ("[a]é[b]", false),
            ("[a][é]", true),
            ("\\[é\\]", false),
            ("{[a],[é]}", true),
            ("[a\\]é]", false),
        ] {
            assert_eq!(compile(&mut GlobBuilder::new(glob)).is_err(), expected, "{glob}");
        }
    }
}
