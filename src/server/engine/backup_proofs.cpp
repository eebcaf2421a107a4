// Proofs as they are kept.
#include <algorithm>

#include "server/engine/backup_kind.hpp"

namespace belay::server {
namespace backups = store::backups;

Result<std::vector<backup::Proof>> proofs_of_point(store::Sql& sql, std::string_view point_id) {
  backups::ProofFilter filter;
  filter.point_id = point_id;
  std::vector<backup::Proof> proofs;
  store::Page page{store::kPageLimitMax, {}};
  do {
    BELAY_TRY_ASSIGN(const auto some, backups::list_proofs(sql, filter, page));
    for (const auto& one : some.items) proofs.push_back(one.proof);
    page.after = some.next;
  } while (!page.after.empty());
  return proofs;
}

Result<std::vector<backup::Proof>> proofs_around(store::Sql& sql, std::string_view plan_id, std::string_view node_id,
                                                 std::span<const backup::RecoveryPoint> points) {
  BELAY_TRY_ASSIGN(auto proofs, backups::proofs_of(sql, plan_id, node_id));
  for (const auto& point : points) {
    const bool known = std::ranges::find(proofs, point.proof_id, &backup::Proof::proof_id) != proofs.end();
    if (point.proof_id.empty() || known) continue;
    const auto older = backups::get_proof(sql, point.proof_id);
    if (older.ok()) proofs.push_back(older->proof);
    else if (older.error().code() != Code::not_found) return older.error();
  }
  std::ranges::sort(proofs, std::ranges::greater(), &backup::Proof::at);
  return proofs;
}

}  // namespace belay::server
