#pragma once
// What nodes say of their storage, as findings: compliance items, and that RAID is no backup.
#include <string>

#include "core/fleet/facts.hpp"
#include "store/store.hpp"

namespace belay::server {

inline constexpr std::string_view kStorageComplianceType = "Custom:Storage";

// One item of NON_COMPLIANT for each array, disk, pool, file system or mount that is degraded (HIGH) or failing
// (CRITICAL); those that are well again are taken away. May be repeated.
Status judge_storage(store::Sql& sql, const std::string& node_id, Instant now);

// "md0 and tank" that outlive a disk; "" where there is none.
std::string arrays_of(const fleet::NodeFacts& facts);
// Of a node with such arrays: what they do not do, and what to do. `lacks`: "no backup plan covers this node".
std::string raid_is_no_backup(const std::string& arrays, const std::string& lacks);

}  // namespace belay::server
