#pragma once
// What only one node knows of itself, from its scan and its runs: holds, failed packages, what waits for a reboot.
#include <optional>
#include <string_view>

#include "core/baseline/evaluate.hpp"
#include "store/scans.hpp"
#include "store/store.hpp"

namespace belay::server {
Result<baseline::NodeState> node_state(store::Sql& sql, std::string_view node_id, const store::scans::Scan& scan,
                                       std::optional<Instant> as_of);
}
