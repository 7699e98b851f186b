// How a kernel goes through its rows.
#pragma once

#include <type_traits>

#include "kernels/rows/long_rows.inl"
#include "kernels/rows/short_rows.inl"

namespace scorefn {
namespace {

// run(group_at) with what makes group_at(block, its first row) of rows of this length.
template <class T, class Run>
SCOREFN_INLINE std::int64_t with_groups(std::int64_t cols, Run run) {
    if (!is_short(cols))
        return run([](Block<T>& block, int row) SCOREFN_INLINE_LAMBDA { return LongRows<T>(block, row); });
    return with_tile<T>(cols, [&](const auto& tile) SCOREFN_INLINE_LAMBDA {
        using Tile = std::decay_t<decltype(tile)>;
        return run([&](Block<T>& block, int row)
                       SCOREFN_INLINE_LAMBDA { return TileRows<T, Tile>(block, row, tile); });
    });
}

// kernel(group) for the groups of all rows. Its results go to `out`, if there is one. Stops at a row without an allowed
// action, and returns it; -2 if an action is out of range; else -1. `reads_tiles`: of logits, which then have to be whole.
template <class T, class Kernel>
SCOREFN_INLINE std::int64_t map_groups(const LogitRows<T>& in, const OutRows<T>* out, bool accumulate,
                                       bool reads_tiles, void* scratch, Kernel kernel,
                                       const double* visits = nullptr) {
    Block<T> block(in, scratch);
    block.visits = visits;
    const std::int64_t most = block_rows<T>(in.cols);
    const bool is_direct = out && !accumulate && !has_gaps(*out, in.rows);
    // Threads that share out a row do not write in order.
    block.is_streamed = is_direct && out->is_streamed && !in.team.parallel_for;
    const auto run = [&](auto group_at) SCOREFN_NO_INLINE_LAMBDA -> std::int64_t {
        for (std::int64_t first = 0; first < in.rows; first += most) {
            block.load(first, static_cast<int>(in.rows - first < most ? in.rows - first : most), reads_tiles);
            block.to = is_direct ? out->data + first * out->row_stride : block.e;
            if (block.is_streamed) block.stream = NonTemporalStore<T>(block.to);
            for (int row = 0; row < block.count; row += Lanes<T>::size) {
                auto group = group_at(block, row);
                kernel(group);
                if (block.stopped_at != -1) return block.stopped_at;
            }
            if (block.is_streamed) block.stream.finish();
            if (out) block.copy_results(*out, accumulate);
        }
        if (block.is_streamed) store_fence();
        return -1;
    };
    Spread<T> spread = block.buffers.spread;
    if (out && is_short(in.cols))
        spread.fill(in.cols, (in.rows < Lanes<T>::size ? in.rows : Lanes<T>::size) * in.cols);
    return with_groups<T>(in.cols, run);
}
template <class T, class Kernel>
SCOREFN_INLINE std::int64_t for_each_group(const LogitRows<T>& in, bool reads_tiles, void* scratch,
                                           Kernel kernel) {
    return map_groups(in, static_cast<const OutRows<T>*>(nullptr), false, reads_tiles, scratch, kernel);
}

}  // namespace
}  // namespace scorefn
