#include "server/engine/intake.hpp"

#include <algorithm>

#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "core/fleet/operating_system.hpp"
#include "io/crypto.hpp"
#include "server/engine/association_sets.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/backup_kind.hpp"
#include "server/engine/facts_check.hpp"
#include "server/engine/inventory_intake.hpp"
#include "server/engine/node_event.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/unsettled_nodes.hpp"
#include "store/executions.hpp"
#include "store/inbox.hpp"
#include "store/runs.hpp"

namespace belay::server {
namespace {
using store::Sql;
using store::contents::Kind;

constexpr std::size_t kAckIdsMax = 1'000;
constexpr std::size_t kFindingsMax = 100;  // of one watch

template <typename Message>
bool is(const wire::Envelope& message) {
  return message.type == wire::type_name<Message>();
}

Status check_watched(const backup::WatchReport& report) {
  if (report.plan_id.size() > 64 || report.findings.size() > kFindingsMax ||
      report.log_gaps.size() > backup::kLogGapsMax)
    return Error(Code::invalid_argument, "backup_watched is too long");
  return {};
}

template <typename Set>
Status check_upload(const std::string& hash, const Set& set) {
  BELAY_TRY(check_set(set));
  if (io::sha256_hex(wire::canonical_text(set)) != hash)
    return Error(Code::corrupt, "the set is not the one that its hash names", "hash-mismatch");
  return {};
}

// Tells the execution that waits for the order, if any.
Status post(Sql& sql, const store::orders::Order& order, NodeEventKind kind, Taken& taken, Instant now) {
  BELAY_TRY_ASSIGN(const bool told, tell_execution(sql, order, kind, now));
  taken.events_posted = taken.events_posted || told;
  return {};
}

Result<store::orders::Order> own_order(Sql& sql, const std::string& node_id, const std::string& order_id) {
  const auto order = store::orders::get(sql, order_id);
  if (order.ok() && order->node_id == node_id) return order;
  if (!order.ok() && order.error().code() != Code::not_found) return order;
  return Error(Code::not_found, "order " + sanitize(order_id, 64) + " is not this node's");
}

Result<bool> awaited(Sql& sql, const store::orders::Order& order) {
  if (order.execution_kind.empty()) return false;
  const auto execution = store::executions::get(sql, order.execution_kind, order.execution_id);
  if (execution.ok()) return !execution->finished;
  if (execution.error().code() == Code::not_found) return false;
  return execution.error();
}

// False where it is there already.
Result<bool> add_run(Sql& sql, store::runs::Run run, patchrun::PatchRunReport report, const std::string& boot_id,
                     Instant now) {
  run.started_at = std::min(run.started_at, now);
  run.finished_at = std::min(run.finished_at, now);
  run.received_at = now;
  run.report = std::move(report);
  run.report.run_id = run.run_id;
  run.report.problems = cleaned(std::move(run.report.problems));
  run.report.output = sanitize(run.report.output, wire::kOutputBytesMax);
  BELAY_TRY_ASSIGN(const bool added, store::runs::add(sql, run));
  if (added) BELAY_TRY(settle_by_run(sql, run, now));
  if (!added || !run.report.reboot_pending) return added;
  std::vector<store::runs::PendingReboot> pending;
  for (const auto& change : run.report.changed)
    if (!change.to_version.empty())
      pending.push_back({change.name, change.arch, change.to_version, run.run_id, boot_id, now});
  BELAY_TRY(store::runs::add_pending_reboot(sql, run.node_id, pending));
  return true;
}

Status keep_run(Sql& sql, const store::orders::Order& order, const wire::OrderResult& result,
                const std::string& boot_id, Instant now) {
  BELAY_TRY_ASSIGN(const auto content, content_of(sql, order.order_id));
  store::runs::Run run;
  run.run_id = order.order_id;
  run.node_id = order.node_id;
  run.command_id = order.execution_kind == "command" ? order.execution_id : "";
  run.change_set_id = content.patch ? content.patch->change_set_id : "";
  run.started_at = result.started_at;
  run.finished_at = result.finished_at;
  run.reboot = content.patch ? content.patch->reboot : patchrun::Reboot::if_needed;
  const auto added = add_run(sql, std::move(run), *result.run, boot_id, now);
  return added.ok() ? Status() : Status(added.error());
}

// As the API's shapes have it for everybody else.
Status check_words(const inventory::ReportedItem& item) {
  const auto wrong = [](std::string_view text, std::size_t bytes_max) { return sanitize(text, bytes_max) != text; };
  if (wrong(item.type_name, 100)) return Error(Code::invalid_argument, "an inventory type's name is no name");
  const auto& version = item.schema_version;
  if (version.empty() || version.size() > 13 || version.find_first_not_of("0123456789.") != std::string::npos)
    return Error(Code::invalid_argument, item.type_name + " has no schema version");
  for (const auto& entry : item.content)
    for (const auto& [attribute, value] : entry)
      if (attribute.empty() || wrong(attribute, 64) || wrong(value, 4'096))
        return Error(Code::invalid_argument, item.type_name + " has an attribute that is no text within bounds");
  return {};
}

// What does not keep the rules is left out and logged: the node's answer itself is none the worse for it.
Status keep_inventory(Sql& sql, const std::string& node_id, const std::vector<inventory::ReportedItem>& items,
                      Instant now) {
  for (const auto& item : items) {
    const ReportedInventory report{item.type_name, item.schema_version, "", item.captured_at, item.content};
    auto taken = check_words(item);
    if (taken.ok()) taken = check_inventory(report);
    if (taken.ok()) {
      const auto changed = take_inventory(sql, node_id, report, now);
      if (!changed.ok() && changed.error().code() != Code::invalid_argument) return changed.error();
      if (!changed.ok()) taken = changed.error();
    }
    if (!taken.ok()) log::warning("inventory-left-out", {{"node", node_id}, {"why", taken.error()}});
  }
  return {};
}

}  // namespace

Result<wire::Envelope> Intake::parse(std::string_view text) const { return wire::parse_envelope(text); }

Status Intake::check(const wire::Envelope& message) const {
  if (std::ranges::any_of(message.id, [](char c) { return c <= 0x20 || c >= 0x7f; }))
    return Error(Code::invalid_argument, "the message's id has characters that no id has");
  if (is<wire::Hello>(message)) {
    BELAY_TRY_ASSIGN(const auto hello, wire::unpack<wire::Hello>(message));
    if (hello.instance_nonce.empty() || hello.instance_nonce.size() > 128 || !is_valid_utf8(hello.instance_nonce))
      return Error(Code::invalid_argument, "hello has no usable instance_nonce");
    BELAY_TRY(check_taken_up(hello));
    return check_facts(hello.facts);
  }
  if (is<wire::FactsReport>(message)) {
    BELAY_TRY_ASSIGN(const auto report, wire::unpack<wire::FactsReport>(message));
    return check_facts(report.facts);
  }
  if (is<wire::ScanReport>(message)) {
    BELAY_TRY_ASSIGN(const auto report, wire::unpack<wire::ScanReport>(message));
    return check_report(report);
  }
  if (is<wire::PackageSetUpload>(message)) {
    BELAY_TRY_ASSIGN(const auto upload, wire::unpack<wire::PackageSetUpload>(message));
    return check_upload(upload.hash, upload.set);
  }
  if (is<wire::OfferSetUpload>(message)) {
    BELAY_TRY_ASSIGN(const auto upload, wire::unpack<wire::OfferSetUpload>(message));
    return check_upload(upload.hash, upload.set);
  }
  if (is<wire::OrderResult>(message)) {
    BELAY_TRY_ASSIGN(const auto result, wire::unpack<wire::OrderResult>(message));
    return check_result(result);
  }
  if (is<wire::OwnRun>(message)) {
    BELAY_TRY_ASSIGN(const auto own, wire::unpack<wire::OwnRun>(message));
    return check_own_run(own);
  }
  if (is<wire::AssociationsWanted>(message)) {
    BELAY_TRY_ASSIGN(const auto wanted, wire::unpack<wire::AssociationsWanted>(message));
    return check_association_ids(wanted.association_ids);
  }
  if (is<wire::BackupWatched>(message)) {
    BELAY_TRY_ASSIGN(const auto watched, wire::unpack<wire::BackupWatched>(message));
    return check_watched(watched.report);
  }
  if (is<wire::OrderUpdate>(message)) {
    BELAY_TRY_ASSIGN(const auto update, wire::unpack<wire::OrderUpdate>(message));
    if (update.step.size() > 256 || update.detail.size() > 8'192)
      return Error(Code::invalid_argument, "order_update is too long");
    return {};
  }
  if (is<wire::Ack>(message)) {
    BELAY_TRY_ASSIGN(const auto ack, wire::unpack<wire::Ack>(message));
    if (ack.ids.size() > kAckIdsMax) return Error(Code::invalid_argument, "ack names too many ids");
    return {};
  }
  if (is<wire::Refused>(message)) {
    const auto refused = wire::unpack<wire::Refused>(message);
    return refused.ok() ? Status() : Status(refused.error());
  }
  return Error(Code::unsupported, "messages of the type '" + sanitize(message.type, 40) + "' are not known here");
}

Result<Taken> Intake::take(Sql& sql, const std::string& node_id, const wire::Envelope& message, Instant now) const {
  if (is<wire::Ack>(message)) {
    BELAY_TRY_ASSIGN(const auto ack, wire::unpack<wire::Ack>(message));
    return take_ack(sql, node_id, ack, now);
  }
  BELAY_TRY_ASSIGN(const bool first, store::inbox::first_time(sql, node_id, message.id, now));
  if (!first) {
    // The answer to the first one may be lost: what it asked for is asked for again.
    Taken again;
    if (is<wire::ScanReport>(message)) {
      BELAY_TRY_ASSIGN(again.need, missing_sets(sql, node_id));
    }
    return again;
  }
  if (is<wire::ScanReport>(message)) {
    BELAY_TRY_ASSIGN(const auto report, wire::unpack<wire::ScanReport>(message));
    return take_scan(sql, node_id, report, now);
  }
  if (is<wire::PackageSetUpload>(message)) {
    BELAY_TRY_ASSIGN(const auto upload, wire::unpack<wire::PackageSetUpload>(message));
    return take_set(sql, Kind::package_set, upload.hash, wire::canonical_text(upload.set), now);
  }
  if (is<wire::OfferSetUpload>(message)) {
    BELAY_TRY_ASSIGN(const auto upload, wire::unpack<wire::OfferSetUpload>(message));
    return take_set(sql, Kind::offer_set, upload.hash, wire::canonical_text(upload.set), now);
  }
  if (is<wire::OrderUpdate>(message)) {
    BELAY_TRY_ASSIGN(const auto update, wire::unpack<wire::OrderUpdate>(message));
    return take_update(sql, node_id, update, now);
  }
  if (is<wire::OrderResult>(message)) {
    BELAY_TRY_ASSIGN(const auto result, wire::unpack<wire::OrderResult>(message));
    return take_result(sql, node_id, result, now);
  }
  if (is<wire::OwnRun>(message)) {
    BELAY_TRY_ASSIGN(const auto own, wire::unpack<wire::OwnRun>(message));
    return take_own_run(sql, node_id, own, now);
  }
  if (is<wire::AssociationsWanted>(message)) {
    BELAY_TRY_ASSIGN(const auto wanted, wire::unpack<wire::AssociationsWanted>(message));
    BELAY_TRY(refresh_associations(sql, node_id, wanted, now));
    Taken taken;
    taken.events_posted = true;
    return taken;
  }
  if (is<wire::BackupWatched>(message)) {
    BELAY_TRY_ASSIGN(const auto watched, wire::unpack<wire::BackupWatched>(message));
    return take_watched(sql, node_id, watched.report, now);
  }
  if (is<wire::Refused>(message)) {
    BELAY_TRY_ASSIGN(const auto refused, wire::unpack<wire::Refused>(message));
    return take_refused(sql, node_id, refused, now);
  }
  BELAY_TRY_ASSIGN(const auto report, wire::unpack<wire::FactsReport>(message));
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
  BELAY_TRY(take_facts(sql, node_id, report.facts, node.agent_version));
  return Taken{};
}

Status Intake::take_facts(Sql& sql, const std::string& node_id, const fleet::NodeFacts& facts,
                          std::string_view agent_version) const {
  const auto system = fleet::operating_system_of(facts.os_id, facts.os_version);
  BELAY_TRY(store::nodes::set_facts(sql, node_id, cleaned(facts), system ? fleet::to_text(*system) : "",
                                    sanitize(agent_version, 64)));
  if (!facts.boot_id.empty()) BELAY_TRY(store::runs::booted(sql, node_id, facts.boot_id));
  return {};
}

// ---- scans

Result<wire::NeedSets> Intake::missing_sets(Sql& sql, const std::string& node_id) const {
  wire::NeedSets need;
  BELAY_TRY_ASSIGN(const auto scan, store::scans::newest(sql, node_id));
  if (!scan) return need;
  const std::string packages[] = {scan->package_set_hash}, offers[] = {scan->offer_set_hash};
  BELAY_TRY_ASSIGN(need.package_set_hashes, store::contents::missing(sql, Kind::package_set, packages));
  BELAY_TRY_ASSIGN(need.offer_set_hashes, store::contents::missing(sql, Kind::offer_set, offers));
  return need;
}

Result<Taken> Intake::take_scan(Sql& sql, const std::string& node_id, const wire::ScanReport& report,
                                Instant now) const {
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
  BELAY_TRY(take_facts(sql, node_id, report.facts, node.agent_version));
  store::scans::Scan scan;
  scan.scan_id = report.scan_id;
  scan.node_id = node_id;
  scan.order_id = report.order_id;
  scan.observed_at = std::min(report.observed_at, now);  // a clock that runs ahead makes nothing fresher
  scan.received_at = now;
  scan.package_set_hash = report.package_set_hash;
  scan.offer_set_hash = report.offer_set_hash;
  BELAY_TRY_ASSIGN(
      scan.facts_hash,
      store::contents::put(sql, Kind::facts, json::to_canonical_text(json::encode(cleaned(report.facts))), now));
  scan.packages = report.packages;
  scan.offers = report.offers;
  scan.held = report.held;
  scan.repositories = json::encode_text(report.repositories);
  scan.problems = cleaned(report.problems);
  BELAY_TRY_ASSIGN(const bool added, store::scans::add(sql, scan));
  Taken taken;
  if (!added) return taken;
  const std::string packages[] = {scan.package_set_hash}, offers[] = {scan.offer_set_hash};
  BELAY_TRY_ASSIGN(taken.need.package_set_hashes, store::contents::missing(sql, Kind::package_set, packages));
  BELAY_TRY_ASSIGN(taken.need.offer_set_hashes, store::contents::missing(sql, Kind::offer_set, offers));
  if (taken.need.package_set_hashes.empty() && taken.need.offer_set_hashes.empty())
    BELAY_TRY(complete(sql, scan, taken, now));
  return taken;
}

Result<Taken> Intake::take_set(Sql& sql, Kind kind, const std::string& hash, const std::string& text,
                               Instant now) const {
  const std::string hashes[] = {hash};
  BELAY_TRY_ASSIGN(const auto missing, store::contents::missing(sql, kind, hashes));
  Taken taken;
  if (missing.empty()) return taken;
  BELAY_TRY(store::contents::put(sql, kind, hash, text, now));
  BELAY_TRY(complete_waiting(sql, hash, taken, now));
  return taken;
}

// Every node whose newest scan waited for this set.
Status Intake::complete_waiting(Sql& sql, const std::string& set_hash, Taken& taken, Instant now) const {
  store::Page page{store::kPageLimitMax, ""};
  do {
    BELAY_TRY_ASSIGN(const auto heads, store::scans::heads_with_set(sql, set_hash, page));
    for (const auto& head : heads.items) {
      const std::string packages[] = {head.package_set_hash}, offers[] = {head.offer_set_hash};
      BELAY_TRY_ASSIGN(const auto without_packages, store::contents::missing(sql, Kind::package_set, packages));
      BELAY_TRY_ASSIGN(const auto without_offers, store::contents::missing(sql, Kind::offer_set, offers));
      if (!without_packages.empty() || !without_offers.empty()) continue;
      BELAY_TRY_ASSIGN(const auto scan, store::scans::get(sql, head.scan_id));
      BELAY_TRY(complete(sql, scan, taken, now));
    }
    page.after = heads.next;
  } while (!page.after.empty());
  return {};
}

// The scan and both its sets are here: the fleet has seen these versions, and the node can be judged.
Status Intake::complete(Sql& sql, const store::scans::Scan& scan, Taken& taken, Instant now) const {
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, scan.node_id));
  BELAY_TRY_ASSIGN(const auto offers, judge_.offers(sql, scan.offer_set_hash));
  if (offers && !node.operating_system.empty()) {
    std::vector<store::contents::PackageVersion> seen;
    seen.reserve(offers->offers.size());
    for (const auto& offer : offers->offers) seen.push_back({offer.name, offer.arch, offer.version});
    BELAY_TRY(store::contents::note_first_seen(sql, node.operating_system, seen, scan.received_at));
  }
  if (!scan.order_id.empty()) {
    const auto order = own_order(sql, scan.node_id, scan.order_id);
    if (!order.ok() && order.error().code() != Code::not_found) return order.error();
    if (order.ok()) {
      BELAY_TRY(post(sql, *order, NodeEventKind::scan_ready, taken, now));
      BELAY_TRY_ASSIGN(const bool somebody_waits, awaited(sql, *order));
      if (somebody_waits) return {};  // who ordered it judges it, under its own rules
    }
  }
  JudgeQuestion question;
  question.node_id = scan.node_id;
  question.mind_silence = false;
  BELAY_TRY_ASSIGN(const auto judgement, judge_.judge(sql, question));
  VerdictContext context;
  context.started_at = scan.observed_at;
  context.ended_at = now;
  context.actor = scan.node_id;
  const auto recorded = judge_.record(sql, judgement, context);
  return recorded.ok() ? Status() : Status(recorded.error());
}

// ---- orders

Result<Taken> Intake::take_update(Sql& sql, const std::string& node_id, const wire::OrderUpdate& update,
                                  Instant now) const {
  BELAY_TRY_ASSIGN(const auto order, own_order(sql, node_id, update.order_id));
  auto kept = update;
  kept.step = sanitize(kept.step, 256);
  kept.detail = sanitize(kept.detail, 2'000);
  BELAY_TRY_ASSIGN(const bool newer,
                   store::orders::update(sql, node_id, update.order_id, update.sequence, json::encode_text(kept), now));
  Taken taken;
  if (newer && update.state != wire::OrderState::refused)
    BELAY_TRY(post(sql, order, NodeEventKind::order_taken, taken, now));
  if (newer && order.execution_kind == kBackupKind)
    BELAY_TRY(store::backups::note_progress(sql, update.order_id,
                                            kept.step + (kept.detail.empty() ? "" : ": ") + kept.detail));
  return taken;
}

// What is out of order has the plan look at the node at once; the rest waits for its next look.
Result<Taken> Intake::take_watched(Sql& sql, const std::string& node_id, const backup::WatchReport& report,
                                   Instant now) const {
  Taken taken;
  const auto member = store::backups::get_member(sql, report.plan_id, node_id);
  if (!member.ok()) return member.error().code() == Code::not_found ? Result<Taken>(taken) : member.error();
  auto kept = report;
  kept.at = std::min(report.at, now);
  for (auto& finding : kept.findings) {
    finding.what = sanitize(finding.what, 64);
    finding.detail = sanitize(finding.detail, 1'000);
  }
  BELAY_TRY(store::backups::put_watch(sql, node_id, kept));
  if (member->watch && member->watch->findings == kept.findings) return taken;
  BELAY_TRY(wake_backup_plan(sql, report.plan_id, node_id, now));
  taken.events_posted = true;
  return taken;
}

Result<Taken> Intake::take_result(Sql& sql, const std::string& node_id, const wire::OrderResult& result,
                                  Instant now) const {
  if (result.due && result.order_id != own_run_id(node_id, *result.due))
    return Error(Code::invalid_argument, "order_id is not that of the association's run which `due` names");
  auto order = own_order(sql, node_id, result.order_id);
  if (result.due && !order.ok() && order.error().code() == Code::not_found) {
    BELAY_TRY(keep_own_run(sql, node_id, result, now));
    order = own_order(sql, node_id, result.order_id);
  }
  if (!order.ok()) return order.error();
  auto kept = result;
  kept.standard_output = sanitize(kept.standard_output, wire::kOutputBytesMax);
  kept.standard_error = sanitize(kept.standard_error, wire::kOutputBytesMax);
  kept.problems = cleaned(std::move(kept.problems));
  if (kept.steps) kept.steps->inventory.clear();  // it has a place of its own
  BELAY_TRY_ASSIGN(const bool first,
                   store::orders::finish(sql, node_id, result.order_id, json::encode_text(kept), now));
  Taken taken;
  if (!first) return taken;
  if (result.steps) BELAY_TRY(keep_inventory(sql, node_id, result.steps->inventory, now));
  if (result.run) {
    BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
    BELAY_TRY(keep_run(sql, *order, kept, node.facts.boot_id, now));
  }
  BELAY_TRY(post(sql, *order, NodeEventKind::order_ended, taken, now));
  if (result.due) {
    BELAY_TRY(tell_own_run(sql, node_id, result, now));
    taken.events_posted = true;
  }
  return taken;
}

// What somebody did on the node by hand. It can only add a run of this node's own, never speak for an order.
Result<Taken> Intake::take_own_run(Sql& sql, const std::string& node_id, const wire::OwnRun& own, Instant now) const {
  const auto order = store::orders::get(sql, own.run_id);
  if (order.ok()) return Error(Code::invalid_argument, "run " + own.run_id + " is an order's, not the node's own");
  if (order.error().code() != Code::not_found) return order.error();
  BELAY_TRY_ASSIGN(const auto node, store::nodes::get(sql, node_id));
  store::runs::Run run;
  run.run_id = own.run_id;
  run.node_id = node_id;
  run.started_at = own.started_at;
  run.finished_at = own.finished_at;
  run.reboot = own.reboot;
  BELAY_TRY_ASSIGN(const bool added, add_run(sql, std::move(run), own.run, node.facts.boot_id, now));
  if (added)
    BELAY_TRY(note_in_audit(sql, now, node_id, "node:rollback", node_id,
                            {{"run", own.run_id},
                             {"undoes", own.undoes},
                             {"outcome", boost::describe::enum_to_string(own.run.outcome, "?")}}));
  return Taken{};
}

Result<Taken> Intake::take_ack(Sql& sql, const std::string& node_id, const wire::Ack& ack, Instant now) const {
  Taken taken;
  taken.acknowledge = false;
  for (const auto& id : ack.ids) {
    const auto order = own_order(sql, node_id, id);
    if (!order.ok() && order.error().code() == Code::not_found) continue;  // of a message that is no order
    if (!order.ok()) return order.error();
    if (order->acknowledged_at) continue;
    BELAY_TRY(store::orders::acknowledged(sql, node_id, id, now));
    BELAY_TRY(post(sql, *order, NodeEventKind::order_taken, taken, now));
  }
  return taken;
}

// The node will not take the order, ever: it ends here. What is only busy is sent again.
Result<Taken> Intake::take_refused(Sql& sql, const std::string& node_id, const wire::Refused& refused,
                                   Instant now) const {
  log::warning(
      "node-refused-message",
      {{"node", node_id}, {"message", refused.id}, {"code", refused.code}, {"why", sanitize(refused.message, 300)}});
  const auto order = own_order(sql, node_id, refused.id);
  if (!order.ok() && order.error().code() != Code::not_found) return order.error();
  const bool passing = refused.code == name(Code::unavailable) || refused.code == name(Code::resource_exhausted) ||
                       refused.code == name(Code::internal);
  if (!order.ok() || passing) return Taken{};
  wire::OrderResult result;
  result.order_id = refused.id;
  result.outcome = wire::OrderOutcome::refused;
  result.started_at = result.finished_at = now;
  result.problems.push_back({fleet::Reason::other, "",
                             "the node refused the order: " + sanitize(refused.message, 1'000),
                             "look into the agent's log", false});
  return take_result(sql, node_id, result, now);
}

}  // namespace belay::server
