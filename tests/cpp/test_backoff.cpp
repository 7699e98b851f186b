// When a thread works alone, by given times: what a hiccup costs on an idle machine, and what a busy machine costs.
#include "runtime/backoff.hpp"

#include "check.hpp"

using namespace scorefn;

namespace {

constexpr Nanoseconds kMillisecond = 1'000'000;

// Asked for at `asked`: two threads share `work` equally, and the caller waits for the other `waited` longer.
SharedRegion shared_at(Nanoseconds asked, Nanoseconds work, Nanoseconds waited) {
    return {asked, asked + work / 2 + waited, work / 2, work / 2};
}

// Of one thread that calls again and again: `work` a region by itself, half of it with help.
struct Caller {
    Backoff backoff;
    Nanoseconds now = 0;

    // Whether the region was shared; then it lasts `waited` longer.
    bool run(Nanoseconds work, Nanoseconds waited) {
        if (backoff.is_alone(now)) {
            now += work;
            backoff.worked_alone(work);
            return false;
        }
        const SharedRegion region = shared_at(now, work, waited);
        now = region.ended;
        backoff.shared(region);
        return true;
    }
    // The number of regions until one is shared.
    int regions_alone(Nanoseconds work) {
        int count = 0;
        while (backoff.is_alone(now)) {
            run(work, 0);
            ++count;
        }
        return count;
    }
};

void test_loss() {
    CHECK(shared_at(7, 1000, 0).loss() == -500);
    CHECK(shared_at(7, 1000, 600).loss() == 100);
    CHECK((SharedRegion{0, 1000, 500, 500}.loss() == 0));  // wherever it waited
    CHECK((SharedRegion{0, 400, 400, 2800}.loss() == -2800));
    CHECK((SharedRegion{0, 902, 1, 100}.loss() == 801));
    CHECK((SharedRegion{0, 1000, 10, 980}.loss() == 10));  // the other one had the largest task
}

void test_small_losses_do_not_count() {
    Caller caller;
    for (int i = 0; i < 1000; ++i) CHECK(caller.run(20'000, 10'000 + Backoff::kSmallLoss));
}

// After a hiccup of an idle machine the thread works alone for four times as long as it lost. Every hiccup costs the same.
void test_first_loss() {
    Caller caller;
    for (int hiccup = 0; hiccup < 3; ++hiccup) {
        for (int i = 0; i < 100; ++i) CHECK(caller.run(kMillisecond, 0));
        CHECK(caller.run(kMillisecond, kMillisecond / 2 + 5 * kMillisecond));
        CHECK(caller.regions_alone(kMillisecond) == 4 * 5);
    }
}

void test_repeated_losses() {
    Caller caller;
    int multiple = 4;
    for (int i = 0; i < 12; ++i) {
        CHECK(caller.run(kMillisecond, kMillisecond / 2 + kMillisecond));
        CHECK(caller.regions_alone(kMillisecond) == multiple);
        multiple = multiple < 1024 ? 2 * multiple : 1024;
    }
    // Sharing goes well for twice as long as the last pause: the multiple stays. For much longer: it is the first again.
    for (int i = 0; i < 4 * 1024; ++i) CHECK(caller.run(kMillisecond, 0));
    CHECK(caller.run(kMillisecond, kMillisecond / 2 + kMillisecond));
    CHECK(caller.regions_alone(kMillisecond) == 1024);
    for (int i = 0; i < 2 * 1024 * 1024; ++i) caller.run(kMillisecond, 0);
    CHECK(caller.run(kMillisecond, kMillisecond / 2 + kMillisecond));
    CHECK(caller.regions_alone(kMillisecond) == 4);
}

// A thread that works for a millisecond in each second shares again after ten seconds.
void test_seldom() {
    Caller caller;
    CHECK(caller.run(kMillisecond, 100 * kMillisecond));
    int count = 0;
    for (; caller.backoff.is_alone(caller.now); ++count) {
        caller.run(kMillisecond, 0);
        caller.now += 999 * kMillisecond;
    }
    CHECK(count == 10);
}

// Every region waits for some milliseconds, or every other one, or every thirtieth. All together they take at most a tenth
// longer than alone, and at most one in 200 is slow.
void test_busy_machine() {
    for (const std::uint64_t of : {1, 2, 30}) {
        for (const Nanoseconds waited : {3 * kMillisecond, 20 * kMillisecond}) {
            Caller caller;
            std::uint64_t random = 1;
            int slow = 0;
            constexpr int kCalls = 100'000;
            for (int i = 0; i < kCalls; ++i) {
                random = random * 6364136223846793005 + 1442695040888963407;
                const bool waits = (random >> 33) % of == 0;
                slow += caller.run(kMillisecond, waits ? waited : 0) && waits;
            }
            CHECK(caller.now <= kCalls * kMillisecond * 11 / 10);
            CHECK(slow <= kCalls / 200);
        }
    }
}

}  // namespace

int main() {
    test_loss();
    test_small_losses_do_not_count();
    test_first_loss();
    test_repeated_losses();
    test_seldom();
    test_busy_machine();
    return failures();
}
