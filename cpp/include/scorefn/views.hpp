// Views: borrowed, strided arrays. They own nothing and copy nothing; strides count elements and may be
// zero or negative. A view converts to one of the same elements that are const.
#pragma once

#include <cstdint>
#include <iterator>
#include <type_traits>
#include <utility>

namespace scorefn {

// A size or a stride, of any integer type: `actions.size()` does not narrow, not even within braces.
class Extent {
public:
    template <class Integer, class = std::enable_if_t<std::is_integral_v<Integer>>>
    constexpr Extent(Integer value) : value_(static_cast<std::int64_t>(value)) {}
    constexpr operator std::int64_t() const { return value_; }

private:
    std::int64_t value_;
};

namespace detail {

// What std::data() points to: the elements of a std::vector, a std::array, a span and the like.
template <class Container>
using ElementOf = std::remove_pointer_t<decltype(std::data(std::declval<Container&>()))>;

template <class Container>
std::int64_t size_of(const Container& container) {
    return static_cast<std::int64_t>(std::size(container));
}

// Whether elements of type From can be seen as T: as what they are, or as const.
template <class From, class T>
using IfViewable = std::enable_if_t<std::is_convertible_v<From (*)[], T (*)[]>>;

template <class T, class... Types>
constexpr bool is_one_of = (std::is_same_v<std::remove_const_t<T>, Types> || ...);
template <class T>
using IfInteger = std::enable_if_t<std::is_integral_v<T> && !is_one_of<T, bool>>;
template <class T>
using IfReal = std::enable_if_t<is_one_of<T, float, double>>;

[[noreturn]] void throw_wrong_size(std::int64_t rows, std::int64_t cols, std::int64_t size);

}  // namespace detail

template <class T>
struct Vector {
    T* data = nullptr;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    Vector() = default;
    Vector(T* data, Extent size, Extent stride = 1) : data(data), size(size), stride(stride) {}
    template <class From, class = detail::IfViewable<From, T>>
    Vector(const Vector<From>& v) : data(v.data), size(v.size), stride(v.stride) {}
    template <class Container, class = detail::IfViewable<detail::ElementOf<Container>, T>>
    Vector(Container&& container) : data(std::data(container)), size(detail::size_of(container)) {}

    T& operator[](std::int64_t i) const { return data[i * stride]; }
};
template <class Container>
Vector(Container&&) -> Vector<detail::ElementOf<Container>>;

template <class T>
struct Matrix {
    T* data = nullptr;
    std::int64_t rows = 0;
    std::int64_t cols = 0;
    std::int64_t row_stride = 0;
    std::int64_t col_stride = 1;

    Matrix() = default;
    Matrix(T* data, Extent rows, Extent cols) : Matrix(data, rows, cols, cols, 1) {}
    Matrix(T* data, Extent rows, Extent cols, Extent row_stride, Extent col_stride)
        : data(data), rows(rows), cols(cols), row_stride(row_stride), col_stride(col_stride) {}
    template <class From, class = detail::IfViewable<From, T>>
    Matrix(const Matrix<From>& m)
        : data(m.data), rows(m.rows), cols(m.cols), row_stride(m.row_stride), col_stride(m.col_stride) {}
    // Row after row. std::invalid_argument if the container has more or fewer elements.
    template <class Container, class = detail::IfViewable<detail::ElementOf<Container>, T>>
    Matrix(Container&& container, Extent rows, Extent cols) : Matrix(std::data(container), rows, cols) {
        const std::int64_t size = detail::size_of(container);
        if (this->cols == 0 ? size != 0 : size % this->cols != 0 || size / this->cols != this->rows)
            detail::throw_wrong_size(rows, cols, size);
    }

    T& operator()(std::int64_t i, std::int64_t j) const { return data[i * row_stride + j * col_stride]; }
    explicit operator bool() const { return data != nullptr; }
};
template <class Container>
Matrix(Container&&, Extent, Extent) -> Matrix<detail::ElementOf<Container>>;

enum class IntegerType : std::uint8_t { i8, i16, i32, i64, u8, u16, u32, u64 };

// Actions or states: integers of any width, read where they lie.
struct IndexVector {
    const void* data = nullptr;
    IntegerType type = IntegerType::i64;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    IndexVector() = default;
    IndexVector(const void* data, IntegerType type, Extent size, Extent stride)
        : data(data), type(type), size(size), stride(stride) {}
    template <class Integer, class = detail::IfInteger<Integer>>
    IndexVector(const Integer* data, Extent size, Extent stride = 1)
        : IndexVector(data, type_of<Integer>(), size, stride) {}
    template <class Integer, class = detail::IfInteger<Integer>>
    IndexVector(const Vector<Integer>& v) : IndexVector(v.data, v.size, v.stride) {}
    template <class Container, class = detail::IfInteger<detail::ElementOf<const Container>>>
    IndexVector(const Container& container) : IndexVector(std::data(container), detail::size_of(container)) {}

private:
    template <class Integer>
    static constexpr IntegerType type_of() {
        constexpr int width = sizeof(Integer) == 1   ? 0
                              : sizeof(Integer) == 2 ? 1
                              : sizeof(Integer) == 4 ? 2
                                                     : 3;
        return static_cast<IntegerType>(width + (std::is_signed_v<Integer> ? 0 : 4));
    }
};

// Weights: float32 or float64, whatever the dtype of the logits. Rounded to that dtype, except where they are summed over
// samples, which is done in double.
struct RealVector {
    const void* data = nullptr;
    bool is_float64 = true;
    std::int64_t size = 0;
    std::int64_t stride = 1;

    RealVector() = default;
    template <class Real, class = detail::IfReal<Real>>
    RealVector(const Real* data, Extent size, Extent stride = 1)
        : data(data), is_float64(detail::is_one_of<Real, double>), size(size), stride(stride) {}
    template <class Real, class = detail::IfReal<Real>>
    RealVector(const Vector<Real>& v) : RealVector(v.data, v.size, v.stride) {}
    template <class Container, class = detail::IfReal<detail::ElementOf<const Container>>>
    RealVector(const Container& container) : RealVector(std::data(container), detail::size_of(container)) {}
};

}  // namespace scorefn
