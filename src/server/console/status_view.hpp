#pragma once
// The status page as a value, and its text. Pure: everything shown comes in, everything from outside is escaped.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/time.hpp"

namespace belay::server {

enum class Verdict { compliant, non_compliant, unknown };

struct NodeRow {
  std::string node_id, name, system, baseline_id, baseline_name, agent_version;
  Verdict verdict = Verdict::unknown;
  std::string why;  // of a verdict that is not compliant, one sentence
  std::uint32_t missing = 0, failed = 0, pending_reboot = 0, held_back = 0;
  bool online = false, reboot_required = false, clone_suspected = false;
  std::optional<Instant> scanned_at, last_seen_at;
};

struct CommandRow {
  std::string command_id, document, status;
  Instant requested_at{};
  std::uint32_t targets = 0, completed = 0, errors = 0;
};

struct StatusView {
  std::string version;
  Instant now{};
  std::vector<NodeRow> nodes;  // the first kNodesShown
  std::uint64_t nodes_total = 0, online_total = 0;
  std::uint64_t compliant = 0, non_compliant = 0, unknown = 0;
  std::uint64_t cloned = 0;          // suspected clones
  std::vector<CommandRow> commands;  // the newest
};
inline constexpr std::uint32_t kNodesShown = 200;
inline constexpr std::uint32_t kCommandsShown = 10;

std::string to_html(const StatusView& view);
std::string_view style_sheet();

}  // namespace belay::server
