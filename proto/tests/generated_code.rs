//! The committed generated code is what the .proto files say.
//!
//! `PLUGPEN_REGENERATE=1 cargo test -p plugpen-proto --test generated_code` writes it anew.

use std::path::{Path, PathBuf};

use prost::Message as _;

fn proto_files(root: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for folder in ["plugpen/v1", "plugpen/worker/v1"] {
        for entry in std::fs::read_dir(root.join(folder)).expect("the proto folder is there") {
            let path = entry.expect("a readable folder").path();
            if path.extension().is_some_and(|e| e == "proto") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn generated_code_matches_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut compiler = protox::Compiler::new([root]).expect("the include folder is there");
    compiler.include_imports(true).include_source_info(true);
    compiler
        .open_files(proto_files(root))
        .expect("the .proto files compile");
    let with_comments = compiler.file_descriptor_set();

    let fresh = tempfile::tempdir().expect("a temporary folder");
    tonic_prost_build::configure()
        .out_dir(fresh.path())
        .client_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .server_mod_attribute(".", "#[cfg(feature = \"grpc\")]")
        .compile_fds(with_comments.clone())
        .expect("code generation");

    // Reflection needs no comments; without them the set is a third of the size.
    let mut bare = with_comments;
    for file in &mut bare.file {
        file.source_code_info = None;
    }
    std::fs::write(fresh.path().join("descriptors.bin"), bare.encode_to_vec())
        .expect("a writable temporary folder");

    let committed = root.join("src/gen");
    for name in ["plugpen.v1.rs", "plugpen.worker.v1.rs", "descriptors.bin"] {
        let wanted = std::fs::read(fresh.path().join(name)).expect("a generated file");
        if std::env::var_os("PLUGPEN_REGENERATE").is_some() {
            std::fs::write(committed.join(name), &wanted).expect("a writable source folder");
        }
        let found = std::fs::read(committed.join(name)).unwrap_or_default();
        assert!(
            found == wanted,
            "proto/src/gen/{name} is stale: run PLUGPEN_REGENERATE=1 cargo test -p plugpen-proto --test generated_code"
        );
    }
}
