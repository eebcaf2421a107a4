#include "server/engine/approvals.hpp"

#include <algorithm>

#include "base/bytes.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"

namespace belay::server {
namespace {

patchrun::ApprovedChanges named(const ChangeSetView& view, const patchrun::ChangeTree& tree) {
  patchrun::ApprovedChanges out;
  out.sha256 = view.sha256;
  out.author = view.created_by;
  out.root = tree.root();
  out.lines = tree.lines();
  return out;
}

}  // namespace

patchrun::ChangeTree change_tree_of(const ChangeSetView& view) {
  std::vector<fleet::PackageChange> all;
  for (const auto& part : view.parts) all.insert(all.end(), part.changes.begin(), part.changes.end());
  return patchrun::ChangeTree(std::move(all), io::sha256);
}

store::change_sets::Approval sign_approval(const Authority& authority, const ChangeSetView& view,
                                           std::string_view approver, Instant now) {
  const auto statement =
      patchrun::approval_statement(view.change_set_id, named(view, change_tree_of(view)), approver, now);
  store::change_sets::Approval approval;
  approval.approver = approver;
  approval.key_id = io::sha256_hex(authority.order_public_key).substr(0, 16);
  approval.signature = to_base64(io::ed25519_sign(authority.order_private_key, statement));
  approval.approved_at = now;
  return approval;
}

Result<std::optional<patchrun::ApprovedChanges>> approved_changes(store::Sql& sql, const Authority& authority,
                                                                  const ChangeSetView& view,
                                                                  const patchrun::ChangeTree& tree,
                                                                  const std::vector<fleet::PackageChange>& changes,
                                                                  const std::vector<std::string>* only) {
  BELAY_TRY_ASSIGN(const auto given, store::change_sets::approvals(sql, view.change_set_id));
  auto out = named(view, tree);
  for (const auto& one : given) {
    if (only && std::ranges::find(*only, one.approver) == only->end()) continue;
    // Those of an earlier version, and of another order key, are signed otherwise: they let the rollout go, no node
    // counts them.
    const auto statement = patchrun::approval_statement(view.change_set_id, out, one.approver, one.approved_at);
    const auto signature = from_base64(one.signature);
    if (signature.ok() && io::ed25519_verify(authority.order_public_key, statement, *signature))
      out.approvals.push_back({one.approver, one.approved_at, one.signature});
    else log::warning("approval-not-passed-on", {{"changeSet", view.change_set_id}, {"approver", one.approver}});
    if (out.approvals.size() == patchrun::kApprovalsMax) break;
  }
  if (out.approvals.empty() || !tree.prove(changes, out)) return std::optional<patchrun::ApprovedChanges>();
  return std::optional(std::move(out));
}

}  // namespace belay::server
