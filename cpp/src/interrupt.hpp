// The other side of scorefn/interrupt.hpp: what asks.
#pragma once

#include <scorefn/interrupt.hpp>

namespace scorefn {

// Whether the call of this thread is to stop. Asks if it is time to; at other times the answer is no.
bool is_interrupted();

// While it lives nobody asks: what has begun is ended.
class Uninterruptible : Interruptible {
public:
    Uninterruptible() : Interruptible(nullptr, nullptr) {}
};

}  // namespace scorefn
