//! Files that come in and go out, one or many.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use plugpen::Error;
use plugpen::engine::AudioFormat;
use plugpen::v1::ErrorReason;

use crate::output::{Failure, check_new};

/// The files that texts name: files, or patterns like `in/*.wav` that the shell has left alone.
///
/// # Errors
/// `NotFound` for a pattern that nothing matches, `InvalidInput` for one that is none.
pub fn expand(texts: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let mut files = Vec::new();
    for text in texts {
        let is_pattern = text.contains(['*', '?', '[']) && !Path::new(text).exists();
        if !is_pattern {
            files.push(text.into());
            continue;
        }
        let options = glob::MatchOptions {
            // As shells do it: other programs' hidden files are none of ours.
            require_literal_leading_dot: true,
            ..glob::MatchOptions::default()
        };
        let matches = glob::glob_with(text, options)
            .map_err(|error| Error::invalid(format!("the pattern {text:?}: {error}")))?;
        let before = files.len();
        files.extend(matches.flatten().filter(|path| path.is_file()));
        if files.len() == before {
            let message = format!("no file matches the pattern {text:?}");
            return Err(Failure::Client(Error::new(ErrorReason::NotFound, message)));
        }
    }
    Ok(files)
}

/// Where results go.
#[derive(Debug, Clone)]
pub struct Output {
    path: PathBuf,
    is_folder: bool,
}

impl Output {
    /// A folder where it is one, is written like one (`out/`) or has to take several files;
    /// else a file. The folder is made if need be.
    ///
    /// # Errors
    /// Several files are to go into what is a file; the folder cannot be made.
    pub fn new(path: &Path, is_for_several: bool) -> Result<Output, Failure> {
        let is_written_so = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        let is_folder = path.is_dir() || is_written_so || is_for_several;
        let is_named_so = AudioFormat::of(path).is_ok() && !path.is_dir() && !is_written_so;
        if is_folder && (path.is_file() || is_named_so) {
            return Err(Failure::Usage(format!(
                "several files are to be written and {} is the name of one; give a folder with --output",
                path.display()
            )));
        }
        if is_folder {
            std::fs::create_dir_all(path).map_err(|error| Failure::file(path, &error))?;
        }
        Ok(Output {
            path: path.into(),
            is_folder,
        })
    }

    /// The file for a result that is called so within a folder.
    pub fn file(&self, name: &str) -> PathBuf {
        match self.is_folder {
            true => self.path.join(name),
            false => self.path.clone(),
        }
    }

    /// The file for what is made of another: with its name, as WAV unless it is FLAC.
    pub fn file_for(&self, input: &Path) -> PathBuf {
        let ending = input.extension().and_then(|ending| ending.to_str());
        let ending = match ending.map(str::to_ascii_lowercase).as_deref() {
            Some("flac") => "flac",
            _ => "wav",
        };
        let stem = input.file_stem().unwrap_or_default().to_string_lossy();
        self.file(&format!("{stem}.{ending}"))
    }
}

/// That all results can be written, before the first of them is made.
///
/// # Errors
/// Two have one name; one is there already and must not be overwritten.
pub fn check_all<'a>(
    files: impl Iterator<Item = &'a Path>,
    overwrite: bool,
) -> Result<(), Failure> {
    let mut seen = HashSet::new();
    for file in files {
        if !seen.insert(file) {
            return Err(Failure::Usage(format!(
                "two results would be called {}; render them one by one, or into several folders",
                file.display()
            )));
        }
        check_new(file, overwrite)?;
    }
    Ok(())
}

/// A text as a part of a file's name.
pub fn file_name(text: &str) -> String {
    let allowed = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
    let name: String = text
        .chars()
        .map(|c| if allowed(c) { c } else { '_' })
        .take(60)
        .collect();
    name.trim_matches([' ', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_expanded_and_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.wav", "a.wav", "c.mid", "[x].wav", "._a.wav"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let names = |texts: &[String]| -> Vec<String> {
            let files = expand(texts).unwrap();
            let name = |file: PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
            files.into_iter().map(name).collect()
        };
        assert_eq!(names(&[path("?.wav")]), ["a.wav", "b.wav"]);
        assert_eq!(names(&[path("*a.wav")]), ["a.wav"]);
        assert_eq!(
            names(&[path("[x].wav"), path("no.wav")]),
            ["[x].wav", "no.wav"]
        );
        let error = expand(&[path("*.flac")]).unwrap_err();
        assert_eq!(error.code(), 3, "{error}");
    }

    #[test]
    fn results_go_into_a_file_or_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out");
        let file = Output::new(&out.with_extension("wav"), false).unwrap();
        assert_eq!(
            file.file_for(Path::new("a/x.mp3")),
            out.with_extension("wav")
        );
        let into = Output::new(&out, true).unwrap();
        assert_eq!(into.file_for(Path::new("a/x.mp3")), out.join("x.wav"));
        assert_eq!(into.file_for(Path::new("x.FLAC")), out.join("x.flac"));
        assert!(out.is_dir());
        std::fs::write(out.join("x.wav"), "").unwrap();
        assert_eq!(Output::new(&out.join("x.wav"), true).unwrap_err().code(), 2);
        let named = Output::new(&folder.path().join("new.wav"), true).unwrap_err();
        assert_eq!(named.code(), 2);
        assert!(!folder.path().join("new.wav").exists());
        let both = [Path::new("a"), Path::new("a")];
        assert_eq!(check_all(both.into_iter(), true).unwrap_err().code(), 2);
    }

    #[test]
    fn names_of_programs_are_safe_as_names_of_files() {
        assert_eq!(file_name("../Über / Pad"), "_Über _ Pad");
        assert_eq!(file_name(" . "), "");
    }
}
