#pragma once

#include <string>

namespace scorefn {

// The CPUs' worth of time that cgroups allow this process, infinity if they set no limit: the smallest of the limits on the
// way from its own group up to the root, in version 1 or 2 of their file system. The arguments are for tests.
double cgroup_quota(const std::string& groups_of_process = "/proc/self/cgroup",
                    const std::string& file_system = "/sys/fs/cgroup");

}  // namespace scorefn
