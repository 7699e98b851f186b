#include "runtime/cgroup.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>

namespace scorefn {
namespace {

double quota_v2(const std::string& group) {
    std::ifstream file(group + "/cpu.max");
    std::string quota;
    double period = 0;
    if (!(file >> quota >> period) || quota == "max" || period <= 0) return HUGE_VAL;
    const double time = std::atof(quota.c_str());
    return time > 0 ? time / period : HUGE_VAL;
}
double quota_v1(const std::string& group) {
    std::ifstream quota_file(group + "/cpu.cfs_quota_us"), period_file(group + "/cpu.cfs_period_us");
    double quota = 0, period = 0;
    if (!(quota_file >> quota) || !(period_file >> period) || quota <= 0 || period <= 0) return HUGE_VAL;
    return quota / period;
}

}  // namespace

double cgroup_quota(const std::string& groups_of_process, const std::string& file_system) {
    double smallest = HUGE_VAL;
    std::ifstream file(groups_of_process);
    for (std::string line; std::getline(file, line);) {  // hierarchy:controllers:path
        const auto first = line.find(':'), second = line.find(':', first + 1);
        if (second == std::string::npos) continue;
        const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
        const bool is_v2 = controllers == ",,";
        if (!is_v2 && controllers.find(",cpu,") == std::string::npos) continue;
        // In a container the path may be that of the host, of which only the root is to be seen.
        const std::string root = is_v2 ? file_system : file_system + "/cpu";
        for (std::string path = line.substr(second + 1);; path.erase(path.rfind('/'))) {
            const std::string group = root + (path == "/" ? "" : path);
            smallest = std::min(smallest, is_v2 ? quota_v2(group) : quota_v1(group));
            if (path.find('/') == std::string::npos) break;
        }
    }
    return smallest;
}

}  // namespace scorefn
