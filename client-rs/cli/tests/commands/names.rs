//! Plugins by their names.

use crate::support::{failed, json, real};

#[test]
fn an_unknown_name_is_not_found() {
    let (code, said) = failed(&["info", "no plugin has this name"]);
    assert_eq!(code, Some(3));
    assert!(
        said.starts_with("Error: there is no file and no plugin"),
        "{said}"
    );
}

#[test]
fn a_name_of_several_formats_is_explained_and_can_be_qualified() {
    let paths = ["/usr/lib/lv2/ZamVerb.lv2", "/usr/lib/vst3/ZamVerb.vst3"];
    if paths.iter().any(|path| real(path).is_none()) {
        return;
    }
    let (code, said) = failed(&["info", "zamVERB"]);
    assert_eq!(code, Some(1), "{said}");
    for part in ["vst3:zamVERB", "urn:zamaudio:ZamVerb", paths[1]] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(json(&["info", "-j", "vst3:zamverb"])["path"], paths[1]);
    let lv2 = json(&["info", "-j", "lv2:ZamVerb"]);
    assert_eq!(lv2["path"], paths[0]);
    assert_eq!(
        json(&["info", "-j", "urn:zamaudio:ZamVerb"])["path"],
        paths[0]
    );
    assert_eq!(json(&["info", "-j", "ZamVerb.vst3"])["path"], paths[1]);
    let (code, said) = failed(&["params", "ZamVer"]);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("similar: ") && said.contains("ZamVerb"),
        "{said}"
    );
}
