// log_prob and entropy of rows.

template <class T>
std::int64_t log_prob(const LogitRows<T>& in, const std::int64_t* actions, T* out, std::int64_t stride,
                      void* scratch) {
    return for_each_block(Wants<false, false>{}, in, scratch, [&](const auto& block) {
        alignas(64) T z_a[kMostBlockRows], values[kMostBlockRows];
        logits_of_actions(block, actions + block.first, z_a);
        block.for_each_row_vector(
            [&](int r) { log_prob(block, r, z_a, log_total(block, r)).store(values + r); });
        store_rows(values, block.count, out + block.first * stride, stride);
    });
}

template <class T>
std::int64_t entropy(const LogitRows<T>& in, T* out, std::int64_t stride, void* scratch) {
    return for_each_block(Wants<false, true>{}, in, scratch, [&](const auto& block) {
        alignas(64) T values[kMostBlockRows];
        block.for_each_row_vector([&](int r) { entropy(block, r, log_total(block, r)).store(values + r); });
        store_rows(values, block.count, out + block.first * stride, stride);
    });
}
