//! `plugpen token`.

use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::support::{failed, json, printed, run, text};

#[test]
fn tokens_are_made_listed_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.toml");
    let file = path.to_str().unwrap();
    fn of<'a>(file: &'a str, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["token", "--tokens", file], arguments].concat()
    }
    let first = printed(&of(file, &["notebook"]));
    let second = printed(&of(file, &["farm", "--scope", "read"]));
    for token in [&first, &second] {
        assert_eq!(token.len(), 65, "64 digits and a line's end");
        assert!(
            token
                .trim_end()
                .bytes()
                .all(|byte| byte.is_ascii_hexdigit())
        );
    }
    assert_ne!(first, second);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(!kept.contains(first.trim()), "only its hash may be there");
    assert!(kept.contains(&blake3::hash(first.trim().as_bytes()).to_string()));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(
        printed(&of(file, &["--list"])),
        "notebook  play\nfarm      read\n"
    );
    let rows = json!([{"name": "notebook", "scope": "play"}, {"name": "farm", "scope": "read"}]);
    assert_eq!(json(&of(file, &["--list", "--json"])), rows);

    let (code, said) = failed(&of(file, &["notebook"]));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("already"), "{said}");
    assert_eq!(failed(&of(file, &["a b"])).0, Some(1));
    assert_eq!(failed(&of(file, &["nobody", "--remove"])).0, Some(3));
    assert_eq!(failed(&of(file, &[])).0, Some(2));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), kept);

    let removed = run(&of(file, &["notebook", "--remove"]));
    assert!(removed.status.success(), "{}", text(&removed.stderr));
    assert_eq!(printed(&of(file, &["--list"])), "farm  read\n");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "half a file is left behind");
}

#[test]
fn a_file_of_something_else_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plugpend.toml");
    std::fs::write(&path, "listen = []\n").unwrap();
    let file = path.to_str().unwrap();
    let (code, said) = failed(&["token", "x", "--tokens", file]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no file of tokens"), "{said}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "listen = []\n");
    let missing = folder.path().join("none.toml");
    let list = ["token", "--list", "--tokens", missing.to_str().unwrap()];
    assert_eq!(failed(&list).0, Some(3));
}
