#include "interrupt.hpp"

#include <chrono>

namespace scorefn {
namespace {

thread_local Interruptible* innermost = nullptr;

std::int64_t now() {
    using namespace std::chrono;
    return duration_cast<nanoseconds>(steady_clock::now().time_since_epoch()).count();
}

}  // namespace

Interruptible::Interruptible(ShouldStop should_stop, void* context)
    : should_stop_(should_stop), context_(context), outer_(innermost) {
    innermost = this;
}
Interruptible::~Interruptible() { innermost = outer_; }

bool is_interrupted() {
    constexpr std::int64_t kPeriod = 50'000'000;
    Interruptible* const caller = innermost;
    if (!caller || !caller->should_stop_) return false;
    const std::int64_t time = now();
    if (caller->last_asked_ == 0) caller->last_asked_ = time;  // a short call asks for the time only once
    if (time - caller->last_asked_ < kPeriod) return false;
    caller->last_asked_ = time;
    return caller->should_stop_(caller->context_);
}

}  // namespace scorefn
