// The part of the desk that is about associations: the set that is kept, runs that the node begins by itself, and steps
// that ask for them.
#include <algorithm>

#include "agent/runner/order_desk.hpp"
#include "agent/runner/steps_work.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kRefreshBytesMax = 64 << 10;
constexpr Duration kAskAgain{60'000};

}  // namespace

// The set first, the counter after it: killed in between, the order comes again and is the one that is kept.
Status OrderDesk::keep_associations(const wire::SignedOrder& sent, const wire::Order& order) {
  if (!own_runs_.came_with(order.order_id)) {
    const auto kept = own_runs_.keep(sent, order);
    if (!kept.ok() && kept.error().reason() == "order-malformed") return refuse(order, kept.error());
    BELAY_TRY(kept);
    log::info("associations_kept", {{"order", order.order_id}, {"count", own_runs_.kept().size()}});
    stop_withdrawn();
  }
  BELAY_TRY(parts_.verifier.remember(order.counter));
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.outcome = wire::OrderOutcome::success;
  result.exit_code = 0;
  result.started_at = result.finished_at = parts_.clock.now();
  BELAY_TRY(parts_.outbox.put(wire::pack(message_id("result", order.order_id), result), Outbox::Keep::always));
  parts_.outbox_filled();
  return {};
}

// What was changed or taken away is not begun any more.
void OrderDesk::stop_withdrawn() {
  for (const auto& [id, work] : open_) {
    const auto& due = work.accepted.order.due;
    if (!work.accepted.local || !due || work.phase != Work::Phase::queued || work.launches > 0) continue;
    const auto* kept = own_runs_.find(due->association_id);
    if (kept && kept->version == due->version) continue;
    if (const auto asked = book_.ask_to_cancel(id); !asked.ok())
      log::error("run_not_withdrawn", {{"order", id}, {"why", asked.error()}});
  }
}

std::optional<Instant> OrderDesk::run_own() {
  const Instant now = parts_.clock.now() + clock_skew_;
  const auto look = own_runs_.look(now);
  auto again = look.again;
  for (const auto& due : look.due) {
    const auto begun = begin_own(*own_runs_.find(due.association_id), due);
    if (begun.ok()) continue;
    log::error("own_run_not_begun", {{"association", due.association_id}, {"why", begun.error()}});
    again = std::min(again.value_or(now + kAskAgain), now + kAskAgain);
  }
  if (!again) return std::nullopt;
  return *again - clock_skew_;
}

// The order first, the note after it: killed in between, the order is known by its id and not made again.
Status OrderDesk::begin_own(const wire::OfflineAssociation& association, const wire::AssociationDue& due) {
  const auto id = own_runs_.order_id(due);
  if (book_.knows(id)) return own_runs_.note(due);
  if (!parts_.outbox.has_room_for_results())
    return Error(Code::resource_exhausted, "the results of earlier runs were not taken yet; nothing new is begun");
  const auto before = std::ranges::find_if(open_, [&](const auto& entry) {
    const auto& open_due = entry.second.accepted.order.due;
    return open_due && open_due->association_id == due.association_id;
  });
  AcceptedOrder accepted{own_runs_.order_of(association, due, parts_.clock.now()), parts_.clock.now(), true};
  BELAY_TRY(book_.add(accepted));
  if (before != open_.end()) {
    wire::OrderResult skipped;
    skipped.order_id = id;
    skipped.outcome = wire::OrderOutcome::cancelled;
    skipped.started_at = skipped.finished_at = parts_.clock.now();
    skipped.standard_error =
        "the run of " + to_iso8601(before->second.accepted.order.due->due_at) + " was still under way";
    BELAY_TRY(book_.write_result(id, skipped));
  }
  BELAY_TRY(own_runs_.note(due));
  log::info("own_run", {{"order", id}, {"association", due.association_id}, {"due", to_iso8601(due.due_at)}});
  open_.emplace(id, Work{.accepted = std::move(accepted)});
  return {};
}

// After its Duration everything is stopped.
void OrderDesk::keep_duration(const Work& work) {
  const auto& order = work.accepted.order;
  if (!work.accepted.local || !order.due || parts_.clock.now() <= order.expires_at) return;
  if (book_.has_result(order.order_id) || book_.is_cancelled(order.order_id)) return;
  if (const auto asked = book_.ask_to_cancel(order.order_id); !asked.ok())
    log::error("run_not_stopped", {{"order", order.order_id}, {"why", asked.error()}});
}

// Renamed before it is read: what the step adds meanwhile is taken the next time. What was renamed by an agent that was
// killed is taken first.
Status OrderDesk::take_refresh(const Work& work) {
  const auto path = parts_.paths.refresh(work.accepted.order.order_id), taken = path + ".taken";
  if (!parts_.files.info(taken).ok()) {
    if (!parts_.files.info(path).ok()) return {};
    BELAY_TRY(parts_.files.rename_durable(path, taken));
  }
  BELAY_TRY_ASSIGN(const auto text, parts_.files.read(taken, kRefreshBytesMax));
  std::vector<std::string> wanted;
  bool all = false;
  for (const auto line : split(text, '\n')) {
    if (line == kRefreshAll) all = true;
    else if (!line.empty()) wanted.emplace_back(line);
  }
  if (all) wanted.clear();
  BELAY_TRY(refresh(work, wanted, text));
  return parts_.files.remove(taken);
}

// Out of reach of the server the node runs what it keeps; what it does not keep the server hears of when it is back.
Status OrderDesk::refresh(const Work& work, const std::vector<std::string>& wanted, std::string_view text) {
  auto to_ask = wanted;
  if (own_runs_.is_cut_off()) {
    for (const auto& association : own_runs_.kept()) {
      const bool named = std::erase(to_ask, association.association_id) > 0;
      if (!named && !wanted.empty()) continue;
      // When its order was taken in: the same however often this is begun anew.
      BELAY_TRY(begin_own(association, {association.association_id, association.version, work.accepted.accepted_at}));
    }
    if (to_ask.empty()) return {};
  }
  const auto id = message_id("refresh " + std::string(text), work.accepted.order.order_id);
  BELAY_TRY(parts_.outbox.put(wire::pack(id, wire::AssociationsWanted{to_ask}), Outbox::Keep::always));
  parts_.outbox_filled();
  return {};
}

}  // namespace belay::agent
