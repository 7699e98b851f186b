// Every tuned constant of the core. Those with a macro are measured by benchmarks/calibrate.py, which builds other values.
// A constant that changes bits is part of what is reproducible: it changes with a new minor version only. Micro-tiles that
// fit the registers of an instruction set are in simd/isa.inl; they change no bit.
#pragma once

#include <cstdint>

#ifndef SCOREFN_LONGEST_SHORT_ROW
#define SCOREFN_LONGEST_SHORT_ROW 128
#endif
#ifndef SCOREFN_BLOCK_BYTES
#define SCOREFN_BLOCK_BYTES (1 << 13)
#endif
#ifndef SCOREFN_ELEMENTS_PER_TASK
#define SCOREFN_ELEMENTS_PER_TASK (1 << 15)
#endif
#ifndef SCOREFN_SHORTEST_SHARED_ROW
#define SCOREFN_SHORTEST_SHARED_ROW (1 << 16)
#endif
#ifndef SCOREFN_LEAST_NONTEMPORAL_BYTES
#define SCOREFN_LEAST_NONTEMPORAL_BYTES (1 << 24)
#endif

namespace scorefn::tuning {

// ---- Rows of logits

// Rows up to this length have a lane each in a tile; longer ones are worked on one at a time. Changes bits: the sum over a
// row is taken in another order.
constexpr std::int64_t kLongestShortRow = SCOREFN_LONGEST_SHORT_ROW;
// A block is as many rows as fill so many bytes: with its results it stays in the nearest cache. Longer rows are worked
// through in splits of that size. Changes bits of rows longer than a split.
constexpr std::int64_t kBlockBytes = SCOREFN_BLOCK_BYTES;
constexpr std::int64_t kMostBlockRows = 1024;  // no bit
// A task is as many rows as hold so many logits. Changes bits of sums over rows, which are accumulated task by task.
constexpr std::int64_t kElementsPerTask = SCOREFN_ELEMENTS_PER_TASK;
constexpr std::int64_t kMostRowsPerTask = 4096;
// So few short rows are one task without a division. No bit.
constexpr std::int64_t kFewRows = 16;
// A row shorter than this is not worth sharing out. Threads that are awake would gain from half as many entries; those that
// are asleep take 10 us and more to wake. No bit.
constexpr std::int64_t kShortestSharedRow = SCOREFN_SHORTEST_SHARED_ROW;
// A result as large as most caches or larger is stored past them. No bit.
constexpr std::int64_t kLeastNontemporalBytes = SCOREFN_LEAST_NONTEMPORAL_BYTES;

// ---- Ragged rows: a window is what a thread takes at a time, of which copies of the logits and of the results stay in a
// second-level cache; it changes bits of sums over rows, and so does what is copied. Longer rows are read where they lie.
constexpr std::int64_t kRaggedWindowBytes = 1 << 18;
constexpr std::int64_t kLongestCopiedRowBytes = 1 << 12;

// ---- Tables: the sums of a small table or of a bucket stay in a second-level cache, and placing samples in buckets takes
// no more pages than a TLB knows. All of these change bits, as sums over samples are accumulated piece by piece.
constexpr std::int64_t kSmallTable = 1 << 15;
constexpr std::int64_t kSmallestTableChunk = 1 << 14;
constexpr std::int64_t kBucket = 1 << 14, kFewestBuckets = 16, kMostBuckets = 1024;
constexpr std::int64_t kStatesPerTask = 4096;  // no bit

// ---- Linear policies: a block of one thread stays in its second-level cache; one that all threads share is as large as
// pays for sharing it out. All of these change bits.
constexpr std::int64_t kSmallestLinearChunk = 4096;
constexpr std::int64_t kOwnBlock = 1 << 15, kSharedBlock = 12 << 20, kMostSamplesPerBlock = 512;
// The sums of this many blocks are added with as many roundings to T: half as many ULP of the sum of the absolute values.
// That takes half the memory of sums in double, or none at all beside the result.
constexpr std::int64_t kMostRoundings = 12;

}  // namespace scorefn::tuning
