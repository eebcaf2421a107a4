#include "agent/runner/own_runs.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

constexpr json::Limits kSetLimits{.bytes_max = 20 << 20, .depth_max = 8};
constexpr std::size_t kStateBytesMax = 1 << 20;
constexpr Duration kNoEnd{std::chrono::hours(24 * 60)};  // of one that has no Duration: its steps end by themselves
constexpr Duration kHour{3'600'000};

Result<std::optional<schedule::Schedule>> schedule_of(const wire::OfflineAssociation& association) {
  if (association.schedule.empty()) return std::optional<schedule::Schedule>();
  schedule::ScheduleText text;
  text.expression = association.schedule;
  text.offset_days = association.offset_days;
  BELAY_TRY_ASSIGN(auto parsed, schedule::parse_schedule(text, association.since));
  return std::optional(std::move(parsed));
}

}  // namespace

// What cannot be believed is not run: the server hears at the greeting which set is kept, and sends it again.
void OwnRuns::load() {
  if (const auto text = files_.read(paths_.own_runs(), kStateBytesMax); text.ok()) {
    auto state = json::decode_text<OwnRunsState>(*text);
    if (state.ok()) state_ = std::move(*state);
    else log::error("own_runs_unreadable", {{"file", paths_.own_runs()}, {"why", state.error()}});
  }
  const auto text = files_.read(paths_.associations(), kSetLimits.bytes_max);
  if (!text.ok()) {
    if (text.error().code() != Code::not_found) log::error("associations_unreadable", {{"why", text.error()}});
    return;
  }
  const auto sent = json::decode_text<wire::SignedOrder>(*text, kSetLimits);
  auto order = sent.ok() ? verifier_.open(*sent) : Result<wire::Order>(sent.error());
  if (order.ok() && order->kind == wire::OrderKind::associations && order->associations) set_ = std::move(*order);
  else
    log::error("associations_not_believed",
               {{"file", paths_.associations()},
                {"why", order.ok() ? "it is no set of associations" : order.error().chain()}});
}

Status OwnRuns::save(OwnRunsState state) {
  BELAY_TRY(files_.make_directories(paths_.associations_directory(), 0700));
  BELAY_TRY(files_.write_durable(paths_.own_runs(), json::encode_text(state), 0600)
                .within("what this node runs by itself cannot be kept"));
  state_ = std::move(state);
  return {};
}

Status OwnRuns::keep(const wire::SignedOrder& sent, const wire::Order& order) {
  BELAY_ASSERT(order.associations.has_value());
  const auto& wanted = order.associations->associations;
  if (wanted.size() > wire::kAssociationsMax)
    return Error(Code::invalid_argument, "the order holds " + std::to_string(wanted.size()) + " associations",
                 "order-malformed");
  for (const auto& association : wanted)
    if (const auto read = schedule_of(association); !read.ok())
      return Error(Code::invalid_argument, "association " + association.association_id + ": " + read.error().chain(),
                   "order-malformed");
  BELAY_TRY(files_.make_directories(paths_.associations_directory(), 0700));
  BELAY_TRY(files_.write_durable(paths_.associations(), json::encode_text(sent), 0600)
                .within("the node's associations cannot be kept"));
  set_ = order;
  OwnRunsState state = state_;
  std::erase_if(state.taken_up, [&](const wire::AssociationDue& due) { return !find(due.association_id); });
  return state.taken_up.size() == state_.taken_up.size() ? Status() : save(std::move(state));
}

const std::vector<wire::OfflineAssociation>& OwnRuns::kept() const {
  static const std::vector<wire::OfflineAssociation> kNone;
  return set_ ? set_->associations->associations : kNone;
}

const wire::OfflineAssociation* OwnRuns::find(const std::string& association_id) const {
  const auto found = std::ranges::find(kept(), association_id, &wire::OfflineAssociation::association_id);
  return found == kept().end() ? nullptr : &*found;
}

Status OwnRuns::cut_off(Instant now) {
  if (state_.cut_off_since) return {};
  OwnRunsState state = state_;
  state.cut_off_since = now;
  return save(std::move(state));
}

Status OwnRuns::reached() {
  if (!state_.cut_off_since) return {};
  OwnRunsState state = state_;
  state.cut_off_since.reset();
  return save(std::move(state));
}

Status OwnRuns::note(const wire::AssociationDue& due) {
  OwnRunsState state = state_;
  const auto known = std::ranges::find(state.taken_up, due.association_id, &wire::AssociationDue::association_id);
  if (known == state.taken_up.end()) {
    if (!find(due.association_id)) return {};  // it is not run here without the server
    state.taken_up.push_back(due);
  } else {
    if (known->version > due.version || (known->version == due.version && known->due_at >= due.due_at)) return {};
    *known = due;
  }
  return save(std::move(state));
}

std::vector<wire::AssociationDue> OwnRuns::taken_up() const { return state_.taken_up; }

OwnRuns::Look OwnRuns::look(Instant now) const {
  Look look;
  if (!state_.cut_off_since || !set_ || now > set_->associations->valid_until) return look;
  for (const auto& association : kept()) {
    const auto schedule = schedule_of(association);
    if (!schedule.ok() || !*schedule) continue;  // read when the set was taken
    association::CutOff cut{*state_.cut_off_since, {}};
    for (const auto& known : state_.taken_up)
      if (known.association_id == association.association_id && known.version == association.version)
        cut.taken_up = known.due_at;
    if (const auto due = association::due_offline(**schedule, cut, now))
      look.due.push_back({association.association_id, association.version, *due});
    const auto again = association::ask_again(**schedule, cut, now);
    if (again && (!look.again || *again < *look.again)) look.again = again;
  }
  return look;
}

std::string OwnRuns::order_id(const wire::AssociationDue& due) const {
  return make_uuid(io::sha256(wire::own_run_name(verifier_.node_id(), due)).substr(0, kIdRandomBytes));
}

wire::Order OwnRuns::order_of(const wire::OfflineAssociation& association, const wire::AssociationDue& due,
                              Instant now) const {
  wire::Order order;
  order.order_id = order_id(due);
  order.node_id = verifier_.node_id();
  order.issued_at = now;
  order.expires_at = now + (association.duration_hours ? *association.duration_hours * kHour : kNoEnd);
  order.kind = wire::OrderKind::steps;
  order.steps = wire::StepsOrder{association.steps, document::new_run(association.steps), ""};
  order.due = due;
  order.document = association.document;
  order.requested_by = "association " + association.association_id;
  return order;
}

}  // namespace belay::agent
