// The villain as a VST2 plugin. The structure and the numbers are those of the interface, as far as
// they are used; tests/plugins/src/kit/vst2/abi.rs has more of them.
#include "villain.hpp"

#include <cstdint>
#include <cstring>

namespace {

struct Effect;
using Host = intptr_t (*)(Effect *, int32_t, int32_t, intptr_t, void *, float);
using Process = void (*)(Effect *, float **, float **, int32_t);

struct Effect {
    int32_t magic;
    intptr_t (*dispatcher)(Effect *, int32_t, int32_t, intptr_t, void *, float);
    Process process;
    void (*set_parameter)(Effect *, int32_t, float);
    float (*get_parameter)(Effect *, int32_t);
    int32_t programs, parameters, inputs, outputs, flags;
    intptr_t reserved[2];
    int32_t delay, real_qualities, off_qualities;
    float io_ratio;
    void *object, *user;
    int32_t unique_id, version;
    Process process_replacing;
    void *process_double_replacing;
    char future[56];
};

Villain *self(Effect *effect) { return static_cast<Villain *>(effect->object); }

intptr_t dispatcher(Effect *effect, int32_t opcode, int32_t, intptr_t, void *pointer, float) {
    static char chunk[] = "none";
    switch (opcode) {
    case 1: // close
        delete self(effect);
        delete effect;
        return 0;
    case 23: // the state as a chunk
        self(effect)->save();
        *static_cast<void **>(pointer) = chunk;
        return sizeof chunk;
    case 24:
        return 1;
    case 45: // its name
        std::strcpy(static_cast<char *>(pointer), "Test C++ Villain");
        return 1;
    case 58: // the interface's version
        return 2400;
    default:
        return 0;
    }
}

void process(Effect *effect, float **inputs, float **outputs, int32_t frames) {
    self(effect)->play(inputs[0], outputs[0], frames);
}

void set_parameter(Effect *effect, int32_t, float value) { self(effect)->set(value); }

float get_parameter(Effect *effect, int32_t) { return static_cast<float>(self(effect)->value()); }

} // namespace

extern "C" __attribute__((visibility("default"))) Effect *VSTPluginMain(Host host) {
    if (host == nullptr) {
        return nullptr;
    }
    auto *effect = new Effect{};
    effect->magic = ('V' << 24) | ('s' << 16) | ('t' << 8) | 'P';
    effect->dispatcher = dispatcher;
    effect->process = process;
    effect->set_parameter = set_parameter;
    effect->get_parameter = get_parameter;
    effect->parameters = effect->inputs = effect->outputs = 1;
    effect->flags = (1 << 4) | (1 << 5); // replaces, and has chunks
    effect->io_ratio = 1;
    effect->object = new Villain;
    effect->unique_id = 0x43707056;
    effect->version = 1;
    effect->process_replacing = process;
    return effect;
}
