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

/// Whether a set has a character that is more than one byte. The set would match each of these bytes.
fn has_wide_set(glob: &str) -> bool {
    let mut characters = glob.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => drop(characters.next()),
            '[' => {
                let set = &glob[at + 1..];
                let length = set_length(set);
                if !set[..length].is_ascii() {
                    return true;
                }
                while characters.clone().next().is_some_and(|(next, _)| next <= at + 1 + length) {
                    characters.next();
                }
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

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
