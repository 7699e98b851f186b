// Views: borrowed, strided arrays. They own nothing and copy nothing; strides count elements and may be
// zero or negative.
#pragma once

#include <cstdint>

namespace scorefn {

template <class T>
struct Vector {
    T* data = nullptr;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    T& operator[](std::int64_t i) const { return data[i * stride]; }
};

template <class T>
struct Matrix {
    T* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t row_stride = 0;
    std::int64_t col_stride = 1;

    Matrix() = default;
    Matrix(T* data, std::int64_t rows, std::int64_t cols) : Matrix(data, rows, cols, cols, 1) {}
    Matrix(T* data, std::int64_t rows, std::int64_t cols, std::int64_t row_stride, std::int64_t col_stride)
        : data(data), rows(rows), cols(cols), row_stride(row_stride), col_stride(col_stride) {}

    T& operator()(std::int64_t i, std::int64_t j) const { return data[i * row_stride + j * col_stride]; }
    explicit operator bool() const { return data != nullptr; }
};

enum class IntegerType : std::uint8_t { i8, i16, i32, i64, u8, u16, u32, u64 };

// Actions or states: integers of any width, read where they lie.
struct IndexVector {
    const void* data = nullptr;
    IntegerType type = IntegerType::i64;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    IndexVector() = default;
    IndexVector(const void* data, IntegerType type, std::int64_t size, std::int64_t stride)
        : data(data), type(type), size(size), stride(stride) {}

    template <class Integer>
    IndexVector(const Integer* data, std::int64_t size, std::int64_t stride = 1)
        : data(data), type(type_of<Integer>()), size(size), stride(stride) {}

private:
    template <class Integer>
    static constexpr IntegerType type_of() {
        constexpr bool is_signed = Integer(-1) < Integer(0);
        constexpr int width = sizeof(Integer) == 1   ? 0
                              : sizeof(Integer) == 2 ? 1
                              : sizeof(Integer) == 4 ? 2
                                                     : 3;
        return static_cast<IntegerType>(width + (is_signed ? 0 : 4));
    }
};

// Weights: float32 or float64, whatever the dtype of the logits: rounded to that, but where sums over samples need them.
struct RealVector {
    const void* data = nullptr;
    bool is_float64 = true;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    RealVector() = default;
    RealVector(const float* data, std::int64_t size, std::int64_t stride = 1)
        : data(data), is_float64(false), size(size), stride(stride) {}
    RealVector(const double* data, std::int64_t size, std::int64_t stride = 1)
        : data(data), is_float64(true), size(size), stride(stride) {}
};

}  // namespace scorefn
