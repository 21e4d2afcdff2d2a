// The villain as a VST3 plugin: component, processor and controller in one object. The interfaces
// are those of VST3, in the order of their methods; what is not used has no type.
#include "villain.hpp"

#include <cstdint>
#include <cstring>

namespace {

using Id = char[16];
using Result = int32_t;
constexpr Result ok = 0, no = 1, no_interface = -1;

constexpr void id(char *to, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    const uint32_t words[] = {a, b, c, d};
    for (int at = 0; at < 16; ++at) {
        to[at] = static_cast<char>(words[at / 4] >> (24 - at % 4 * 8));
    }
}

bool is(const char *wanted, uint32_t a, uint32_t b, uint32_t c, uint32_t d) {
    Id known;
    id(known, a, b, c, d);
    return std::memcmp(wanted, known, 16) == 0;
}

struct Unknown {
    virtual Result queryInterface(const Id id, void **object) = 0;
    virtual uint32_t addRef() = 0;
    virtual uint32_t release() = 0;
};

struct Base : Unknown {
    virtual Result initialize(Unknown *) = 0;
    virtual Result terminate() = 0;
};

struct BusInfo {
    int32_t media, direction, channels;
    char16_t name[128];
    int32_t type;
    uint32_t flags;
};

struct Component : Base {
    virtual Result getControllerClassId(Id) = 0;
    virtual Result setIoMode(int32_t) = 0;
    virtual int32_t getBusCount(int32_t media, int32_t direction) = 0;
    virtual Result getBusInfo(int32_t media, int32_t direction, int32_t index, BusInfo &info) = 0;
    virtual Result getRoutingInfo(void *, void *) = 0;
    virtual Result activateBus(int32_t, int32_t, int32_t, uint8_t) = 0;
    virtual Result setActive(uint8_t) = 0;
    virtual Result setState(void *) = 0;
    virtual Result getState(void *) = 0;
};

struct Buffers {
    int32_t channels;
    uint64_t silence;
    float **data;
};

struct Data {
    int32_t mode, sample_size, frames, inputs, outputs;
    Buffers *in, *out;
};

struct Processor : Unknown {
    virtual Result setBusArrangements(uint64_t *, int32_t, uint64_t *, int32_t) = 0;
    virtual Result getBusArrangement(int32_t, int32_t, uint64_t &) = 0;
    virtual Result canProcessSampleSize(int32_t) = 0;
    virtual uint32_t getLatencySamples() = 0;
    virtual Result setupProcessing(void *) = 0;
    virtual Result setProcessing(uint8_t) = 0;
    virtual Result process(Data &) = 0;
    virtual uint32_t getTailSamples() = 0;
};

struct ParameterInfo {
    uint32_t id;
    char16_t title[128], short_title[128], units[128];
    int32_t steps;
    double normal;
    int32_t unit, flags;
};

struct Controller : Base {
    virtual Result setComponentState(void *) = 0;
    virtual Result setState(void *) = 0;
    virtual Result getState(void *) = 0;
    virtual int32_t getParameterCount() = 0;
    virtual Result getParameterInfo(int32_t, ParameterInfo &) = 0;
    virtual Result getParamStringByValue(uint32_t, double, char16_t *) = 0;
    virtual Result getParamValueByString(uint32_t, char16_t *, double &) = 0;
    virtual double normalizedParamToPlain(uint32_t, double) = 0;
    virtual double plainParamToNormalized(uint32_t, double) = 0;
    virtual double getParamNormalized(uint32_t) = 0;
    virtual Result setParamNormalized(uint32_t, double) = 0;
    virtual Result setComponentHandler(void *) = 0;
    virtual void *createView(const char *) = 0;
};

void name(char16_t *to, const char *from) {
    while ((*to++ = static_cast<char16_t>(*from++)) != 0) {
    }
}

class Plugin final : public Component, public Processor, public Controller {
  public:
    Result queryInterface(const Id wanted, void **object) override {
        if (is(wanted, 0, 0, 0xC0000000, 0x00000046) || is(wanted, 0x22888DDB, 0x156E45AE, 0x8358B348, 0x08190625) ||
            is(wanted, 0xE831FF31, 0xF2D54301, 0x928EBBEE, 0x25697802)) {
            *object = static_cast<Component *>(this);
        } else if (is(wanted, 0x42043F99, 0xB7DA453C, 0xA569E79D, 0x9AAEC33D)) {
            *object = static_cast<Processor *>(this);
        } else if (is(wanted, 0xDCD7BBE3, 0x7742448D, 0xA874AACC, 0x979C759E)) {
            *object = static_cast<Controller *>(this);
        } else {
            *object = nullptr;
            return no_interface;
        }
        addRef();
        return ok;
    }
    uint32_t addRef() override { return ++references_; }
    uint32_t release() override {
        const uint32_t left = --references_;
        if (left == 0) {
            delete this;
        }
        return left;
    }

    Result initialize(Unknown *) override { return ok; }
    Result terminate() override { return ok; }
    Result getControllerClassId(Id) override { return no; }
    Result setIoMode(int32_t) override { return ok; }
    int32_t getBusCount(int32_t media, int32_t) override { return media == 0 ? 1 : 0; }
    Result getBusInfo(int32_t, int32_t direction, int32_t, BusInfo &info) override {
        info = {0, direction, 1, {}, 0, 1};
        name(info.name, "Main");
        return ok;
    }
    Result getRoutingInfo(void *, void *) override { return no; }
    Result activateBus(int32_t, int32_t, int32_t, uint8_t) override { return ok; }
    Result setActive(uint8_t) override { return ok; }
    Result setState(void *) override { return ok; }
    Result getState(void *) override {
        villain_.save();
        return ok;
    }

    Result setBusArrangements(uint64_t *, int32_t, uint64_t *, int32_t) override { return no; }
    Result getBusArrangement(int32_t, int32_t, uint64_t &arrangement) override {
        arrangement = 1 << 19; // mono
        return ok;
    }
    Result canProcessSampleSize(int32_t size) override { return size == 0 ? ok : no; }
    uint32_t getLatencySamples() override { return 0; }
    Result setupProcessing(void *) override { return ok; }
    Result setProcessing(uint8_t) override { return ok; }
    Result process(Data &data) override {
        if (data.frames > 0 && data.inputs > 0 && data.outputs > 0) {
            villain_.play(data.in[0].data[0], data.out[0].data[0], data.frames);
        }
        return ok;
    }
    uint32_t getTailSamples() override { return 0; }

    Result setComponentState(void *) override { return ok; }
    int32_t getParameterCount() override { return 1; }
    Result getParameterInfo(int32_t index, ParameterInfo &info) override {
        if (index != 0) {
            return no;
        }
        info = {};
        name(info.title, "Deed");
        info.steps = 10;
        info.flags = 1;
        return ok;
    }
    Result getParamStringByValue(uint32_t, double, char16_t *text) override {
        name(text, "deed");
        return ok;
    }
    Result getParamValueByString(uint32_t, char16_t *, double &) override { return no; }
    double normalizedParamToPlain(uint32_t, double value) override { return value * 10; }
    double plainParamToNormalized(uint32_t, double value) override { return value / 10; }
    double getParamNormalized(uint32_t) override { return villain_.value(); }
    Result setParamNormalized(uint32_t, double value) override {
        villain_.set(value);
        return ok;
    }
    Result setComponentHandler(void *) override { return ok; }
    void *createView(const char *) override { return nullptr; }

  private:
    Villain villain_;
    uint32_t references_ = 1;
};

struct FactoryInfo {
    char vendor[64], url[256], mail[128];
    int32_t flags;
};

struct ClassInfo {
    Id class_id;
    int32_t cardinality;
    char category[32], name[64];
};

struct Factory : Unknown {
    virtual Result getFactoryInfo(FactoryInfo &) = 0;
    virtual int32_t countClasses() = 0;
    virtual Result getClassInfo(int32_t, ClassInfo &) = 0;
    virtual Result createInstance(const char *, const char *, void **) = 0;
};

class OnlyFactory final : public Factory {
  public:
    Result queryInterface(const Id wanted, void **object) override {
        const bool known = is(wanted, 0, 0, 0xC0000000, 0x00000046) ||
                           is(wanted, 0x7A4D811C, 0x52114A1F, 0xAED9D2EE, 0x0B43BF9F);
        *object = known ? this : nullptr;
        return known ? ok : no_interface;
    }
    uint32_t addRef() override { return 1; }
    uint32_t release() override { return 1; }
    Result getFactoryInfo(FactoryInfo &info) override {
        info = {};
        std::strcpy(info.vendor, "plugpen");
        return ok;
    }
    int32_t countClasses() override { return 1; }
    Result getClassInfo(int32_t index, ClassInfo &info) override {
        if (index != 0) {
            return no;
        }
        info = {};
        id(info.class_id, 0x706C7567, 0x70656E00, 0x63707000, 0x76696C31);
        info.cardinality = 0x7FFFFFFF;
        std::strcpy(info.category, "Audio Module Class");
        std::strcpy(info.name, "Test C++ Villain");
        return ok;
    }
    Result createInstance(const char *, const char *wanted, void **object) override {
        auto *plugin = new Plugin;
        const Result result = plugin->queryInterface(wanted, object);
        plugin->release();
        return result;
    }
};

OnlyFactory factory;

} // namespace

extern "C" __attribute__((visibility("default"))) void *GetPluginFactory() { return static_cast<Factory *>(&factory); }
extern "C" __attribute__((visibility("default"))) bool ModuleEntry(void *) { return true; }
extern "C" __attribute__((visibility("default"))) bool ModuleExit() { return true; }
