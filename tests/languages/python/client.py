"""A plugpen client of nothing but grpcio: the template for other languages.

Lists plugins, opens one, sets a parameter, streams audio through it, hears its events, and
survives its death. Run it as

    python client.py unix:/run/user/1000/plugpen/plugpend.sock --token-file .../token
    python client.py box:7380 --token-file token --ca ca.pem

with the generated modules on the path:

    python -m grpc_tools.protoc -I proto --python_out=gen --grpc_python_out=gen \\
        proto/plugpen/v1/*.proto
"""

import argparse
import array
import json
import math
import pathlib
import queue
import sys
import threading
from collections.abc import Iterator

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from plugpen.v1 import (
    audio_pb2,
    audio_pb2_grpc,
    common_pb2,
    discovery_pb2,
    discovery_pb2_grpc,
    events_pb2,
    events_pb2_grpc,
    parameters_pb2,
    parameters_pb2_grpc,
    plugins_pb2,
    plugins_pb2_grpc,
    server_pb2,
    server_pb2_grpc,
)

RATE, BLOCK, BLOCKS = 48000.0, 512, 64


def connect(target: str, ca: str | None) -> grpc.Channel:
    """A channel to a daemon: a Unix socket, TCP with TLS, or (loopback only) TCP in the clear."""
    if target.startswith("unix:"):
        # The C core sends the socket's path as the authority, which no HTTP/2 server takes.
        return grpc.insecure_channel(target, options=[("grpc.default_authority", "localhost")])
    if ca is None:
        return grpc.insecure_channel(target)
    credentials = grpc.ssl_channel_credentials(pathlib.Path(ca).read_bytes())
    return grpc.secure_channel(target, credentials)


def reason(error: grpc.RpcError) -> str:
    """The stable name of what went wrong, e.g. PLUGIN_CRASHED."""
    status = rpc_status.from_call(error)
    for detail in status.details if status else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return info.reason
    return error.code().name


class Client:
    """A session: the token and the session's id go with every call."""

    def __init__(self, channel: grpc.Channel, token: str) -> None:
        self.metadata = [("authorization", f"Bearer {token}")]
        self.servers = server_pb2_grpc.ServerServiceStub(channel)
        self.discovery = discovery_pb2_grpc.DiscoveryServiceStub(channel)
        self.plugins = plugins_pb2_grpc.PluginServiceStub(channel)
        self.parameters = parameters_pb2_grpc.ParameterServiceStub(channel)
        self.audio = audio_pb2_grpc.AudioServiceStub(channel)
        self.events = events_pb2_grpc.EventServiceStub(channel)
        session = self.servers.OpenSession(
            server_pb2.OpenSessionRequest(client_name="client.py", protocol_major=1),
            metadata=self.metadata,
            timeout=10,
        )
        self.metadata.append(("plugpen-session", session.session_id))

    def scan(self, folder: str) -> list[common_pb2.PluginDescription]:
        """All plugins below a folder; what could not be read is a result too."""
        request = discovery_pb2.ScanPluginsRequest(directories=[folder])
        found = self.discovery.ScanPlugins(request, metadata=self.metadata)
        return [item.plugin for item in found if item.WhichOneof("result") == "plugin"]

    def open(self, path: str) -> plugins_pb2.OpenedPlugin:
        options = plugins_pb2.OpenOptions(
            path=path,
            sample_rate=RATE,
            max_block_size=BLOCK,
            in_channels=2,
            out_channels=2,
            audio_path=plugins_pb2.AUDIO_PATH_STREAM,
        )
        request = plugins_pb2.OpenPluginRequest(options=options)
        return self.plugins.OpenPlugin(request, metadata=self.metadata, timeout=60).plugin

    def watch(self) -> queue.Queue:
        """The session's events, as they come; a thread reads them."""
        heard: queue.Queue = queue.Queue()
        stream = self.events.WatchEvents(events_pb2.WatchEventsRequest(), metadata=self.metadata)

        def read() -> None:
            try:
                for event in stream:
                    heard.put(event)
            except grpc.RpcError:
                heard.put(None)

        threading.Thread(target=read, daemon=True).start()
        return heard

    def stream(
        self, handle: str, blocks: list[audio_pb2.InputBlock]
    ) -> Iterator[audio_pb2.OutputBlock]:
        """Blocks through a plugin. Many travel at once; the answers come in order."""

        def requests() -> Iterator[audio_pb2.StreamAudioRequest]:
            yield audio_pb2.StreamAudioRequest(handle=handle)
            for start in range(0, len(blocks), 8):
                yield audio_pb2.StreamAudioRequest(blocks=blocks[start : start + 8])

        for answer in self.audio.StreamAudio(requests(), metadata=self.metadata):
            yield from answer.blocks


def sine_blocks() -> list[audio_pb2.InputBlock]:
    """Two channels of a sine, little-endian 32-bit, one channel after another."""
    blocks = []
    for block in range(BLOCKS):
        frames = range(block * BLOCK, (block + 1) * BLOCK)
        channel = array.array("f", (0.5 * math.sin(2 * math.pi * 440 * n / RATE) for n in frames))
        if sys.byteorder == "big":
            channel.byteswap()
        blocks.append(audio_pb2.InputBlock(frames=BLOCK, samples=channel.tobytes() * 2))
    return blocks


def energy(blocks: Iterator[audio_pb2.OutputBlock]) -> float:
    total = 0.0
    for block in blocks:
        samples = array.array("f", block.samples)
        total += sum(sample * sample for sample in samples)
    return total


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("target")
    parser.add_argument("--token-file", type=pathlib.Path, required=True)
    parser.add_argument("--ca")
    parser.add_argument("--plugin", default="/usr/lib/lv2/MVerb.lv2")
    arguments = parser.parse_args()
    token = arguments.token_file.read_text().strip()

    with connect(arguments.target, arguments.ca) as channel:
        client = Client(channel, token)
        names = [plugin.name for plugin in client.scan(str(pathlib.Path(arguments.plugin).parent))]
        plugin = client.open(arguments.plugin)
        heard = client.watch()
        listing = client.parameters.ListParameters(
            parameters_pb2.ListParametersRequest(handle=plugin.handle), metadata=client.metadata
        )
        first = listing.parameters[0]
        client.parameters.SetParameter(
            parameters_pb2.SetParameterRequest(handle=plugin.handle, index=first.index, value=0.25),
            metadata=client.metadata,
        )
        before = energy(client.stream(plugin.handle, sine_blocks()))

        # The plugin dies, here because it is killed. What was running fails with a reason, and
        # the event stream tells of it.
        client.plugins.KillPlugin(
            plugins_pb2.KillPluginRequest(handle=plugin.handle), metadata=client.metadata
        )
        try:
            energy(client.stream(plugin.handle, sine_blocks()))
            said = "nothing"
        except grpc.RpcError as error:
            said = reason(error)
        kinds = []
        while "died" not in kinds:
            event = heard.get(timeout=10)
            kinds.append(event.WhichOneof("event") if event else "gone")

        # A fresh worker, and it plays as before once it is told its parameter again.
        client.plugins.RestartPlugin(
            plugins_pb2.RestartPluginRequest(handle=plugin.handle),
            metadata=client.metadata,
            timeout=60,
        )
        client.parameters.SetParameter(
            parameters_pb2.SetParameterRequest(handle=plugin.handle, index=first.index, value=0.25),
            metadata=client.metadata,
        )
        after = energy(client.stream(plugin.handle, sine_blocks()))
        client.plugins.ClosePlugin(
            plugins_pb2.ClosePluginRequest(handle=plugin.handle), metadata=client.metadata
        )
        client.servers.CloseSession(server_pb2.CloseSessionRequest(), metadata=client.metadata)

    told = {
        "plugins": names,
        "plugin": plugin.description.name,
        "parameter": first.name,
        "energy": before,
        "said": said,
        "events": kinds,
        "energy_after_restart": after,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
