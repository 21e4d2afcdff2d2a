// The villain as an LV2 plugin: ports in, out and deed. The structures are those of LV2's core and
// state interfaces, as far as they are used.
#include "villain.hpp"

#include <cstdint>
#include <cstring>

namespace {

struct Feature;

struct Descriptor {
    const char *uri;
    void *(*instantiate)(const Descriptor *, double, const char *, const Feature *const *);
    void (*connect_port)(void *, uint32_t, void *);
    void (*activate)(void *);
    void (*run)(void *, uint32_t);
    void (*deactivate)(void *);
    void (*cleanup)(void *);
    const void *(*extension_data)(const char *);
};

struct State {
    int (*save)(void *, void *, void *, uint32_t, const Feature *const *);
    int (*restore)(void *, void *, void *, uint32_t, const Feature *const *);
};

struct Instance {
    Villain villain;
    void *ports[3] = {};
};

Instance *self(void *handle) { return static_cast<Instance *>(handle); }

void *instantiate(const Descriptor *, double, const char *, const Feature *const *) { return new Instance; }

void connect_port(void *handle, uint32_t port, void *data) {
    if (port < 3) {
        self(handle)->ports[port] = data;
    }
}

void nothing(void *) {}

void run(void *handle, uint32_t frames) {
    auto &ports = self(handle)->ports;
    self(handle)->villain.set(*static_cast<float *>(ports[2]));
    self(handle)->villain.play(static_cast<float *>(ports[0]), static_cast<float *>(ports[1]), static_cast<int>(frames));
}

void cleanup(void *handle) { delete self(handle); }

int save(void *handle, void *, void *, uint32_t, const Feature *const *) {
    self(handle)->villain.save();
    return 0;
}

int restore(void *, void *, void *, uint32_t, const Feature *const *) { return 0; }

const State state = {save, restore};

const void *extension_data(const char *uri) {
    return std::strcmp(uri, "http://lv2plug.in/ns/ext/state#interface") == 0 ? &state : nullptr;
}

const Descriptor descriptor = {
    "urn:plugpen:test:cpp-villain", instantiate, connect_port, nothing, run, nothing, cleanup, extension_data,
};

} // namespace

extern "C" __attribute__((visibility("default"))) const Descriptor *lv2_descriptor(uint32_t index) {
    return index == 0 ? &descriptor : nullptr;
}
