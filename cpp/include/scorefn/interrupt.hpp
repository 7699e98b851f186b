// How a caller ends a long call before its time.
#pragma once

#include <cstdint>
#include <stdexcept>

namespace scorefn {

// What a call throws that was to stop. Its outputs may then be written in part; a sum that it was to add to
// (GradientOptions::accumulate) is as it was before.
struct Interrupted : std::runtime_error {
    Interrupted() : std::runtime_error("interrupted") {}
};

// While it lives, a call from this thread asks should_stop(context) about twenty times a second, in this thread.
// Not where it adds the gradient of each row to another: that goes on to its end.
class Interruptible {
public:
    using ShouldStop = bool (*)(void* context);

    Interruptible(ShouldStop should_stop, void* context);
    ~Interruptible();
    Interruptible(const Interruptible&) = delete;
    Interruptible& operator=(const Interruptible&) = delete;

private:
    friend bool is_interrupted();

    const ShouldStop should_stop_;
    void* const context_;
    Interruptible* const outer_;
    std::int64_t last_asked_ = 0;  // nanoseconds; 0: not yet
};

}  // namespace scorefn
