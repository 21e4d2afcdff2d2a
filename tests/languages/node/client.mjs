// A plugpen client for Node: lists plugins, opens one, sets a parameter, streams audio through
// it, hears its events, and survives its death. It reads the .proto files when it runs.
//
//     node client.mjs unix:/run/user/1000/plugpen/plugpend.sock --token-file .../token --proto proto
//     node client.mjs box:7380 --token-file token --ca ca.pem --proto proto

import fs from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import grpc from "@grpc/grpc-js";
import loader from "@grpc/proto-loader";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    "token-file": { type: "string" },
    ca: { type: "string" },
    plugin: { type: "string", default: "/usr/lib/lv2/MVerb.lv2" },
    proto: { type: "string", default: "proto" },
  },
});
const [target] = positionals;
const token = fs.readFileSync(values["token-file"], "utf8").trim();
const services = ["server", "discovery", "plugins", "parameters", "audio", "events"];
const definition = loader.loadSync(
  services.map((name) => `plugpen/v1/${name}.proto`),
  { includeDirs: [values.proto], enums: String, longs: Number, defaults: true, oneofs: true },
);
const { v1 } = grpc.loadPackageDefinition(definition).plugpen;

const credentials = values.ca
  ? grpc.credentials.createSsl(fs.readFileSync(values.ca))
  : grpc.credentials.createInsecure();
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token}`);

/** A service whose calls are promises. */
function service(Service) {
  const client = new Service(target, credentials);
  const call = (name) => (request) =>
    new Promise((done, failed) => {
      const deadline = Date.now() + 60_000;
      client[name](request, metadata, { deadline }, (error, answer) => (error ? failed(error) : done(answer)));
    });
  return { client, call };
}
const server = service(v1.ServerService);
const discovery = service(v1.DiscoveryService);
const plugins = service(v1.PluginService);
const parameters = service(v1.ParameterService);
const audio = service(v1.AudioService);
const events = service(v1.EventService);

const [RATE, BLOCK, BLOCKS] = [48_000, 512, 64];

/** Two channels of a sine, little-endian 32-bit, one channel after another. */
function sineBlocks() {
  return Array.from({ length: BLOCKS }, (_, block) => {
    const samples = Buffer.alloc(2 * BLOCK * 4);
    for (let frame = 0; frame < BLOCK; frame++) {
      const value = 0.5 * Math.sin((2 * Math.PI * 440 * (block * BLOCK + frame)) / RATE);
      samples.writeFloatLE(value, frame * 4);
      samples.writeFloatLE(value, (BLOCK + frame) * 4);
    }
    return { frames: BLOCK, samples };
  });
}

/** Streams blocks through a plugin and adds up the squares of what comes back. */
function energy(handle, blocks) {
  return new Promise((done, failed) => {
    const stream = audio.client.StreamAudio(metadata);
    let total = 0;
    stream.on("data", (answer) => {
      for (const { samples } of answer.blocks) {
        for (let at = 0; at < samples.length; at += 4) total += samples.readFloatLE(at) ** 2;
      }
    });
    stream.on("end", () => done(total));
    stream.on("error", failed);
    stream.write({ handle });
    for (let start = 0; start < blocks.length; start += 8) stream.write({ blocks: blocks.slice(start, start + 8) });
    stream.end();
  });
}

/** All plugins below a folder; what could not be read is a result too. */
function scan(folder) {
  return new Promise((done, failed) => {
    const names = [];
    const found = discovery.client.ScanPlugins({ directories: [folder] }, metadata);
    found.on("data", (item) => item.result === "plugin" && names.push(item.plugin.name));
    found.on("end", () => done(names));
    found.on("error", failed);
  });
}

const session = await server.call("OpenSession")({ clientName: "client.mjs", protocolMajor: 1 });
metadata.set("plugpen-session", session.sessionId);
const names = await scan(path.dirname(values.plugin));
const { plugin } = await plugins.call("OpenPlugin")({
  options: {
    path: values.plugin,
    sampleRate: RATE,
    maxBlockSize: BLOCK,
    inChannels: 2,
    outChannels: 2,
    audioPath: "AUDIO_PATH_STREAM",
  },
});
const { handle } = plugin;
const kinds = [];
const watching = events.client.WatchEvents({}, metadata);
const died = new Promise((done) => {
  watching.on("data", ({ event }) => {
    kinds.push(event);
    if (event === "died") done();
  });
});
watching.on("error", () => {});
const listing = await parameters.call("ListParameters")({ handle });
const [first] = listing.parameters;
await parameters.call("SetParameter")({ handle, index: first.index, value: 0.25 });
const before = await energy(handle, sineBlocks());

// The plugin dies, here because it is killed. What is running fails with a reason, and the event
// stream tells of it.
await plugins.call("KillPlugin")({ handle });
let said = "nothing";
try {
  await energy(handle, sineBlocks());
} catch (error) {
  said = grpc.status[error.code];
}
await died;

// A fresh worker, and it plays as before once it is told its parameter again.
await plugins.call("RestartPlugin")({ handle });
await parameters.call("SetParameter")({ handle, index: first.index, value: 0.25 });
const after = await energy(handle, sineBlocks());
await plugins.call("ClosePlugin")({ handle });
watching.cancel();
await server.call("CloseSession")({});
console.log(
  JSON.stringify({
    plugins: names,
    plugin: plugin.description.name,
    parameter: first.name,
    energy: before,
    said,
    events: kinds,
    energy_after_restart: after,
  }),
);
process.exit(0);
