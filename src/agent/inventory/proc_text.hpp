#pragma once
// The kernel's and systemd's text files as values. Pure, bounded; lines that are none of theirs are passed over.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.hpp"
#include "core/fleet/facts.hpp"

namespace belay::agent::inventory {

// /proc/self/mounts: file systems on local disks, and the root whatever it is. Never one that may hang (network, FUSE).
std::vector<fleet::Mount> parse_mounts(std::string_view text);

std::uint64_t memory_total_bytes(std::string_view meminfo);
std::uint32_t count_cpus(std::string_view cpuinfo);

// btime of /proc/stat and the start of process 1 (/proc/1/stat): in a container only the second is its own.
std::optional<Instant> booted_at(std::string_view stat, std::string_view process_1_stat, long ticks_per_second);

// Addresses of this machine out of /proc/net/fib_trie and /proc/net/if_inet6, loopback left out; sorted.
std::vector<std::string> parse_addresses(std::string_view fib_trie, std::string_view if_inet6);

// `systemctl list-units --type=service --plain --no-legend`
std::vector<fleet::Service> parse_services(std::string_view text);

// /proc/PID/maps: files mapped to be run that were deleted or replaced since.
std::vector<std::string> deleted_libraries(std::string_view maps);
// /proc/PID/cgroup: the systemd service, "" where it is in none.
std::string service_of_cgroup(std::string_view cgroup);

// Whether `newer` is a kernel release above `older`; kernels of another flavour (…-cloud-amd64, …-amd64) do not count.
bool is_newer_kernel(std::string_view newer, std::string_view older);

}  // namespace belay::agent::inventory
