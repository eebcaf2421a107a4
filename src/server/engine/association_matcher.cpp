// Which associations a node matches that came, changed its tags, or came back. One mechanism for all of them.
#include <algorithm>

#include "base/json.hpp"
#include "server/engine/association_kind.hpp"
#include "store/executions.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace associations = store::associations;

constexpr std::uint32_t kNodesAtOnce = 100;

bool matches_one(const association::Target& target, const store::nodes::Node& node,
                 const std::vector<store::tags::Tag>& tags) {
  const auto names = [&](const std::string& text) {
    return std::ranges::find(target.values, text) != target.values.end();
  };
  if (target.key == "InstanceIds" || target.key == "instanceids")
    return names("*") || names(node.node_id) || names(node.name);
  return std::ranges::any_of(tags, [&](const store::tags::Tag& tag) {
    if (target.key == "tag-key") return names(tag.key);
    return target.key == "tag:" + tag.key && names(tag.value);
  });
}

}  // namespace

bool matches(const association::Settings& settings, const store::nodes::Node& node,
             const std::vector<store::tags::Tag>& tags) {
  return node.state == store::nodes::NodeState::active &&
         std::ranges::all_of(settings.targets, [&](const auto& target) { return matches_one(target, node, tags); });
}

Result<std::vector<AssociationCandidate>> association_candidates(Sql& sql) {
  std::vector<AssociationCandidate> found;
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(auto listed, associations::list(sql, {}, page));
    for (auto& item : listed.items) {
      BELAY_TRY_ASSIGN(auto settings, settings_of(item.content));
      found.push_back({std::move(item), std::move(settings)});
    }
    page.after = listed.next;
  } while (!page.after.empty());
  return found;
}

namespace {

class MatcherKind : public ExecutionKind {
 public:
  std::string_view name() const override { return kAssociationMatcherKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>&, Instant now) override {
    BELAY_TRY_ASSIGN(const auto changed, associations::take_changed(sql, kNodesAtOnce));
    if (changed.empty()) return Advance{execution.state, {}, false};
    BELAY_TRY_ASSIGN(const auto candidates, association_candidates(sql));
    for (const auto& node_id : changed) BELAY_TRY(look_at(sql, node_id, candidates, now));
    return Advance{execution.state, now, false};  // more may wait
  }

 private:
  static Status look_at(Sql& sql, const std::string& node_id, const std::vector<AssociationCandidate>& candidates,
                        Instant now) {
    const auto node = store::nodes::get(sql, node_id);
    if (!node.ok()) return node.error().code() == Code::not_found ? Status() : Status(node.error());
    BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node_id));
    for (const auto& candidate : candidates) {
      const auto& id = candidate.row.association_id;
      const bool wanted = matches(candidate.settings, *node, tags);
      BELAY_TRY_ASSIGN(const auto standing, associations::find_node(sql, id, node_id));
      if (!wanted && standing) BELAY_TRY(drop_association_node(sql, id, node_id, now));
      if (wanted && (!standing || standing->missed)) BELAY_TRY(tell(sql, id, node_id, now));
    }
    return {};
  }

  static Status tell(Sql& sql, const std::string& association_id, const std::string& node_id, Instant now) {
    store::executions::Event event;
    event.key = "node " + node_id + " " + std::to_string(to_unix_ms(now));
    event.body = json::encode_text(association::Event{association::EventKind::nodes, now, 0, {node_id}, ""});
    event.at = now;
    return store::executions::post(sql, kAssociationKind, association_id, event);
  }
};

}  // namespace

std::unique_ptr<ExecutionKind> make_association_matcher_kind() { return std::make_unique<MatcherKind>(); }

}  // namespace belay::server
