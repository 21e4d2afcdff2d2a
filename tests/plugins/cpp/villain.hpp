// A plugin that misbehaves in ways that only C++ has. What it does is chosen by its one parameter,
// from 0 to 1 in steps of a tenth; it passes its input through.
#pragma once

enum class Deed {
    none = 0,
    // Throws an exception, or something that is none, out of processing.
    throw_error = 1,
    throw_number = 2,
    // Throws while its state is asked for, or while its parameter is set (VST).
    throw_in_save = 3,
    // Throws out of a function that must not.
    throw_in_noexcept = 4,
    // Leaves a thread behind that goes on writing into memory that is freed.
    outlive = 5,
    // Has a handler that never returns run when the process exits, and exits.
    exit_handler = 6,
    // Handles its own fault by jumping out of it, and goes on.
    jump_out = 7,
    // Installs a handler for every signal and stops in it.
    handle_all = 8,
    // Calls a method of an object that is half made.
    pure_virtual = 9,
    // Frees memory twice.
    free_twice = 10,
};

class Villain {
  public:
    Villain();
    // Another thread may still be at it.
    ~Villain();
    Villain(const Villain &) = delete;
    Villain &operator=(const Villain &) = delete;

    void set(double value);
    double value() const;
    void play(const float *input, float *output, int frames);
    void save() const;

  private:
    Deed deed_ = Deed::none;
    float *shared_;
};
