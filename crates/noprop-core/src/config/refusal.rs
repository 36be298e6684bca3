//! Why options cannot be read from JSON, in the words of those who wrote them. serde says "invalid type: floating point
//! `1.5`, expected usize at line 1 column 57" to people who write neither JSON nor Rust.

use crate::error::{Code, Error};
use serde_json::Value;

/// The option that serde stopped at ("." for all of them) and what it says of a value; `None` where it can be read. It stands for the type that
/// is read: a function of the type itself would be compiled for each of them, which took 0.3 MB of the addon.
pub(super) type Complaint<'a> = &'a dyn Fn(&Value) -> Option<(String, String)>;

/// The error for what could not be read (null for what is no JSON): `path` is the option that serde stopped at, `message` what it says.
pub(super) fn refused(complaint: Complaint<'_>, root: &Value, path: &str, message: &str) -> Error {
    let message = message.split(" at line ").next().unwrap_or_default();
    let path = if path == "." { String::new() } else { culprit(complaint, root, path) };
    if let Some((name, expected)) = quoted(message, "unknown variant ") {
        let kind = path.strip_suffix(".type").unwrap_or(&path);
        let error = Error::new(Code::Option, format!("unknown {kind} '{name}'")).expected(alternatives(expected, ""));
        return error.hint(format!("correct option {kind}"));
    }
    if let Some((name, expected)) = quoted(message, "unknown field ") {
        return unknown_field(complaint, root, &path, name, expected);
    }
    if let Some((name, _)) = quoted(message, "missing field ") {
        return Error::new(Code::Option, format!("option {} is missing", within(&path, name)));
    }
    let what = if path.is_empty() {
        "the options cannot be read".to_owned()
    } else {
        format!("option {path} has a bad value")
    };
    let error = Error::new(Code::Option, what);
    // The types that check themselves say all there is to say.
    if let Some(error) = own(message) {
        return error;
    }
    let Some((received, expected)) = message.rsplit_once(", expected ") else { return error.received(message) };
    let received =
        received.strip_prefix("invalid ").and_then(|text| text.split_once(": ")).map_or(received, |(_, text)| text);
    error.expected(kind_of_value(expected)).received(value(received))
}

/// Inside of an object with a `type` serde does not say which value it could not read: the one without which it complains of
/// something else, or of nothing.
fn culprit(complaint: Complaint<'_>, root: &Value, path: &str) -> String {
    let complaint = |root: &Value| complaint(root).map(|(_, message)| message);
    let pointer = format!("/{}", path.replace('.', "/"));
    let Some(Value::Object(fields)) = root.pointer(&pointer) else { return path.to_owned() };
    let found = fields.keys().filter(|name| *name != "type").find(|name| {
        let mut without = root.clone();
        if let Some(Value::Object(fields)) = without.pointer_mut(&pointer) {
            fields.remove(*name);
        }
        complaint(&without) != complaint(root)
    });
    found.map_or_else(|| path.to_owned(), |name| within(path, name))
}

fn unknown_field(complaint: Complaint<'_>, root: &Value, path: &str, name: &str, expected: &str) -> Error {
    // The path is that of the field where serde knows it, or that of its object.
    let owner = path.strip_suffix(name).map_or(path, |owner| owner.strip_suffix('.').unwrap_or(owner));
    let option = within(owner, name);
    let prefix = if owner.is_empty() { String::new() } else { format!("{owner}.") };
    let what = match root.pointer(&format!("/{}", owner.replace('.', "/"))).and_then(|value| value["type"].as_str()) {
        Some(kind) => format!("option {option} does not apply to {owner} '{kind}'"),
        None => format!("there is no option {option}"),
    };
    let error = Error::new(Code::Option, what).expected(alternatives(expected, &prefix)).received(option.clone());
    let kinds = kinds_with(complaint, root, owner, name);
    match &kinds[..] {
        [] => error,
        [kind] => error.hint(format!("option {option} is one of {owner} {kind}")),
        [kinds @ .., last] => error.hint(format!("option {option} is one of {owner} {} and {last}", kinds.join(", "))),
    }
}

/// The types by which the object at `owner` has the option `name`: tried one after the other, so that no list of them gets old.
fn kinds_with(complaint: Complaint<'_>, root: &Value, owner: &str, name: &str) -> Vec<String> {
    let pointer = format!("/{}", owner.replace('.', "/"));
    let Some(value) = root.pointer(&pointer).filter(|object| object["type"].is_string()).map(|object| &object[name])
    else {
        return Vec::new();
    };
    let of_tried = complaint;
    let complaint = |kind: &str| {
        let mut tried = root.clone();
        *tried.pointer_mut(&pointer)? = serde_json::json!({ "type": kind, (name): value });
        of_tried(&tried).filter(|(path, _)| path.starts_with(owner)).map(|(_, message)| message)
    };
    // No type has no name, which brings up those there are.
    let unnamed = complaint("").unwrap_or_default();
    let kinds = quoted(&unnamed, "unknown variant ").map_or("", |(_, kinds)| kinds).split('`').skip(1).step_by(2);
    let has = |kind: &&str| complaint(kind).is_none_or(|message| quoted(&message, "unknown field ").is_none());
    kinds.filter(has).map(str::to_owned).collect()
}

fn within(owner: &str, name: &str) -> String {
    if owner.is_empty() { name.to_owned() } else { format!("{owner}.{name}") }
}

/// The name in "START`name`, REST" and REST without its first words.
fn quoted<'a>(message: &'a str, start: &str) -> Option<(&'a str, &'a str)> {
    let (name, rest) = message.strip_prefix(start)?.strip_prefix('`')?.split_once('`')?;
    Some((name, rest.strip_prefix(", expected ").unwrap_or_default()))
}

/// "one of `a`, `b`, `c`" as "a, b or c", each name behind `prefix`.
fn alternatives(expected: &str, prefix: &str) -> String {
    let names: Vec<_> = expected.split('`').skip(1).step_by(2).map(|name| format!("{prefix}{name}")).collect();
    match names.as_slice() {
        [] => expected.to_owned(),
        [name] => name.clone(),
        [names @ .., last] => format!("{} or {last}", names.join(", ")),
    }
}

/// An [`Error`] of ours that went through serde as its text.
fn own(message: &str) -> Option<Error> {
    let (what, rest) = message.split_once("; expected: ")?;
    let (expected, rest) = rest.split_once("; received: ").unwrap_or((rest, ""));
    let (received, hint) = rest.split_once("; hint: ").unwrap_or((rest, ""));
    Some(Error::new(Code::Option, what).expected(expected).received(received).hint(hint))
}

/// A kind of value that serde names.
fn kind_of_value(expected: &str) -> String {
    match expected {
        "usize" | "u64" | "u32" | "u16" | "u8" => "a whole number of at least 0".to_owned(),
        "isize" | "i64" | "i32" => "a whole number".to_owned(),
        "f64" | "f32" => "a number".to_owned(),
        "a boolean" => "true or false".to_owned(),
        "a string" => "text".to_owned(),
        "a sequence" => "a list".to_owned(),
        "variant identifier" | "string or map" => "a name".to_owned(),
        _ if expected.starts_with("internally tagged enum") => "a name, or an object with a type".to_owned(),
        _ if expected.starts_with("struct ") => "an object".to_owned(),
        _ => expected.replacen("an array of length", "a list of length", 1),
    }
}

/// A value as serde quotes it: "floating point `1.5`" is 1.5.
fn value(received: &str) -> String {
    match received {
        "map" => "an object".to_owned(),
        "sequence" => "a list".to_owned(),
        _ if received.starts_with("string ") => received.replacen("string", "the text", 1),
        _ if received.starts_with("invalid length ") => received.replacen("invalid", "a list of", 1),
        _ => received.split('`').nth(1).unwrap_or(received).to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{FitOptions, ModelConfig, from_json};
    use crate::error::{Code, Error};

    fn model(options: &str) -> Error {
        from_json::<ModelConfig>(&format!(r#"{{"input":[28,28],"classes":[0,1],{options}}}"#)).unwrap_err()
    }

    fn fit(options: &str) -> Error {
        from_json::<FitOptions>(&format!("{{{options}}}")).unwrap_err()
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let cases = [
            (model(r#""net":{"type":"rnn"}"#), "unknown net 'rnn'", "cnn, mlp, resnet, vit or graph"),
            (model(r#""schedule":{"type":"quad"}"#), "unknown schedule 'quad'", "cosine, linear or custom"),
            (
                model(r#""method":"vt""#),
                "unknown method 'vt'",
                "dt, ct, fm, diffusion-blocks, backprop, forward-forward, classifier or adjoint",
            ),
            (
                fit(r#""learningRateSchedule":"step""#),
                "unknown learningRateSchedule 'step'",
                "constant, one-cycle, cool-down or cosine",
            ),
        ];
        for (error, what, expected) in cases {
            assert_eq!((error.code, error.what.as_str(), error.expected.as_str()), (Code::Option, what, expected));
        }
        assert_eq!(model(r#""net":{"type":"rnn"}"#).hint, "correct option net");
    }

    #[test]
    fn a_bad_value_is_told_with_its_own_option_and_in_plain_words() {
        let whole = "a whole number of at least 0";
        let cases = [
            (model(r#""blocks":-3"#), "blocks", whole, "-3"),
            (model(r#""blocks":1.5"#), "blocks", whole, "1.5"),
            (model(r#""blocks":"3""#), "blocks", whole, "the text \"3\""),
            (model(r#""blocks":null"#), "blocks", whole, "null"),
            (model(r#""net":5"#), "net", "a name, or an object with a type", "5"),
            (model(r#""net":{"type":"mlp","dropout":0.1,"hidden":[1.5]}"#), "net.hidden", whole, "1.5"),
            (model(r#""net":{"type":"mlp","hidden":5}"#), "net.hidden", "a list", "5"),
            (model(r#""net":{"type":"cnn","widths":[1,2]}"#), "net.widths", "a list of length 3", "a list of length 2"),
            (model(r#""schedule":{"type":"custom","alphaBar":"x"}"#), "schedule.alphaBar", "a list", "the text \"x\""),
            (fit(r#""resume":1"#), "resume", "true or false", "1"),
            (fit(r#""augment":{"shift":-1}"#), "augment.shift", whole, "-1"),
        ];
        for (error, option, expected, received) in cases {
            assert_eq!(error.what, format!("option {option} has a bad value"), "{error}");
            assert_eq!((error.expected.as_str(), error.received.as_str()), (expected, received), "{error}");
        }
    }

    #[test]
    fn an_option_that_is_not_there_is_told_with_those_there_are() {
        let error = fit(r#""epoch":3"#);
        assert_eq!((error.what.as_str(), error.received.as_str()), ("there is no option epoch", "epoch"));
        assert!(error.expected.starts_with("epochs, batch, ") && error.expected.ends_with(" or resume"), "{error}");
        let error = model(r#""net":{"type":"mlp","widths":[1,2,3]}"#);
        assert_eq!(error.what, "option net.widths does not apply to net 'mlp'");
        assert_eq!(error.expected, "net.hidden or net.dropout");
        assert_eq!(error.hint, "option net.widths is one of net cnn and resnet");
        let error = model(r#""method":{"type":"dt","partition":"edm"}"#);
        assert_eq!(error.hint, "option method.partition is one of method diffusion-blocks");
        assert_eq!(
            model(r#""method":{"type":"fm","loss":"ce"}"#).hint,
            "option method.loss is one of method dt and diffusion-blocks"
        );
        assert_eq!(
            model(r#""schedule":{"type":"cosine","start":1}"#).hint,
            "option schedule.start is one of schedule linear"
        );
        assert_eq!(model(r#""method":{"type":"dt","sigma":1}"#).hint, "", "nothing has it");
        assert_eq!(fit(r#""augment":{"turn":3}"#).what, "there is no option augment.turn");
        assert_eq!(model(r#""schedule":{"type":"custom"}"#).what, "option schedule.alphaBar is missing");
        assert_eq!(from_json::<ModelConfig>("{}").unwrap_err().what, "option input is missing");
    }

    #[test]
    fn types_that_check_themselves_keep_their_words() {
        let error = from_json::<ModelConfig>(r#"{"input":[1,2,3,4],"classes":[0,1]}"#).unwrap_err();
        assert_eq!(error.what, "a sample has the wrong number of dimensions");
        assert_eq!(error.received, "[1, 2, 3, 4]");
        assert!(!error.expected.is_empty() && !error.hint.is_empty(), "{error}");
        assert!(from_json::<ModelConfig>("[").unwrap_err().what.contains("cannot be read"));
    }
}
