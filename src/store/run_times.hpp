#pragma once
// How long documents took on nodes before: of commands that ended well, from their turn to their end.
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.hpp"

namespace belay::store::run_times {

inline constexpr std::uint32_t kRunsMax = 20;  // the newest of each node

// In the order of the nodes, the newest run first. `operation` ("Scan", "Install") is that of the patch documents,
// which take very different times; "" takes every run of the document.
Result<std::vector<std::vector<Duration>>> of(Sql& sql, std::string_view document_name, std::string_view operation,
                                              std::span<const std::string> node_ids);

}  // namespace belay::store::run_times
