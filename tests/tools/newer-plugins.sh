#!/usr/bin/env bash
# newer-plugins.sh DEST WORKER: the VST3 plugins of the next Debian release, unpacked below DEST,
# and a copy of the worker that can load them.
#
# Changes nothing on the system: a private apt state, `apt-get download`, `dpkg -x`. The plugins
# were linked against a newer C library than this system may have, so that is unpacked as well and
# the worker's copy, DEST/plugpen-worker, is patched to run on it. A second run takes what is there.
#
#   plugpend --worker DEST/plugpen-worker --read-only DEST
#   sweep.py --worker DEST/plugpen-worker --read-only DEST --folder DEST/plugins/usr/lib/vst3
set -euo pipefail
[ $# = 2 ] || {
    sed -n '2s/^# //p' "$0" >&2
    exit 64
}
mkdir -p "$1"
dest=$(readlink -f "$1") worker=$(readlink -f "$2")
suite=${PLUGPEN_NEWER_SUITE:-trixie}
plugins=(vst3sdk-plugins lsp-plugins-vst3 lsp-plugins-r3d-glx dpf-plugins-vst3 dragonfly-reverb-vst3 zam-plugins)
runtime=(libc6 libstdc++6 libgcc-s1)

fetch() {
    local mirror apt=$dest/apt options deb
    # The mirror this system uses. $(SITE) is apt's to expand.
    # shellcheck disable=SC2016
    mirror=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | grep -m1 '/debian$') || {
        echo "newer-plugins.sh: no Debian mirror in apt's sources" >&2
        return 1
    }
    mkdir -p "$apt"/{lists/partial,cache/archives/partial,none} "$dest"/{deb,runtime,plugins}
    : >"$apt/status"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$apt/sources.list"
    options=(-qq -o "Dir::Etc::sourcelist=$apt/sources.list" -o "Dir::Etc::sourceparts=$apt/none"
        -o "Dir::State::Lists=$apt/lists" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt/cache"
        -o APT::Sandbox::User=root -o Acquire::Languages=none)
    apt-get "${options[@]}" update
    (cd "$dest/deb" && apt-get "${options[@]}" download "${runtime[@]}" "${plugins[@]}")
    for deb in "$dest"/deb/*.deb; do
        case ${deb##*/} in
            libc6_* | libstdc++6_* | libgcc-s1_*) dpkg -x "$deb" "$dest/runtime" ;;
            *) dpkg -x "$deb" "$dest/plugins" ;;
        esac
    done
    rm -rf "$apt" "$dest/deb"
    touch "$dest/.fetched"
}

[ -e "$dest/.fetched" ] || fetch
library=$dest/runtime/usr/lib/x86_64-linux-gnu
cp "$worker" "$dest/.worker.new"
"${PATCHELF:-patchelf}" --set-interpreter "$dest/runtime/usr/lib64/ld-linux-x86-64.so.2" --force-rpath \
    --set-rpath "$library:/usr/lib/x86_64-linux-gnu" "$dest/.worker.new"
mv "$dest/.worker.new" "$dest/plugpen-worker"
echo "$(find "$dest/plugins/usr/lib/vst3" -name '*.vst3' -prune | wc -l) VST3 modules in $dest/plugins/usr/lib/vst3" >&2
