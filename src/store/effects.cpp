#include "base/text.hpp"
#include "store/detail.hpp"
#include "store/executions.hpp"

namespace belay::store::executions {
namespace {
constexpr std::size_t kErrorBytesMax = 2'000;
}

Status add_effects(Sql& sql, std::span<const Effect> effects) {
  std::vector<Params> rows;
  for (const auto& item : effects) rows.push_back({item.kind, item.execution_id, item.effect, item.body, item.due_at});
  BELAY_TRY(
      sql.exec_many("INSERT INTO effects (kind, execution_id, effect, body, attempts, last_error, due_at, lease_owner) "
                    "VALUES ($1, $2, $3, $4, 0, '', $5, '')",
                    rows));
  return {};
}

Result<std::vector<Effect>> claim_effects(Sql& sql, std::string_view owner, Instant now, Duration lease,
                                          std::uint32_t limit) {
  if (owner.empty() || lease <= Duration(0))
    return Error(Code::invalid_argument, "a lease needs an owner and a length");
  BELAY_TRY_ASSIGN(
      const auto rows,
      sql.query("UPDATE effects SET lease_owner = $1, lease_until = $3, attempts = attempts + 1 "
                "WHERE (lease_until IS NULL OR lease_until <= $2) AND sequence IN "
                "(SELECT sequence FROM effects WHERE due_at <= $2 AND (lease_until IS NULL OR lease_until <= $2) "
                "ORDER BY due_at, sequence LIMIT $4) "
                "RETURNING sequence, kind, execution_id, effect, body, attempts, last_error, due_at",
                {owner, now, now + lease, limit}));
  std::vector<Effect> claimed;
  for (const auto& row : rows)
    claimed.push_back({row.integer(0), row.text(1), row.text(2), row.text(3), row.text(4),
                       static_cast<std::uint32_t>(row.integer(5)), row.text(6), row.instant(7)});
  std::ranges::sort(claimed, {}, [](const Effect& item) { return std::tie(item.due_at, item.sequence); });
  return claimed;
}

Status effect_done(Sql& sql, std::int64_t sequence) {
  BELAY_TRY(sql.exec("DELETE FROM effects WHERE sequence = $1", {sequence}));
  return {};
}

Status effect_failed(Sql& sql, std::int64_t sequence, std::string_view error, Instant retry_at) {
  BELAY_TRY(sql.exec(
      "UPDATE effects SET last_error = $2, due_at = $3, lease_owner = '', lease_until = NULL WHERE sequence = $1",
      {sequence, sanitize(error, kErrorBytesMax), retry_at}));
  return {};
}

}  // namespace belay::store::executions
