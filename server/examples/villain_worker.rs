//! A worker that misbehaves in the way the name of its bundle says. The daemon's tests run it in
//! place of the real one; it needs no plugin and no jail.
#![forbid(unsafe_code)]

use std::fs::File;
use std::io::{Read, Write};
use std::process::{abort, exit};

use plugpen_proto::VERSION;
use plugpen_proto::framing::{self, Assembler};
use plugpen_proto::v1::*;
use plugpen_proto::worker::to_worker::Call;
use plugpen_proto::worker::{
    CallError, Event, FromWorker, Hello, Loaded, Pong, Probed, RingsAttached, StageAttached,
    ToWorker, event, from_worker::Body,
};

/// Bytes of the state it claims to have.
const STATE_BYTES: usize = 1_000_000;
/// Parameters it claims to have.
const PARAMETERS: u32 = 1000;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    // What a test tells all villains: a file beside the private directories.
    let home = std::env::var_os("HOME").map(std::path::PathBuf::from);
    let switch = home.map(|home| home.join("../../villain"));
    let switch = switch.and_then(|path| std::fs::read_to_string(path).ok());
    let told = |word: &str| {
        let mut words = arguments.iter().chain(&switch);
        words.any(|argument| argument.contains(word))
    };
    let mut control = File::from(plugpen_warden::inherited(3)?);
    if told("mute") {
        hang();
    }
    if told("noisy") {
        println!("a villain clears its throat");
        eprintln!("and spits");
    }
    if told("stillborn") {
        eprintln!("cannot go on");
        exit(3);
    }
    let version = if told("outdated") { "0.0.0" } else { VERSION };
    let hello = Hello {
        version: version.into(),
        sandbox: Some(SandboxReport::default()),
    };
    send(&mut control, 0, Body::Hello(hello))?;
    let mut assembler = Assembler::new();
    let mut piece = vec![0; 64 * 1024];
    loop {
        let count = control.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        assembler.push(&piece[..count]);
        while let Some(message) = assembler
            .next_message::<ToWorker>()
            .map_err(std::io::Error::other)?
        {
            if let Some(call) = message.call {
                answer(&mut control, message.id, call)?;
            }
        }
    }
}

fn send(control: &mut File, id: u64, body: Body) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    let message = FromWorker {
        id,
        body: Some(body),
    };
    framing::encode(&message, &mut bytes).map_err(std::io::Error::other)?;
    control.write_all(&bytes)
}

fn hang() -> ! {
    loop {
        std::thread::park();
    }
}

fn answer(control: &mut File, id: u64, call: Call) -> std::io::Result<()> {
    let body = match call {
        Call::Load(load) => misbehave(control, &load.bundle)?.unwrap_or(Body::Load(Loaded {
            plugin: Some(plugin(&load.bundle)),
        })),
        Call::Probe(probe) => {
            let mut probed = Probed::default();
            for path in &probe.paths {
                if let Some(body) = misbehave(control, path)? {
                    return send(control, id, body);
                }
                probed.plugins.push(description(path));
            }
            Body::Probe(probed)
        }
        // As a device it plays nothing, and dies of being stopped.
        Call::OpenDevice(_) => Body::OpenDevice(OpenDeviceResponse {
            device: Some(DeviceStatus::default()),
        }),
        Call::AttachStage(_) => Body::AttachStage(StageAttached {}),
        Call::OpenMidiIn(_) => Body::OpenMidiIn(OpenMidiInResponse::default()),
        Call::StartDevice(_) => Body::StartDevice(StartDeviceResponse {}),
        Call::StopDevice(_) => abort(),
        Call::SetDeviceMix(_) => Body::SetDeviceMix(SetDeviceMixResponse {}),
        Call::AttachRings(_) => Body::AttachRings(RingsAttached::default()),
        Call::Ping(_) => Body::Ping(Pong {}),
        Call::GetParameter(request) => {
            match request.index {
                0 => {}
                1 => abort(),
                2 => hang(),
                _ => exit(4),
            }
            Body::GetParameter(GetParameterResponse { value: 0.5 })
        }
        // As many changes as the value says, of all parameters in turn, and one that it may not
        // make.
        Call::SetParameter(request) => {
            for number in 0..request.index {
                change(control, number % PARAMETERS, f64::from(number) / 1e6)?;
            }
            change(control, PARAMETERS, 0.5)?;
            change(control, 0, f64::NAN)?;
            Body::SetParameter(SetParameterResponse { value: 0.5 })
        }
        Call::GetState(_) => Body::GetState(GetStateResponse {
            data: vec![7; STATE_BYTES],
        }),
        Call::SetState(request) => {
            println!("{} bytes of state", request.data.len());
            Body::SetState(SetStateResponse {})
        }
        Call::GetTiming(_) => Body::Ping(Pong {}),
        Call::ListPrograms(_) => Body::ListPrograms(ListProgramsResponse {
            names: (0..250).map(|n| format!("program {n}")).collect(),
            ..Default::default()
        }),
        call => Body::Error(CallError {
            reason: ErrorReason::PluginCrashed.into(),
            message: format!("a villain does not {}", call.name()),
        }),
    };
    send(control, id, body)
}

fn change(control: &mut File, index: u32, value: f64) -> std::io::Result<()> {
    let change = ParameterChanged {
        index,
        value,
        by_host: false,
    };
    let event = Event {
        event: Some(event::Event::ParameterChanged(change)),
    };
    send(control, 0, Body::Event(event))
}

/// What the bundle's name asks for, if it is not an answer.
fn misbehave(control: &mut File, bundle: &str) -> std::io::Result<Option<Body>> {
    let name = std::path::Path::new(bundle).file_stem();
    match name.and_then(|name| name.to_str()).unwrap_or_default() {
        "crash" => abort(),
        "exit" => exit(5),
        "hang" => hang(),
        "noise" => {
            control.write_all(&[0xff; 64])?;
            hang();
        }
        "confused" => Ok(Some(Body::Ping(Pong {}))),
        "refuse" => Ok(Some(Body::Error(CallError {
            reason: ErrorReason::PluginRefused.into(),
            message: "it does not like you".into(),
        }))),
        "leak" => {
            std::thread::spawn(leak);
            Ok(None)
        }
        "threads" => {
            (0..32).for_each(|_| drop(std::thread::spawn(|| hang())));
            Ok(None)
        }
        "disk" => {
            let home = std::env::var_os("HOME").unwrap_or_default();
            let path = std::path::Path::new(&home).join("hoard");
            std::fs::write(path, vec![7; 2 << 20])?;
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// Keeps 10 MiB more each second.
fn leak() {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(vec![7; 1 << 20]);
        std::thread::park_timeout(std::time::Duration::from_millis(100));
    }
}

fn plugin(bundle: &str) -> OpenedPlugin {
    let channels = if bundle.contains("wide") { u32::MAX } else { 2 };
    OpenedPlugin {
        handle: "stolen".into(),
        worker_pid: 1,
        description: Some(description(bundle)),
        num_input_channels: channels,
        num_output_channels: 2,
        num_parameters: PARAMETERS,
        ..OpenedPlugin::default()
    }
}

fn description(path: &str) -> PluginDescription {
    PluginDescription {
        name: "Villain".into(),
        format: PluginFormat::Lv2.into(),
        path: path.into(),
        // Who read it, for tests that care.
        vendor: std::process::id().to_string(),
        identifier: format!("urn:villain:{path}"),
        ..PluginDescription::default()
    }
}
