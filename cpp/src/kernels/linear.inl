// The two products of a linear policy for a block of rows, in double: logits = x @ coef, gradient += x^T @ g.
// Each entry is one sum in the order of its index, so it does not depend on how the work is cut.

template <class T>
SCOREFN_INLINE Lanes<double> load_doubles(const T* x, std::int64_t count) {
    double buffer[8] = {};
    for (std::int64_t k = 0; k < 8 && k < count; ++k) buffer[k] = static_cast<double>(x[k]);
    return Lanes<double>::load(buffer);
}

constexpr int kRowsTogether = 4;

// logits[r, k] = sum_f x[r, f] coef[f, k]; x is (rows, features), coef (features, cols), both contiguous.
template <class T>
void linear_logits(const double* x, const T* coef, std::int64_t rows, std::int64_t features,
                   std::int64_t cols, T* logits) {
    for (std::int64_t r0 = 0; r0 < rows; r0 += kRowsTogether) {
        const std::int64_t together = rows - r0 < kRowsTogether ? rows - r0 : kRowsTogether;
        for (std::int64_t k = 0; k < cols; k += 8) {
            Lanes<double> sum[kRowsTogether];
            for (auto& s : sum) s = Lanes<double>::splat(0);
            for (std::int64_t f = 0; f < features; ++f) {
                const Lanes<double> c = load_doubles(coef + f * cols + k, cols - k);
                for (int r = 0; r < kRowsTogether; ++r)
                    sum[r] = sum[r] + x[(r0 + (r < together ? r : 0)) * features + f] * c;
            }
            for (std::int64_t r = 0; r < together; ++r) {
                double buffer[8];
                sum[r].store(buffer);
                for (std::int64_t j = 0; j < 8 && k + j < cols; ++j)
                    logits[(r0 + r) * cols + k + j] = static_cast<T>(buffer[j]);
            }
        }
    }
}

// sums[f, k] += sum_r x[r, f] g[r, k] for the features first .. last - 1.
template <class T>
void linear_accumulate(const double* x, const T* g, std::int64_t rows, std::int64_t features,
                       std::int64_t cols, std::int64_t first, std::int64_t last, double* sums) {
    for (std::int64_t f0 = first; f0 < last; f0 += kRowsTogether) {
        const std::int64_t together = last - f0 < kRowsTogether ? last - f0 : kRowsTogether;
        for (std::int64_t k = 0; k < cols; k += 8) {
            const std::int64_t count = cols - k < 8 ? cols - k : 8;
            Lanes<double> sum[kRowsTogether];
            for (int f = 0; f < kRowsTogether; ++f)
                sum[f] = f < together ? load_partial(sums + (f0 + f) * cols + k, count, 0.0)
                                      : Lanes<double>::splat(0);
            for (std::int64_t r = 0; r < rows; ++r) {
                const Lanes<double> g_r = load_doubles(g + r * cols + k, count);
                for (int f = 0; f < kRowsTogether; ++f)
                    sum[f] = sum[f] + x[r * features + f0 + (f < together ? f : 0)] * g_r;
            }
            for (std::int64_t f = 0; f < together; ++f)
                store_partial(sum[f], sums + (f0 + f) * cols + k, count);
        }
    }
}
