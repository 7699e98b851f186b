// How a kernel goes through its rows.
#pragma once

#include "kernels/rows/long_rows.inl"
#include "kernels/rows/short_rows.inl"

namespace scorefn {
namespace {

// run(tile_at) with what makes tile_at(block, its first row) of rows of this length.
template <class T, class Run>
SCOREFN_INLINE std::int64_t with_tiles(std::int64_t cols, Run run) {
    if (!is_short(cols))
        return run([](Block<T>& block, int row) SCOREFN_INLINE_LAMBDA { return LongTile<T>(block, row); });
    const Layout<T> layout(cols);
    return run([&](Block<T>& block, int row)
                   SCOREFN_INLINE_LAMBDA { return ShortTile<T>(block, row, layout); });
}

// kernel(tile) for the tiles of all rows. Its results go to `out`, if there is one. Stops at a row without an allowed
// action, and returns it; -2 if an action is out of range; else -1. `reads_tiles`: of logits, which then have to be whole.
// `takes_exps`: false if the kernel does not read their exponentials.
template <class T, class Kernel>
SCOREFN_INLINE std::int64_t for_each_tile(const LogitRows<T>& in, const OutRows<T>* out, bool accumulate,
                                          bool reads_tiles, void* scratch, Kernel kernel,
                                          const double* visits = nullptr, bool takes_exps = true) {
    Block<T> block(in, scratch, out, accumulate);
    block.visits = visits;
    block.takes_exps = takes_exps;
    const std::int64_t most = block_rows<T>(in.cols);
    const auto run = [&](auto tile_at) SCOREFN_NO_INLINE_LAMBDA -> std::int64_t {
        for (std::int64_t first = 0; first < in.rows; first += most) {
            block.load(first, static_cast<int>(in.rows - first < most ? in.rows - first : most), reads_tiles);
            for (int row = 0; row < block.count; row += Lanes<T>::size) {
                auto tile = tile_at(block, row);
                if (tile.num_valid > 0) kernel(tile);
                if (block.stopped_at != -1) return block.stopped_at;
                if (out && !tile.are_all_valid())
                    clear_invalid(in.valid, tile.first(), tile.count, in.cols, tile.to());
            }
            block.finish();
        }
        if (block.is_nontemporal) store_fence();
        return -1;
    };
    RowBroadcast<T> broadcast = block.buffers.broadcast;
    if (out && is_short(in.cols))
        broadcast.fill(in.cols, (in.rows < Lanes<T>::size ? in.rows : Lanes<T>::size) * in.cols);
    return with_tiles<T>(in.cols, run);
}
template <class T, class Kernel>
SCOREFN_INLINE std::int64_t for_each_tile(const LogitRows<T>& in, bool reads_tiles, void* scratch,
                                          Kernel kernel) {
    return for_each_tile(in, static_cast<const OutRows<T>*>(nullptr), false, reads_tiles, scratch, kernel);
}

}  // namespace
}  // namespace scorefn
