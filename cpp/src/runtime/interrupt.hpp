// The other side of scorefn/interrupt.hpp: what asks.
#pragma once

#include <scorefn/interrupt.hpp>

namespace scorefn {

// Whether the call of this thread is to stop. Asks if it is time to; at other times the answer is no.
bool is_interrupted();

// While it lives nobody asks, if so it is: what has begun is ended.
class Uninterruptible {
public:
    explicit Uninterruptible(bool is_so);
    ~Uninterruptible();
    Uninterruptible(const Uninterruptible&) = delete;
    Uninterruptible& operator=(const Uninterruptible&) = delete;

private:
    const bool is_so_;
};

}  // namespace scorefn
