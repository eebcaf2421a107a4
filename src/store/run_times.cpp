#include "store/run_times.hpp"

#include "store/detail.hpp"

namespace belay::store::run_times {
namespace {

constexpr std::uint32_t kLookedAt = 60;  // of a node's commands with this document: other operations are among them

bool has_operation(const std::string& parameters, std::string_view operation) {
  const auto parsed = json::decode_text<std::map<std::string, std::vector<std::string>>>(parameters);
  if (!parsed.ok()) return false;
  const auto at = parsed->find("Operation");
  return at != parsed->end() && !at->second.empty() && at->second.front() == operation;
}

}  // namespace

Result<std::vector<std::vector<Duration>>> of(Sql& sql, std::string_view document_name, std::string_view operation,
                                              std::span<const std::string> node_ids) {
  std::vector<Params> asked;
  for (const auto& node_id : node_ids) asked.push_back({node_id, document_name, kLookedAt});
  BELAY_TRY_ASSIGN(const auto answers,
                   sql.query_many("SELECT i.finished_at - i.started_at, c.parameters FROM invocations i "
                                  "JOIN commands c ON c.command_id = i.command_id WHERE i.node_id = $1 "
                                  "AND c.document_name = $2 AND i.status = 'Success' AND i.started_at IS NOT NULL "
                                  "AND i.finished_at IS NOT NULL ORDER BY i.requested_at DESC, i.command_id DESC "
                                  "LIMIT $3",
                                  asked));
  std::vector<std::vector<Duration>> found;
  for (const auto& rows : answers) {
    auto& times = found.emplace_back();
    for (const auto& row : rows)
      if (times.size() < kRunsMax && (operation.empty() || has_operation(row.text(1), operation)))
        times.push_back(Duration(row.integer(0)));
  }
  return found;
}

}  // namespace belay::store::run_times
