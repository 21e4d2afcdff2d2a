#include "villain.hpp"

#include <atomic>
#include <cmath>
#include <csetjmp>
#include <csignal>
#include <cstdlib>
#include <stdexcept>
#include <thread>
#include <unistd.h>

namespace {

[[noreturn]] void stop(int = 0) {
    for (;;) {
        pause();
    }
}

void fail() { throw std::logic_error("thrown where nothing may be"); }

void must_not_throw(void (*call)()) noexcept { call(); }

sigjmp_buf before;

void jump(int) { siglongjmp(before, 1); }

struct Half {
    Half() { call(); }
    virtual ~Half() = default;
    void call() { missing(); }
    virtual void missing() = 0;
};

struct Whole : Half {
    void missing() override {}
};

} // namespace

Villain::Villain() : shared_(static_cast<float *>(std::calloc(64, sizeof(float)))) {}

Villain::~Villain() { std::free(shared_); }

void Villain::set(double value) { deed_ = static_cast<Deed>(std::lround(value * 10)); }

double Villain::value() const { return static_cast<int>(deed_) / 10.0; }

void Villain::save() const {
    if (deed_ == Deed::throw_in_save) {
        throw std::runtime_error("no state today");
    }
}

void Villain::play(const float *input, float *output, int frames) {
    for (int frame = 0; frame < frames; ++frame) {
        output[frame] = input[frame];
    }
    const Deed deed = deed_;
    switch (deed) {
    case Deed::throw_error:
        throw std::runtime_error("the plugin threw");
    case Deed::throw_number:
        throw 42;
    case Deed::throw_in_noexcept:
        must_not_throw(fail);
        break;
    case Deed::outlive: {
        deed_ = Deed::none;
        float *shared = shared_;
        std::thread([shared] {
            for (volatile float *place = shared;; place[0] = place[0] + 1) {
                usleep(100);
            }
        }).detach();
        break;
    }
    case Deed::exit_handler:
        std::atexit([] { stop(); });
        std::exit(3);
    case Deed::jump_out:
        std::signal(SIGSEGV, jump);
        if (sigsetjmp(before, 1) == 0) {
            *reinterpret_cast<volatile int *>(8) = 1;
        }
        break;
    case Deed::handle_all:
        for (int number = 1; number < NSIG; ++number) {
            std::signal(number, stop);
        }
        *reinterpret_cast<volatile int *>(8) = 1;
        break;
    case Deed::pure_virtual:
        Whole();
        break;
    case Deed::free_twice: {
        void *volatile block = std::malloc(100);
        std::free(block);
        std::free(block);
        break;
    }
    case Deed::none:
    case Deed::throw_in_save:
        break;
    }
}
