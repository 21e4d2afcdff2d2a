"""Makes the files of ``audio/``: one signal in the formats that plugpen reads, by other programs.

Needs ffmpeg, flac, lame and vorbis-tools from Debian. The signal is computed again by the tests:
5,000 frames (500 in the uncompressed ones) at 44.1 kHz, 16 bits, a sine of 441 Hz on the left and
one of 1,000 Hz on the right.
"""

import math
import pathlib
import struct
import subprocess
import tempfile
import wave

FOLDER = pathlib.Path(__file__).parent / "audio"
RATE = 44_100


def signal(path: pathlib.Path, frames: int) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        for frame in range(frames):
            turn = 2 * math.pi * frame / RATE
            left, right = math.sin(441 * turn) * 13_000, math.sin(1_000 * turn) * 10_000
            file.writeframesraw(struct.pack("<hh", round(left), round(right)))


def ffmpeg(source: pathlib.Path, name: str, *options: str) -> None:
    exact = ["-fflags", "+bitexact", "-flags", "+bitexact", "-map_metadata", "-1"]
    target = str(FOLDER / name)
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-i", str(source), *exact, *options, target], check=True
    )


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        long, short = pathlib.Path(folder) / "long.wav", pathlib.Path(folder) / "short.wav"
        signal(long, 5_000)
        signal(short, 500)
        run = subprocess.run
        run(["flac", "-s", "-f", "-8", "-o", FOLDER / "s16.flac", long], check=True)
        ffmpeg(long, "s24.flac", "-c:a", "flac", "-sample_fmt", "s32")
        ffmpeg(long, "alac.m4a", "-c:a", "alac")
        ffmpeg(long, "alac.caf", "-c:a", "alac")
        ffmpeg(long, "aac.m4a", "-c:a", "aac", "-b:a", "160k")
        ffmpeg(long, "aac.aac", "-c:a", "aac", "-b:a", "160k")
        run(["lame", "--quiet", "-V0", long, FOLDER / "vbr.mp3"], check=True)
        run(["lame", "--quiet", "--cbr", "-b", "128", long, FOLDER / "cbr.mp3"], check=True)
        ffmpeg(long, "plain.mp3", "-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0",
               "-id3v2_version", "0")  # fmt: skip
        run(["oggenc", "-Q", "-q", "6", "--serial", "1", "-o", FOLDER / "vorbis.ogg", long],
            check=True)  # fmt: skip
        for name, codec in {
            "u8.wav": "pcm_u8",
            "s16.wav": "pcm_s16le",
            "s24.wav": "pcm_s24le",
            "s32.wav": "pcm_s32le",
            "f32.wav": "pcm_f32le",
            "f64.wav": "pcm_f64le",
            "alaw.wav": "pcm_alaw",
            "mulaw.wav": "pcm_mulaw",
            "s16.aiff": "pcm_s16be",
            "s24.aiff": "pcm_s24be",
            "f32.aiff": "pcm_f32be",
            "s16.caf": "pcm_s16be",
            "f32.caf": "pcm_f32le",
            "s24.w64": "pcm_s24le",
        }.items():
            ffmpeg(short, name, "-c:a", codec)
        ffmpeg(short, "rf64.wav", "-c:a", "pcm_s16le", "-rf64", "always")
        ffmpeg(long, "adpcm-ms.wav", "-c:a", "adpcm_ms")
        ffmpeg(long, "adpcm-ima.wav", "-c:a", "adpcm_ima_wav")
        six = "pan=5.1|c0=c0|c1=c1|c2=c0|c3=c1|c4=c0|c5=c1"
        ffmpeg(short, "six.wav", "-c:a", "pcm_s24le", "-af", six)


if __name__ == "__main__":
    main()
