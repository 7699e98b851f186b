// Arrays of plain values, aligned to 64 bytes. std::bad_alloc where there is no memory for one, or for none of that size.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace scorefn {

template <class T>
class Array {
public:
    // Not initialised.
    explicit Array(std::int64_t size) : Array(std::malloc(bytes(size))) {}
    T* data() const { return data_; }
    T& operator[](std::int64_t i) const { return data_[i]; }

protected:
    explicit Array(void* memory) : memory_(memory) {
        if (!memory) throw std::bad_alloc();
        data_ = reinterpret_cast<T*>((reinterpret_cast<std::uintptr_t>(memory) + 63) / 64 * 64);
    }
    static std::size_t bytes(std::int64_t size) {
        constexpr std::size_t most = (static_cast<std::size_t>(PTRDIFF_MAX) - 64) / sizeof(T);
        if (static_cast<std::size_t>(size) > most) throw std::bad_alloc();
        return static_cast<std::size_t>(size) * sizeof(T) + 64;
    }

private:
    struct Free {
        void operator()(void* memory) const { std::free(memory); }
    };
    std::unique_ptr<void, Free> memory_;
    T* data_;
};

// From calloc, so that a large one takes memory only where it is written.
template <class T>
class Zeros : public Array<T> {
public:
    explicit Zeros(std::int64_t size) : Array<T>(std::calloc(Array<T>::bytes(size), 1)) {}
};

}  // namespace scorefn
