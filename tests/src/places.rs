//! Where the repository, the built programs and the test plugins are.
//!
//! `./dev test` says so in the environment. Under a plain `cargo test` the programs are built
//! here, once a process, so that no stale one is ever tested.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, ensure};

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("/"))
}

/// What tests play and are played by.
#[derive(Debug)]
pub struct Built {
    /// Holds `plugpend` and `plugpen-worker`.
    pub programs: PathBuf,
    /// The folder of the test plugins.
    pub plugins: PathBuf,
}

impl Built {
    /// The LV2 bundle of the test plugins.
    pub fn lv2(&self) -> PathBuf {
        self.plugins.join("plugpen-test.lv2")
    }

    /// Their VST3 bundle.
    pub fn vst3(&self) -> PathBuf {
        self.plugins.join("plugpen-test.vst3")
    }

    /// Their AudioUnit bundle, which brings a simulated AudioToolbox.
    pub fn component(&self) -> PathBuf {
        self.plugins.join("plugpen-test.component")
    }

    /// An AudioUnit bundle of several units that has to be registered first.
    pub fn several(&self) -> PathBuf {
        self.plugins.join("plugpen-several.component")
    }

    /// The plugin that is written in C++, by the name of its format in lower case.
    pub fn cpp(&self, format: &str) -> PathBuf {
        match format {
            "vst2" => self.plugins.join("vst2/plugpen-cpp.so"),
            _ => self.plugins.join(format!("plugpen-cpp.{format}")),
        }
    }

    /// The VST2 library of one of them, or of the shell.
    pub fn vst2(&self, name: &str) -> PathBuf {
        self.plugins.join(format!("vst2/plugpen-test-{name}.so"))
    }
}

/// The built programs; builds them if the environment doesn't name any.
///
/// # Errors
/// A failed build, or a named folder without the programs.
pub fn built() -> Result<&'static Built> {
    static BUILT: OnceLock<Result<Built, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| find().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|message| anyhow::anyhow!("{message}"))
}

fn find() -> Result<Built> {
    let named = |name| std::env::var_os(name).map(PathBuf::from);
    let built = match (named("PLUGPEN_BIN_DIR"), named("PLUGPEN_TEST_PLUGINS")) {
        (Some(programs), Some(plugins)) => Built { programs, plugins },
        _ => build()?,
    };
    for file in [
        built.programs.join("plugpend"),
        built.programs.join("plugpen-worker"),
        built.programs.join("plugpen-device"),
        built.programs.join("plugpen-autopsy"),
        built.lv2().join("libplugpen_test_plugins.so"),
        built.vst3().join("Contents/x86_64-linux/plugpen-test.so"),
        built.vst2("gain"),
        built.cpp("vst2"),
        built.component().join("Contents/Info.plist"),
    ] {
        ensure!(
            file.is_file(),
            "{} is missing: run ./dev build",
            file.display()
        );
    }
    Ok(built)
}

fn build() -> Result<Built> {
    // This program is in TARGET/PROFILE/deps.
    let own = std::env::current_exe()?;
    let programs = own.ancestors().nth(2).context("not run by cargo")?;
    let target = programs.parent().context("not run by cargo")?;
    let status = Command::new(repository().join("dev"))
        .arg("build")
        .env("CARGO_TARGET_DIR", target)
        .status()?;
    ensure!(status.success(), "./dev build failed");
    Ok(Built {
        programs: target.join("release"),
        plugins: target.join("test-plugins"),
    })
}

/// The LV2 bundle of an installed real plugin, such as `mda.lv2`. None where it isn't installed and
/// `PLUGPEN_REAL_PLUGINS` does not demand it.
///
/// # Panics
/// If it is demanded and isn't there.
pub fn real_bundle(name: &str) -> Option<PathBuf> {
    let bundle = Path::new("/usr/lib/lv2").join(name);
    let found = bundle.join("manifest.ttl").is_file();
    installed(bundle, found)
}

/// The VST3 bundle of an installed real plugin, such as `ZamDelay.vst3`. As [`real_bundle`].
///
/// # Panics
/// As there.
pub fn real_vst3(name: &str) -> Option<PathBuf> {
    let bundle = Path::new("/usr/lib/vst3").join(name);
    let found = bundle.join("Contents").is_dir();
    installed(bundle, found)
}

/// The file of an installed real VST2 plugin, such as `amsynth_vst.so`. As [`real_bundle`].
///
/// # Panics
/// As there.
pub fn real_vst2(name: &str) -> Option<PathBuf> {
    let file = Path::new("/usr/lib/vst").join(name);
    let found = file.is_file();
    installed(file, found)
}

fn installed(place: PathBuf, found: bool) -> Option<PathBuf> {
    assert!(
        found || std::env::var_os("PLUGPEN_REAL_PLUGINS").is_none(),
        "{} is not installed: run ./dev setup",
        place.display()
    );
    if !found {
        eprintln!("not tested: {} is not installed", place.display());
    }
    found.then_some(place)
}
