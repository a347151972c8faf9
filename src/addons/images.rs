//! The images that manifests name: of containers, and in arguments such as `--solver-image=...`.

use serde_json::Value;

/// Changes every image of an object.
pub fn change(object: &mut Value, to: &impl Fn(&str) -> String) {
    match object {
        Value::Object(fields) => {
            for (key, value) in fields {
                match (key.as_str(), value) {
                    ("image" | "sandboxImage", Value::String(image)) => *image = to(image),
                    ("args" | "command", Value::Array(words)) => words.iter_mut().for_each(|word| argument(word, to)),
                    (_, value) => change(value, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| change(item, to)),
        _ => {}
    }
}

fn argument(word: &mut Value, to: &impl Fn(&str) -> String) {
    if let Value::String(text) = word
        && let Some((flag, image)) = text.split_once('=')
        && flag.starts_with("--")
        && flag.ends_with("image")
    {
        *text = format!("{flag}={}", to(image));
    }
}

/// The images of an object, in the order in which they stand.
pub fn of(object: &Value) -> Vec<String> {
    let found = std::cell::RefCell::new(Vec::new());
    change(&mut object.clone(), &|image| {
        found.borrow_mut().push(image.to_owned());
        image.to_owned()
    });
    found.into_inner()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Images of containers of all sorts and of flags are found and changed; fields that are only called so are not.
    #[test]
    fn images_are_found() {
        let mut pod = json!({"spec": {
            "initContainers": [{"image": "a/init:1", "args": ["--image", "x"]}],
            "containers": [{"image": "b/main:2", "args": ["--solver-image=c/solver:3", "--v=2"]}],
            "properties": {"image": {"type": "string"}},
        }});
        assert_eq!(of(&pod), ["a/init:1", "b/main:2", "c/solver:3"]);
        change(&mut pod, &|image| format!("mirror/{image}"));
        assert_eq!(pod["spec"]["containers"][0]["args"][0], "--solver-image=mirror/c/solver:3");
        assert_eq!(pod["spec"]["initContainers"][0]["image"], "mirror/a/init:1");
    }
}
