// When a thread shares its regions and when it works alone because others use the CPUs. OpenMP waits for every thread of a
// team, also for one that the system does not let run: sharing may then take many times as long as working alone.
#pragma once

#include <algorithm>
#include <cstdint>

namespace scorefn {

using Nanoseconds = std::int64_t;

// What the calling thread saw of a region that it shared.
struct SharedRegion {
    Nanoseconds asked;   // before the others are woken
    Nanoseconds ended;   // when all were done
    Nanoseconds worked;  // for so long it had a CPU for its own part
    Nanoseconds helped;  // for so long the others had one for their parts, all together

    // How much longer the region took than the calling thread would have taken alone; negative if sharing paid. Tasks may
    // differ in size, so their number tells nothing.
    Nanoseconds loss() const { return (ended - asked) - worked - helped; }
};

// After a loss the thread works alone, for a multiple of what it lost. The first multiple is small, so that a hiccup costs
// little. It doubles with every loss, and falls again in proportion to how long sharing went well in between.
class Backoff {
public:
    // To wake a thread that sleeps may cost as much, which is no sign of a busy machine.
    static constexpr Nanoseconds kSmallLoss = 100'000;
    static constexpr std::int64_t kSmallestMultiple = 4, kLargestMultiple = 1024;
    // The machine may be idle again: for threads that seldom work.
    static constexpr Nanoseconds kLongest = 10'000'000'000;

    bool is_alone(Nanoseconds now) const { return left_ > 0 && now < until_; }
    void worked_alone(Nanoseconds time) { left_ -= time; }
    void shared(const SharedRegion& region) {
        const Nanoseconds loss = std::min(region.loss(), kLongest);
        if (loss <= kSmallLoss) {
            went_well_ += region.ended - region.asked;
            return;
        }
        multiple_ = std::clamp(2 * multiple_ * pause_ / std::max(pause_, went_well_), kSmallestMultiple,
                               kLargestMultiple);
        went_well_ = 0;
        left_ = pause_ = multiple_ * loss;
        until_ = region.ended + kLongest;
    }

private:
    std::int64_t multiple_ = 1;
    Nanoseconds pause_ = 1;      // the work that was to be done alone after the last loss
    Nanoseconds left_ = 0;       // of it
    Nanoseconds until_ = 0;      // sharing is tried again, even if work is left
    Nanoseconds went_well_ = 0;  // time in shared regions since
};

}  // namespace scorefn
