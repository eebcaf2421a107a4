#include "server/engine/association_sets.hpp"

#include <algorithm>
#include <map>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "core/command/rate.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_kind.hpp"
#include "server/engine/command_options.hpp"
#include "server/engine/order_desk.hpp"
#include "store/association_sets.hpp"
#include "wire/codec.hpp"

namespace belay::server {
namespace {
using store::Sql;
namespace associations = store::associations;
namespace sets = store::association_sets;

constexpr std::uint32_t kNodesAtOnce = 100;
constexpr std::size_t kSetBytesMax = 4u << 20;
constexpr Duration kTryAgain{600'000};  // where the node has too many orders waiting

// A step that a node cannot do without the server, in words; "" for the others.
std::string server_step(const document::Step& step) {
  if (!step.skip.empty()) return "";
  if (std::holds_alternative<document::Patch>(step.work)) return "patches are judged by the server";
  if (std::holds_alternative<document::ConfigurePackage>(step.work)) return "the package comes from the server";
  if (std::holds_alternative<document::RefreshAssociation>(step.work)) return "it asks the server for associations";
  if (const auto* inner = std::get_if<document::RunDocument>(&step.work); inner && !inner->local_path.empty())
    return "a document that lies on the node is expanded by the server";
  return "";
}

// Without looking at the document.
std::string refusal_of(const association::Settings& settings) {
  const auto limited = [](const std::string& text) { return !text.empty() && text != "100%"; };
  if (!settings.calendars.empty()) return "it minds change calendars, and those are the server's";
  if (!settings.window_id.empty()) return "it runs in a maintenance window, and that is the server's";
  if (settings.schedule.empty()) return "it has no schedule";
  if (limited(settings.max_concurrency)) return "its MaxConcurrency is minded by the server";
  if (limited(settings.max_errors)) return "its MaxErrors is minded by the server";
  return "";
}

// What a node keeps of it; nothing, and why, where it keeps none.
struct Form {
  std::optional<wire::OfflineAssociation> kept;
  std::string why;
};
Result<Form> form_of(Sql& sql, const associations::Association& row, const association::Settings& settings,
                     Instant now) {
  if (auto why = refusal_of(settings); !why.empty()) return Form{{}, std::move(why)};
  const auto options = [&]() -> Result<CommandOptions> {
    BELAY_TRY_ASSIGN(const auto found, find_document(sql, settings.document, settings.document_version));
    return command_options(found, settings.parameters, document_resolver(sql), Fetching::refused, now);
  }();
  if (sql.failure()) return *sql.failure();
  if (!options.ok()) return Form{{}, options.error().chain()};
  for (const auto& step : options->steps)
    if (auto why = server_step(step); !why.empty()) return Form{{}, "step " + step.name + ": " + why};
  wire::OfflineAssociation kept;
  kept.association_id = row.association_id;
  kept.version = row.version;
  kept.document = options->document;
  kept.schedule = settings.schedule;
  kept.offset_days = settings.offset_days;
  kept.duration_hours = settings.duration_hours;
  kept.since = row.updated_at;
  kept.steps = options->steps;
  return Form{std::move(kept), ""};
}

class SetsKind : public ExecutionKind {
 public:
  explicit SetsKind(const Authority& authority) : authority_(authority) {}
  std::string_view name() const override { return kAssociationSetsKind; }

  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>&, Instant now) override {
    BELAY_TRY_ASSIGN(const auto due, sets::due(sql, now, kNodesAtOnce));
    if (!due.empty()) {
      BELAY_TRY_ASSIGN(const auto candidates, association_candidates(sql));
      Forms forms;
      for (const auto& set : due) BELAY_TRY(look_at(sql, set, candidates, forms, now));
    }
    BELAY_TRY_ASSIGN(const auto next, sets::next_due(sql));
    return Advance{execution.state, next, false};
  }

 private:
  using Forms = std::map<std::string, Form>;  // by association

  Status look_at(Sql& sql, sets::Set set, const std::vector<AssociationCandidate>& candidates, Forms& forms,
                 Instant now) {
    const auto node = store::nodes::get(sql, set.node_id);
    if (!node.ok() && node.error().code() != Code::not_found) return node.error();
    if (!node.ok() || node->state != store::nodes::NodeState::active) return sets::remove(sql, set.node_id);
    BELAY_TRY_ASSIGN(auto wanted, wanted_by(sql, *node, candidates, forms, now));
    const std::string hash = wanted.empty() ? "" : io::sha256_hex(wire::canonical_text(wanted));
    const bool fresh = hash.empty() || (set.valid_until && now < *set.valid_until - kSetValidFor / 2);
    if (hash == set.hash && fresh) {
      set.due_at = hash.empty() ? std::nullopt : std::optional(*set.valid_until - kSetValidFor / 2);
      return sets::put(sql, set);
    }
    return send(sql, std::move(set), hash, std::move(wanted), now);
  }

  static Result<std::vector<wire::OfflineAssociation>> wanted_by(Sql& sql, const store::nodes::Node& node,
                                                                 const std::vector<AssociationCandidate>& candidates,
                                                                 Forms& forms, Instant now) {
    BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node.node_id));
    std::vector<wire::OfflineAssociation> wanted;
    std::size_t bytes = 0;
    for (const auto& [row, settings] : candidates) {
      if (!matches(settings, node, tags)) continue;
      auto form = forms.find(row.association_id);
      if (form == forms.end()) {
        BELAY_TRY_ASSIGN(auto made, form_of(sql, row, settings, now));
        form = forms.emplace(row.association_id, std::move(made)).first;
      }
      if (!form->second.kept) continue;
      const auto size = json::encode_text(*form->second.kept).size();
      if (wanted.size() == wire::kAssociationsMax || bytes + size > kSetBytesMax) {
        log::warning("association-not-kept-by-node", {{"node", node.node_id}, {"association", row.association_id}});
        continue;
      }
      bytes += size;
      wanted.push_back(*form->second.kept);
    }
    return wanted;
  }

  Status send(Sql& sql, sets::Set set, const std::string& hash, std::vector<wire::OfflineAssociation> wanted,
              Instant now) {
    wire::Order order;
    order.order_id = order_id_for(kAssociationSetsKind, hash, set.node_id, std::to_string(to_unix_ms(now)));
    order.node_id = set.node_id;
    order.issued_at = now;
    order.expires_at = now + kSetValidFor;
    order.kind = wire::OrderKind::associations;
    order.associations = wire::AssociationsOrder{hash, order.expires_at, {}};
    set.associations.clear();
    for (const auto& kept : wanted) set.associations.push_back(kept.association_id);
    order.associations->associations = std::move(wanted);
    if (!set.order_id.empty()) BELAY_TRY(withdraw(sql, set.order_id, now));
    set.hash = hash;
    set.order_id = order.order_id;
    set.valid_until = order.expires_at;
    set.due_at = hash.empty() ? std::nullopt : std::optional(now + kSetValidFor / 2);
    const Status queued = queue_order(sql, authority_, std::move(order), {});
    if (!queued.ok() && queued.error().code() == Code::resource_exhausted) {
      BELAY_TRY_ASSIGN(auto before, sets::find(sql, set.node_id));
      before->due_at = now + kTryAgain;
      return sets::put(sql, *before);
    }
    BELAY_TRY(queued);
    return sets::put(sql, set);
  }

  // The newer set takes its place.
  static Status withdraw(Sql& sql, const std::string& order_id, Instant now) {
    const auto cancelled = store::orders::cancel(sql, order_id, now);
    return cancelled.ok() || cancelled.error().code() == Code::not_found ? Status() : Status(cancelled.error());
  }

  const Authority& authority_;
};

}  // namespace

std::unique_ptr<ExecutionKind> make_association_sets_kind(const Authority& authority) {
  return std::make_unique<SetsKind>(authority);
}

Result<std::string> offline_refusal(Sql& sql, const associations::Association& row,
                                    const association::Settings& settings, Instant now) {
  BELAY_TRY_ASSIGN(auto form, form_of(sql, row, settings, now));
  return std::move(form.why);
}

Status association_changed(Sql& sql, std::string_view association_id, const association::Settings* settings,
                           Instant now) {
  BELAY_TRY(sets::mark_holders(sql, association_id, now));
  if (settings && refusal_of(*settings).empty()) {
    const auto ids = resolve_targets(sql, {}, targets_of(*settings));
    if (!ids.ok() && sql.failure()) return ids.error();
    if (ids.ok()) BELAY_TRY(sets::mark(sql, *ids, now));
  }
  return wake_fleet_kind(sql, kAssociationSetsKind, now);
}

Status association_documents_changed(Sql& sql, Instant now) {
  BELAY_TRY(sets::mark_all(sql, now));
  return wake_fleet_kind(sql, kAssociationSetsKind, now);
}

Status greet_associations(Sql& sql, std::string_view node_id, const wire::Hello& hello, Instant now) {
  for (const auto& run : hello.taken_up) {
    BELAY_TRY_ASSIGN(auto standing, associations::find_node(sql, run.association_id, node_id));
    if (!standing || !standing->missed || standing->version != run.version) continue;
    const auto missed = associations::get_execution(sql, standing->execution_id);
    if (!missed.ok() && missed.error().code() != Code::not_found) return missed.error();
    if (!missed.ok() || missed->due_at > run.due_at) continue;
    standing->missed = false;
    BELAY_TRY(associations::put_nodes(sql, std::span(&*standing, 1)));
  }
  if (!hello.associations_hash) return {};
  BELAY_TRY_ASSIGN(auto set, sets::find(sql, node_id));
  if ((set ? set->hash : "") == *hello.associations_hash) return {};
  if (set && !set->order_id.empty()) {
    const auto order = store::orders::get(sql, set->order_id);
    if (!order.ok() && order.error().code() != Code::not_found) return order.error();
    using store::orders::State;
    // It is on its way.
    if (order.ok() && (order->state == State::queued || order->state == State::delivered) && order->expires_at > now)
      return {};
  }
  if (!set) set = sets::Set{.node_id = std::string(node_id)};
  set->hash = *hello.associations_hash;
  set->due_at = now;
  BELAY_TRY(sets::put(sql, *set));
  return wake_fleet_kind(sql, kAssociationSetsKind, now);
}

Status refresh_associations(Sql& sql, std::string_view node_id, const wire::AssociationsWanted& wanted, Instant now) {
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
  BELAY_TRY_ASSIGN(const auto tags, store::tags::list(sql, store::tags::kManagedInstance, node_id));
  BELAY_TRY_ASSIGN(const auto candidates, association_candidates(sql));
  const association::Event asks{association::EventKind::refresh, now, 0, {std::string(node_id)}, ""};
  for (const auto& [row, settings] : candidates) {
    const auto& ids = wanted.association_ids;
    if (!ids.empty() && std::ranges::find(ids, row.association_id) == ids.end()) continue;
    if (!matches(settings, node, tags)) continue;
    store::executions::Event event;
    event.key = "refresh " + std::string(node_id) + " " + std::to_string(to_unix_ms(now));
    event.body = json::encode_text(asks);
    event.at = now;
    BELAY_TRY(store::executions::post(sql, kAssociationKind, row.association_id, event));
  }
  return {};
}

}  // namespace belay::server
