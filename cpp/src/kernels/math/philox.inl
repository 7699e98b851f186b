// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011): ten rounds turn a
// counter of four words of 32 bits into four random ones. A Word is a 64-bit number, or eight of them for as many counters;
// its upper half may hold anything.
#pragma once

#include "kernels/simd/native.inl"

namespace scorefn {
namespace {

using Words = Lanes<std::uint64_t>;

template <class Word>
struct Philox {
    Word word[4];

    SCOREFN_INLINE Philox(Word x0, Word x1, Word x2, Word x3, std::uint64_t key) : word{x0, x1, x2, x3} {
        auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
        const std::uint64_t half = 32;
        for (int round = 0; round < 10; ++round) {
            const Word product0 = product32(word[0], 0xD2511F53), product1 = product32(word[2], 0xCD9E8D57);
            word[0] = (product1 >> half) ^ word[1] ^ std::uint64_t{k0};
            word[2] = (product0 >> half) ^ word[3] ^ std::uint64_t{k1};
            word[1] = product1;
            word[3] = product0;
            k0 += 0x9E3779B9;  // golden ratio
            k1 += 0xBB67AE85;  // sqrt(3) - 1
        }
    }
};

// What a call draws with, made from its key by a bijection: the keys of a user may differ in one bit or be a counter.
struct DrawKey {
    std::uint64_t key, offset;  // of the Philox that draws, and exclusive-or the draw

    SCOREFN_INLINE explicit DrawKey(const std::uint64_t (&words)[2]) {
        const Philox mixed(words[0], words[0] >> 32, words[1], words[1] >> 32, 0);
        const auto join = [&](int i) { return mixed.word[i + 1] << 32 | (mixed.word[i] & 0xffffffff); };
        key = join(0), offset = join(2);
    }
};

// For eight rows, by their numbers: in [0, 1), multiples of 2^-53. The counter is the row and the draw, 64 bits each.
SCOREFN_OFTEN_INLINE Lanes<double> uniforms(const DrawKey& key, Words row, std::uint64_t draw) {
    const Words column = Words::splat(draw ^ key.offset);
    const std::uint64_t half = 32;
    const Philox random(row, row >> half, column, column >> half, key.key);
    // The first word is the lower half of 64 bits, of which the upper 53 are used: 32 of the second and 21 of the first.
    // Below the exponent of 2^52 they read as integers.
    const Words exponent = Words::splat(0x4330000000000000), low32 = Words::splat(0xffffffff);
    const auto integer = [&](Words x) { return bits<double>(x | exponent) - 0x1p52; };
    const Lanes<double> upper = integer(random.word[1] & low32);
    const Lanes<double> lower = integer((random.word[0] & low32) >> std::uint64_t{11});
    return upper * 0x1p-32 + lower * 0x1p-53;
}

}  // namespace
}  // namespace scorefn
