//! SECURITY.md lists the attacks as the table does.

use std::collections::BTreeSet;
use std::fs;

use plugpen_tests::places::repository;

use super::table::{Attack, Fate, TABLE, all};

const BEGIN: &str = "<!-- attacks: made from the table of the tests -->\n";
const END: &str = "<!-- end of attacks -->\n";

fn fate(attack: &Attack) -> String {
    match attack.fate {
        Fate::HeldBy(layers) => layers.join(", "),
        Fate::Limited(layers, _) => [layers, &["the daemon's limits"]].concat().join(", "),
        Fate::Never(why) => format!("always: {why}"),
        Fate::Accepted(why) => format!("**nothing**: {why}"),
        Fate::Ends(kind, _) => format!("ends its worker: {kind:?}"),
        Fate::Survived => "the worker goes on".to_owned(),
    }
}

fn listed() -> String {
    let mut text = BEGIN.to_owned();
    for (group, attacks) in TABLE {
        text += &format!("\n| {group} | A plugin that... | is held by any of |\n|---|---|---|\n");
        for attack in *attacks {
            text += &format!(
                "| `{}` | {} | {} |\n",
                attack.name,
                attack.tries,
                fate(attack)
            );
        }
    }
    text + "\n" + END
}

#[test]
fn the_security_document_lists_every_attack() {
    let path = repository().join("SECURITY.md");
    let text = fs::read_to_string(&path).unwrap();
    let (head, rest) = text.split_once(BEGIN).unwrap();
    let (_, tail) = rest.split_once(END).unwrap();
    let wanted = format!("{head}{}{tail}", listed());
    if std::env::var_os("PLUGPEN_REGENERATE").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    assert!(
        text == wanted || std::env::var_os("PLUGPEN_REGENERATE").is_some(),
        "SECURITY.md does not list the attacks as the tests do: run this test with PLUGPEN_REGENERATE=1"
    );
}

#[test]
fn no_attack_is_listed_twice() {
    let names: BTreeSet<&str> = all().map(|attack| attack.name).collect();
    assert_eq!(names.len(), all().count());
}
