#include "runtime/interrupt.hpp"

#include <chrono>

namespace scorefn {
namespace {

thread_local Interruptible* innermost = nullptr;
thread_local int num_uninterruptible = 0;

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

Uninterruptible::Uninterruptible(bool is_so) : is_so_(is_so) { num_uninterruptible += is_so_; }
Uninterruptible::~Uninterruptible() { num_uninterruptible -= is_so_; }

bool is_interrupted() {
    constexpr std::int64_t kPeriod = 50'000'000;
    Interruptible* const caller = innermost;
    if (!caller || num_uninterruptible > 0) return false;
    const std::int64_t time = now();
    if (caller->last_asked_ == 0) caller->last_asked_ = time;  // a short call asks for the time only once
    if (time - caller->last_asked_ < kPeriod) return false;
    caller->last_asked_ = time;
    return caller->should_stop_(caller->context_);
}

}  // namespace scorefn
