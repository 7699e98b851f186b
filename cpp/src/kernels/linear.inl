// The two products of a linear policy for a block of rows, in double: logits = x @ coef, sums += x^T @ g.
// Each entry is one sum in the order of its index, so it does not depend on how the work is cut.

SCOREFN_INLINE Lanes<double> load_doubles(const double* x, Whole<1>) { return Lanes<double>::load(x); }
SCOREFN_INLINE Lanes<double> load_doubles(const float* x, Whole<1>) {
    typedef float Half __attribute__((vector_size(SCOREFN_VECTOR_BYTES / 2), aligned(4), may_alias));
    Lanes<double> r;
    for (int p = 0; p < kParts; ++p)
        r.part[p] = __builtin_convertvector(reinterpret_cast<const Half*>(x)[p], Lanes<double>::Vector);
    return r;
}
template <class T>
SCOREFN_INLINE Lanes<double> load_doubles(const T* x, Part part) {
    double buffer[8] = {};
    for (std::int64_t k = 0; k < part.count; ++k) buffer[k] = static_cast<double>(x[k]);
    return Lanes<double>::load(buffer);
}

// So many sums are taken at a time that a row of coef or g, once loaded, serves.
constexpr int kTogether = 4;

// logits[r, k] = sum_f x[r, f] coef[f, k]; x is (rows, features), coef (features, cols), both contiguous.
template <class T>
void linear_logits(const double* x, const T* coef, std::int64_t rows, std::int64_t features,
                   std::int64_t cols, T* logits) {
    for (std::int64_t r0 = 0; r0 < rows; r0 += kTogether) {
        const double* x_of[kTogether];  // fewer rows than that: the first again
        for (int i = 0; i < kTogether; ++i) x_of[i] = x + (r0 + i < rows ? r0 + i : r0) * features;
        for_each_vector<double, 1>(cols, [&](std::int64_t k, auto extent) SCOREFN_INLINE_LAMBDA {
            Lanes<double> sum[kTogether];
            for (auto& s : sum) s = Lanes<double>::splat(0);
            for (std::int64_t f = 0; f < features; ++f) {
                const Lanes<double> c = load_doubles(coef + f * cols + k, extent);
                for (int i = 0; i < kTogether; ++i) sum[i] = sum[i] + x_of[i][f] * c;
            }
            for (std::int64_t i = 0; i < kTogether && r0 + i < rows; ++i) {
                double rounded[8];
                sum[i].store(rounded);
                T* const row = logits + (r0 + i) * cols;
                for (std::int64_t j = k; j < cols && j < k + 8; ++j) row[j] = static_cast<T>(rounded[j - k]);
            }
        });
    }
}

// sums[f, k] += sum_r x[r, f] g[r, k] for the features first .. last - 1.
template <class T>
void linear_accumulate(const double* x, const T* g, std::int64_t rows, std::int64_t features,
                       std::int64_t cols, std::int64_t first, std::int64_t last, double* sums) {
    for (std::int64_t f0 = first; f0 < last; f0 += kTogether) {
        std::int64_t f_of[kTogether];
        for (int i = 0; i < kTogether; ++i) f_of[i] = f0 + i < last ? f0 + i : f0;
        for_each_vector<double, 1>(cols, [&](std::int64_t k, auto extent) SCOREFN_INLINE_LAMBDA {
            Lanes<double> sum[kTogether];
            for (int i = 0; i < kTogether; ++i) sum[i] = load(sums + f_of[i] * cols + k, extent, 0.0);
            for (std::int64_t r = 0; r < rows; ++r) {
                const Lanes<double> g_r = load_doubles(g + r * cols + k, extent);
                for (int i = 0; i < kTogether; ++i) sum[i] = sum[i] + x[r * features + f_of[i]] * g_r;
            }
            for (std::int64_t i = 0; i < kTogether && f0 + i < last; ++i)
                store(sum[i], sums + (f0 + i) * cols + k, extent);
        });
    }
}
