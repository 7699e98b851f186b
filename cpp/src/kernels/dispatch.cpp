// Which kernel table: the best the CPU runs, or the lower one that SCOREFN_ISA names.

#include <atomic>
#include <cstdlib>
#include <scorefn/config.hpp>
#include <stdexcept>

#include "isas.hpp"
#include "kernels/table.hpp"

namespace scorefn {

// SCOREFN_ISAS(X) is X(name, is_supported) for each ISA of this build, worst first: made by cpp/CMakeLists.txt from
// the list that also names the compiler flags.
#define SCOREFN_DECLARE(name, is_supported) extern const KernelTable kernels_##name;
SCOREFN_ISAS(SCOREFN_DECLARE)
#undef SCOREFN_DECLARE

namespace {

std::vector<const KernelTable*> available_tables() {
    std::vector<const KernelTable*> tables;
#define SCOREFN_COLLECT(name, is_supported) \
    if (is_supported) tables.push_back(&kernels_##name);
    SCOREFN_ISAS(SCOREFN_COLLECT)
#undef SCOREFN_COLLECT
    return tables;
}

const KernelTable& choose() {
    const auto tables = available_tables();
    const char* wanted = std::getenv("SCOREFN_ISA");
    if (!wanted || !*wanted) return *tables.back();
    std::string names;
    for (const KernelTable* table : tables) {
        if (std::string(table->isa) == wanted) return *table;
        names += (names.empty() ? "" : ", ") + std::string(table->isa);
    }
    throw std::runtime_error("SCOREFN_ISA must be one of " + names + " on this CPU, got '" + wanted + "'");
}

}  // namespace

const KernelTable& kernels() {
    // No static variable with a lock, which a fork might find held. Two threads that choose at once choose the same.
    static std::atomic<const KernelTable*> chosen{nullptr};
    const KernelTable* table = chosen;
    if (!table) chosen = table = &choose();
    return *table;
}

std::vector<std::string> available_isas() {
    std::vector<std::string> names;
    for (const KernelTable* table : available_tables()) names.emplace_back(table->isa);
    return names;
}

std::string current_isa() { return kernels().isa; }

}  // namespace scorefn
