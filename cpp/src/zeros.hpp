// Zeros<T>: an array of zeros, aligned to 64 bytes. From calloc, so a large one takes memory only where it is written.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace scorefn {

template <class T>
class Zeros {
public:
    explicit Zeros(std::int64_t size) : memory_(std::calloc(static_cast<std::size_t>(size) * sizeof(T) + 64, 1)) {
        if (!memory_) throw std::bad_alloc();
        data_ = reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(memory_.get()) + 63) / 64 * 64);
    }
    T* data() const { return data_; }
    T& operator[](std::int64_t i) const { return data_[i]; }

private:
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<void, Free> memory_;
    T* data_;
};

}  // namespace scorefn
