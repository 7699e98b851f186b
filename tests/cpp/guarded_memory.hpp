// Memory with a page before it and a page after it that may not be touched: reading or writing one element too many ends
// the program with a message.
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <stdexcept>

// What runs, for the message of a fault.
inline char running[256];

class Region {
public:
    static constexpr std::size_t size = 1 << 20;

    Region() : page_(static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
        void* const all =
            mmap(nullptr, size + 2 * page_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (all == MAP_FAILED) throw std::runtime_error("mmap failed");
        begin_ = static_cast<char*>(all) + page_;
        if (mprotect(begin_, size, PROT_READ | PROT_WRITE) != 0) throw std::runtime_error("mprotect failed");
    }
    template <class T>
    T* place(std::int64_t count, bool at_end) const {
        const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(T);
        if (bytes > size) throw std::runtime_error("a region is too small");
        return reinterpret_cast<T*>(at_end ? begin_ + size - bytes : begin_);
    }
    // "before" or "after" for an address in a forbidden page, else null.
    const char* side(const void* address) const {
        const char* const x = static_cast<const char*>(address);
        if (x >= begin_ - page_ && x < begin_) return "before";
        if (x >= begin_ + size && x < begin_ + size + page_) return "after";
        return nullptr;
    }

private:
    std::size_t page_;
    char* begin_;
};

constexpr int kRegions = 29;
inline const Region& region(int i) {
    static const Region all[kRegions];
    return all[i];
}

inline void say(const char* text) {
    if (write(STDERR_FILENO, text, std::strlen(text)) < 0) _exit(2);
}

// Only what a signal handler may do.
inline void report_fault(int, siginfo_t* info, void*) {
    say("FAULT ");
    const char* side = nullptr;
    for (int i = 0; i < kRegions && !side; ++i) {
        side = region(i).side(info->si_addr);
        const char number[] = {static_cast<char>('0' + i / 10), static_cast<char>('0' + i % 10), '\0'};
        if (side) say(side), say(" array "), say(number);
    }
    say(side ? " of " : "elsewhere in "), say(running), say("\n");
    _exit(1);
}

inline void report_faults() {
    region(0);  // all are made before the first fault
    struct sigaction action = {};
    action.sa_sigaction = report_fault;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSEGV, &action, nullptr);
    sigaction(SIGBUS, &action, nullptr);
}
