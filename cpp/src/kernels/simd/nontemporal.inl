// Results to memory past the caches, which a large one would only flush: for vectors that follow each other. What is stored
// that way has to be whole lines of 64 bytes; the ends go the ordinary way.
#pragma once

#include <cstdint>
#include <type_traits>

#include "kernels/simd/vectors.inl"

namespace scorefn {
namespace {

// Of a line, in elements.
template <class T>
SCOREFN_INLINE std::int64_t misalignment(const T* x) {
    return static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(x) % 64 / sizeof(T));
}

template <class T>
struct NonTemporalStore {
    T* to = nullptr;
    std::int64_t next = -1;  // the vector that would go on; -1: none does
    Lanes<T> before{};       // the last one, some of whose lanes wait for those that would make up a line
    Join<T> join{0};

    SCOREFN_INLINE explicit NonTemporalStore(T* to) : to(to) {}

    // value(i, extent) is the vector of entries i, i + 1, ... of the n from `start` on.
    template <class Put>
    SCOREFN_INLINE void put(std::int64_t start, std::int64_t n, Put value) {
        if (next != start) restart(start);
        bool goes_on = next == start;
        T* const line = to + start - join.from_before;
        const Join<T> ahead = join;
        Lanes<T> last = before;
        for_each_vector<T, 1>(n, [&](std::int64_t i, auto extent) SCOREFN_INLINE_LAMBDA {
            const Lanes<T> x = value(i, extent);
            if constexpr (std::is_same<decltype(extent), Tail>::value) {
                before = last, next = goes_on ? start + i : -1;
                finish();
                store(x, to + start + i, extent);
            } else {
                if (goes_on)
                    store_nontemporal(ahead.lanes(last, x), line + i);
                else
                    store_partial_or_whole(x, line + i);
                goes_on = true;
            }
            last = x;
        });
        before = last, next = n % Lanes<T>::size == 0 ? start + n : -1;
    }
    // The lanes that wait.
    SCOREFN_NO_INLINE void finish() {
        if (next < 0) return;
        T lanes[Lanes<T>::size];
        before.store(lanes);
        for (std::int64_t k = join.from_before; k > 0; --k) to[next - k] = lanes[Lanes<T>::size - k];
        next = -1;
    }

private:
    SCOREFN_NO_INLINE void restart(std::int64_t start) {
        finish();
        join = Join<T>(misalignment(to + start));
    }
    SCOREFN_INLINE void store_partial_or_whole(Lanes<T> x, T* line) const {
        T* const first = line + join.from_before;
        if (join.from_before == 0)
            x.store(first);
        else
            store_partial(x, first, Lanes<T>::size - join.from_before);
    }
};

}  // namespace
}  // namespace scorefn
