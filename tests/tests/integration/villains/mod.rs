//! Villains: a plugin of every format that does any attack by name, at every level of the jail.
//! [`table`] says what becomes of each, and the tests hold it to the letter: an attack that is
//! listed as open and fails is a failure as well.

mod chaos;
mod cpp;
mod document;
mod ordinary;
mod scene;
mod table;
mod witness;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use plugpen::v1::{Death, DeathKind, ErrorReason, SandboxState};
use plugpen::{EventBody, EventList, OpenOptions, Plugin, Server};
use plugpen_tests::census;

use crate::conformance::format::{Format, LV2, VST2, VST3};
use crate::system::{play_events, server_with, until};
use scene::Scene;
use table::{Attack, Fate, Unjailed};
use witness::beside_others;

/// Attacks that may fill the machine's memory: one at a time.
static HEAVY: Mutex<()> = Mutex::new(());

/// Where the folder that an attack writes in is the plugin's own inside the jail: only what is
/// there on the outside counts.
const ONLY_OUTSIDE: [&str; 2] = ["create-tmp", "create-shm"];

/// How an attack ended.
#[derive(Debug)]
enum Ended {
    Succeeded,
    /// With this errno.
    Denied(i32),
    Died(Box<Death>),
}

/// An attack that was tried.
struct Tried {
    ended: Ended,
    damage: Vec<String>,
    layers: BTreeSet<String>,
}

impl Tried {
    fn succeeded(&self, attack: &Attack) -> bool {
        let said = matches!(self.ended, Ended::Succeeded);
        !self.damage.is_empty() || said && !ONLY_OUTSIDE.contains(&attack.name)
    }
}

/// The layers of a plugin's jail that stand.
fn standing(plugin: &Plugin) -> BTreeSet<String> {
    let report = plugin.opened().sandbox.unwrap();
    let holds = |state| matches!(state, SandboxState::Enforced | SandboxState::Partial);
    let layers = report.layers.into_iter();
    layers
        .filter(|layer| holds(layer.state()))
        .map(|layer| layer.name)
        .collect()
}

/// Has a fresh worker try an attack; one that lives on must still play and answer.
fn attempt(format: &Format, server: &Server, attack: &Attack) -> Tried {
    let scene = Scene::new(server);
    let mut options = OpenOptions::default();
    if !matches!(attack.fate, Fate::Ends(DeathKind::Hang, _)) {
        // Whatever ends it has time for that.
        options.deadlines.block_seconds = 60.0;
    }
    let plugin = format.open_with(server, "attacker", options);
    let layers = standing(&plugin);
    let mut events = EventList::new();
    let order = scene.order(attack.name);
    events.push_midi(0, &[&[0xF0], order.as_bytes(), &[0xF7]].concat());
    let ended = match play_events(&plugin, &[0.5; 64], &events) {
        // Some ends come a little later.
        Ok(_) if matches!(attack.fate, Fate::Ends(..)) => {
            let quiet = EventList::new();
            until(attack.name, || {
                let played = play_events(&plugin, &[0.5; 64], &quiet);
                (played.is_err() || plugin.get_param(0).is_err()) && plugin.death().is_some()
            });
            Ended::Died(Box::new(plugin.death().unwrap()))
        }
        Ok((_, said)) => heard(attack, &said),
        Err(error) => {
            let deadly = [ErrorReason::PluginCrashed, ErrorReason::PluginHung];
            assert!(deadly.contains(&error.reason), "{}: {error}", attack.name);
            Ended::Died(error.death.unwrap())
        }
    };
    if matches!(ended, Ended::Died(_)) {
        let pid = plugin.worker_pid();
        until("the worker's end", || !census::is_running(pid));
    } else {
        let (outputs, _) = play_events(&plugin, &[0.25; 64], &EventList::new())
            .unwrap_or_else(|error| panic!("{} has hurt its worker: {error}", attack.name));
        assert_eq!(outputs[0], [0.25; 64], "{}", attack.name);
        plugin.get_param(0).unwrap();
    }
    Tried {
        ended,
        damage: scene.damage(),
        layers,
    }
}

fn heard(attack: &Attack, said: &EventList) -> Ended {
    let answer = said.iter().find_map(|event| match event.body {
        EventBody::Midi([0xF0, text @ .., 0xF7]) => std::str::from_utf8(text).ok(),
        _ => None,
    });
    match answer.and_then(|text| text.split_once(' ').or(Some((text, "")))) {
        Some(("succeeded", _)) => Ended::Succeeded,
        Some(("denied", errno)) => Ended::Denied(errno.parse().unwrap()),
        other => panic!("{}: the plugin said {other:?}", attack.name),
    }
}

/// What is wrong with what became of an attack; nothing if it is as the table says.
fn judge(attack: &Attack, tried: &Tried) -> Option<String> {
    let succeeded = tried.succeeded(attack);
    let wanted = match attack.fate {
        Fate::HeldBy(layers) => {
            let held = layers.iter().any(|layer| tried.layers.contains(*layer));
            let certain = attack.unjailed != Unjailed::Varies;
            match (held, succeeded) {
                (true, true) => "held",
                (false, false) if certain => "open: take it from the table of open ones",
                _ => return None,
            }
        }
        Fate::Limited(layers, kind) => {
            let held = layers.iter().any(|layer| tried.layers.contains(*layer));
            match &tried.ended {
                Ended::Denied(_) if held => return None,
                Ended::Died(death) if death.kind() == kind => return None,
                _ if held => "held",
                _ => "ended by the daemon's limits",
            }
        }
        Fate::Never(_) if succeeded => "held at all times",
        Fate::Accepted(_) if !succeeded => "open",
        Fate::Survived if !matches!(tried.ended, Ended::Succeeded) => "survived",
        Fate::Ends(kind, signals) => match &tried.ended {
            // One that has no control channel ends by itself, where it is not killed before.
            Ended::Died(death)
                if death.kind() == kind
                    || kind == DeathKind::Killed && NO_CHANNEL.contains(&death.exit_code) =>
            {
                let named = signals.is_empty() || signals.contains(&death.signal);
                if named && tried.damage.is_empty() {
                    return None;
                }
                "another signal"
            }
            _ => "the end of its worker",
        },
        _ => return None,
    };
    let ended = match &tried.ended {
        Ended::Denied(errno) => format!("denied with errno {errno}"),
        ended => format!("{ended:?}"),
    };
    Some(format!(
        "{} should be {wanted}: {ended}, damage {:?}, layers {:?}",
        attack.name, tried.damage, tried.layers
    ))
}

/// Tries attacks of the table, with another plugin of this client playing all the while, and holds
/// them to it.
fn hold(format: &Format, server: &Server, attacks: impl Iterator<Item = &'static Attack>) {
    let wrong: Vec<String> = beside_others(server, || {
        attacks
            .filter_map(|attack| {
                let heavy = attack.unjailed == Unjailed::Harmful;
                let _alone = heavy.then(|| HEAVY.lock().unwrap_or_else(PoisonError::into_inner));
                judge(attack, &attempt(format, server, attack))
            })
            .map(|wrong| format!("{}: {wrong}", format.name))
            .collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a worker exits with that cannot speak to its daemon.
const NO_CHANNEL: [i32; 2] = [70, 74];

fn is_a_death(attack: &Attack) -> bool {
    matches!(attack.fate, Fate::Ends(..) | Fate::Survived)
}

fn attacks() -> impl Iterator<Item = &'static Attack> {
    table::all().filter(|attack| !is_a_death(attack))
}

/// A daemon whose workers are jailed so: keys of the configuration.
fn jailed_by(keys: &str) -> Server {
    // Less than an attack writes, which should not fill the machine's disk.
    server_with(&format!(
        "{keys}\n[limits]\nworker_disk_bytes = 268435456\n"
    ))
}

/// A daemon of that level.
fn jailed(level: &str) -> Server {
    jailed_by(&format!("sandbox = \"{level}\""))
}

#[test]
fn attacks_fail_as_the_table_says_where_the_jail_is_required() {
    hold(&LV2, &jailed("required"), attacks());
}

#[test]
fn attacks_fail_as_the_table_says_at_best_effort() {
    hold(&LV2, &jailed("best-effort"), attacks());
}

/// Landlock and seccomp alone, as where user namespaces are forbidden.
#[test]
fn attacks_fail_as_the_table_says_without_namespaces() {
    let server = jailed_by("sandbox = \"required\"\nno_namespaces = true");
    hold(&LV2, &server, attacks());
}

/// A layer that no report has would hold nothing, and nobody would notice.
#[test]
fn every_layer_of_the_table_is_reported() {
    let plugin = LV2.open(&jailed("best-effort"), "gain");
    let report = plugin.opened().sandbox.unwrap();
    for attack in table::all() {
        for layer in attack.fate.layers() {
            let known = report.layers.iter().any(|known| known.name == *layer);
            assert!(known, "{}: nobody reports {layer}", attack.name);
        }
    }
}

/// What is reported is denied as well.
#[test]
fn attacks_fail_as_the_table_says_in_every_mode() {
    for mode in ["report", "trace-files", "kill"] {
        let server = jailed_by(&format!(
            "sandbox = \"required\"\nsandbox_mode = \"{mode}\""
        ));
        hold(&LV2, &server, attacks());
    }
}

#[test]
fn attacks_by_a_vst2_plugin_fail_as_well() {
    hold(&VST2, &jailed("best-effort"), attacks());
}

#[test]
fn attacks_by_a_vst3_plugin_fail_as_well() {
    hold(&VST3, &jailed("best-effort"), attacks());
}

/// Without it, a failure in the jail would say nothing.
#[test]
fn the_same_attacks_succeed_without_a_jail() {
    let root = rustix::process::geteuid().is_root();
    let possible = |attack: &&Attack| match attack.unjailed {
        Unjailed::Succeeds => true,
        Unjailed::SucceedsAsRoot => root,
        Unjailed::Varies | Unjailed::Harmful => false,
    };
    hold(&LV2, &jailed("off"), attacks().filter(possible));
}

#[test]
fn every_way_to_die_is_named_and_hurts_nobody_else() {
    for format in [&LV2, &VST2, &VST3] {
        let server = server_with("[deadlines]\nblock_seconds = 0.7\n");
        hold(
            format,
            &server,
            table::all().filter(|attack| is_a_death(attack)),
        );
    }
}
