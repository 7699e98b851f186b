// Philox4x64-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011): ten rounds turn a
// counter into 256 random bits.

inline std::uint64_t high_product(std::uint64_t a, std::uint64_t b, std::uint64_t& low) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    low = static_cast<std::uint64_t>(product);
    return static_cast<std::uint64_t>(product >> 64);
}

// The first 64 of the 256 bits for counter (row, draw, 0, 0).
inline std::uint64_t philox(const std::uint64_t (&key)[2], std::uint64_t row, std::uint64_t draw) {
    std::uint64_t x[4] = {row, draw, 0, 0}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; ++round) {
        std::uint64_t low0, low1;
        const std::uint64_t high0 = high_product(0xD2E7470EE14C6C93, x[0], low0);
        const std::uint64_t high1 = high_product(0xCA5A826395121157, x[2], low1);
        x[0] = high1 ^ x[1] ^ k0;
        x[2] = high0 ^ x[3] ^ k1;
        x[1] = low1;
        x[3] = low0;
        k0 += 0x9E3779B97F4A7C15;  // golden ratio
        k1 += 0xBB67AE8584CAA73B;  // sqrt(3) - 1
    }
    return x[0];
}

// Of rows first .. first + Count - 1: in [0, 1), multiples of 2^-53.
template <int Count>
SCOREFN_NO_INLINE void uniforms(const std::uint64_t (&key)[2], std::uint64_t first, std::uint64_t draw,
                                double (&u)[Count]) {
    for (int i = 0; i < Count; ++i)
        u[i] = static_cast<double>(philox(key, first + static_cast<std::uint64_t>(i), draw) >> 11) * 0x1p-53;
}
