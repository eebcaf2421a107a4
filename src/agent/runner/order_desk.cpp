#include "agent/runner/order_desk.hpp"

#include <algorithm>

#include "agent/runner/journal.hpp"
#include "agent/runner/problems.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "base/text.hpp"
#include "io/crypto.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

constexpr Duration kTick{500};
constexpr Duration kStartGrace{5'000};  // for a launched process to take its lock
constexpr Duration kRelaunchPause{5'000};
constexpr Duration kOutputTellEvery{5'000};
constexpr Duration kClockDisagreementMax{600'000};
constexpr Duration kLocalOrderLife{std::chrono::hours(24)};
constexpr std::size_t kOutputLineBytesMax = 300;

struct LastScan {
  std::string package_set_hash;
  Instant observed_at{};
};
BOOST_DESCRIBE_STRUCT(LastScan, (), (package_set_hash, observed_at))

// Orders of one lane do not run beside more of it than this.
enum class Lane { alone, steps, backups };
Lane lane_of(wire::OrderKind kind) {
  if (kind == wire::OrderKind::steps) return Lane::steps;
  return kind == wire::OrderKind::backup ? Lane::backups : Lane::alone;
}
std::size_t at_once(Lane lane) {
  if (lane == Lane::steps) return kStepsOrdersAtOnce;
  return lane == Lane::backups ? kBackupOrdersAtOnce : 1;
}

std::optional<LastScan> read_last_scan(const io::Files& files, const StatePaths& paths) {
  const auto text = files.read(paths.root() + "/last-scan.json", 4'096);
  if (!text.ok()) return std::nullopt;
  auto scan = json::decode_text<LastScan>(*text);
  return scan.ok() ? std::optional(std::move(*scan)) : std::nullopt;
}

}  // namespace

std::string message_id(std::string_view what, const std::string& order_id) {
  return make_uuid(io::sha256(std::string(what) + ":" + order_id).substr(0, kIdRandomBytes));
}

OrderDesk::OrderDesk(DeskParts parts)
    : parts_(std::move(parts)),
      book_(parts_.files, parts_.paths),
      own_runs_(parts_.files, parts_.paths, parts_.verifier) {
  adopt();
}

void OrderDesk::adopt() {
  for (auto& accepted : book_.open()) {
    const auto id = accepted.order.order_id;
    open_.emplace(id, Work{.accepted = std::move(accepted)});
  }
}

Status OrderDesk::receive(const wire::SignedOrder& sent, Duration clock_skew) {
  clock_skew_ = clock_skew;
  BELAY_TRY_ASSIGN(auto order, parts_.verifier.open(sent));
  if (book_.knows(order.order_id)) {
    if (order.due) BELAY_TRY(own_runs_.note(*order.due));
    BELAY_TRY(parts_.verifier.remember(order.counter));
    adopt();  // where a full disk took the order itself and nothing more, it was refused: it is begun now
    return {};
  }
  if (own_runs_.came_with(order.order_id)) return keep_associations(sent, order);  // said again
  // The server's own clock judges expiry, as far as ours is known to be off.
  if (const auto fit = parts_.verifier.check(order, parts_.clock.now() + clock_skew); !fit.ok())
    return refuse(order, fit.error());
  if (!parts_.outbox.has_room_for_results())
    return Error(Code::resource_exhausted, "the results of earlier orders were not taken yet; nothing new is begun");
  if (order.kind == wire::OrderKind::associations) return keep_associations(sent, order);
  const AcceptedOrder accepted{order, parts_.clock.now(), false};
  BELAY_TRY(book_.add(accepted));
  if (order.due) BELAY_TRY(own_runs_.note(*order.due));
  BELAY_TRY(parts_.verifier.remember(order.counter));
  log::info("order_accepted", {{"order", order.order_id},
                               {"kind", boost::describe::enum_to_string(order.kind, "?")},
                               {"counter", order.counter}});
  auto& work = open_.emplace(order.order_id, Work{.accepted = accepted}).first->second;
  parts_.tell(update_of(work, wire::OrderState::accepted, "", ""));
  return {};
}

Status OrderDesk::refuse(const wire::Order& order, const Error& why) {
  log::warning("order_refused", {{"order", order.order_id}, {"why", why}});
  if (!is_uuid(order.order_id)) return why;
  wire::OrderResult result;
  result.order_id = order.order_id;
  result.outcome = wire::OrderOutcome::refused;
  result.started_at = result.finished_at = parts_.clock.now();
  result.problems.push_back(problem_of(why));
  result.standard_error = why.chain() + "\n";
  // A replay of an order whose result was told long ago must not overwrite it: the id differs from a result's.
  BELAY_TRY(parts_.outbox.put(wire::pack(message_id("refusal", order.order_id), result), Outbox::Keep::always));
  parts_.outbox_filled();
  // A replayed counter is below the last one, and remember() never goes back.
  return why.reason() == "order-malformed" ? Status() : parts_.verifier.remember(order.counter);
}

Status OrderDesk::cancel(const std::string& order_id) { return book_.ask_to_cancel(order_id); }

Status OrderDesk::scan_self(bool refresh) {
  for (const auto& [id, work] : open_)
    if (work.accepted.order.kind == wire::OrderKind::scan) return {};
  AcceptedOrder accepted;
  accepted.local = true;
  accepted.accepted_at = parts_.clock.now();
  accepted.order.order_id = make_uuid(io::random_bytes(kIdRandomBytes));
  accepted.order.kind = wire::OrderKind::scan;
  accepted.order.scan = wire::ScanOrder{refresh};
  accepted.order.issued_at = accepted.accepted_at;
  accepted.order.expires_at = accepted.accepted_at + kLocalOrderLife;
  BELAY_TRY(book_.add(accepted));
  open_.emplace(accepted.order.order_id, Work{.accepted = accepted});
  return {};
}

std::optional<Duration> OrderDesk::tick() {
  std::vector<std::string> ended;
  for (auto& [id, work] : open_) {
    keep_duration(work);
    const bool has_result = book_.has_result(id);
    if (!has_result) say_once(work, "refresh_not_taken", take_refresh(work));  // else collect() takes it
    if (has_result) {
      if (collect(work)) ended.push_back(id);
    } else if (work.phase == Work::Phase::running) {
      watch(work);
    }
  }
  for (const auto& id : ended) open_.erase(id);
  std::vector<Work*> queued;
  for (auto& [id, work] : open_)
    if (work.phase == Work::Phase::queued) queued.push_back(&work);
  std::ranges::sort(queued, {},
                    [](const Work* w) { return std::pair(w->accepted.order.counter, w->accepted.accepted_at); });
  for (auto* work : queued)
    if (may_start(*work)) launch(*work);
  if (open_.empty()) return std::nullopt;
  return kTick;
}

// A process worked on it in this life of the agent or an earlier one, and it has not ended.
bool OrderDesk::has_begun(const Work& work) const {
  return work.launches > 0 || parts_.files.info(parts_.paths.journal(work.accepted.order.order_id)).ok();
}

// A run whose process died keeps its place until it is started again: what it left half done is nothing for another.
bool OrderDesk::may_start(const Work& work) const {
  if (parts_.clock.monotonic() < work.not_before) return false;
  const auto lane = lane_of(work.accepted.order.kind);
  const bool waits_for_begun = lane == Lane::alone && !has_begun(work);
  const auto busy = std::ranges::count_if(open_, [&](const auto& entry) {
    const auto& other = entry.second;
    if (lane_of(other.accepted.order.kind) != lane || book_.has_result(entry.first)) return false;
    return other.phase != Work::Phase::queued || (waits_for_begun && has_begun(other));
  });
  return static_cast<std::size_t>(busy) < at_once(lane);
}

void OrderDesk::launch(Work& work) {
  if (work.launches >= kLaunchesMax) return give_up(work);
  work.phase = Work::Phase::launching;
  work.launches += 1;
  const auto id = work.accepted.order.order_id;
  const auto kind = work.accepted.order.kind;
  const auto launched = std::make_shared<Status>();
  parts_.run_blocking([&launcher = parts_.launcher, id, kind, launched] { *launched = launcher.launch(id, kind); },
                      [this, id, launched] {
                        const auto found = open_.find(id);
                        if (found == open_.end()) return;
                        auto& started = found->second;
                        started.launched_at = parts_.clock.monotonic();
                        started.phase = launched->ok() ? Work::Phase::running : Work::Phase::queued;
                        if (launched->ok()) return;
                        started.not_before = started.launched_at + kRelaunchPause;
                        log::error("order_not_started", {{"order", id}, {"why", launched->error()}});
                      });
}

void OrderDesk::watch(Work& work) {
  tell_progress(work);
  tell_output(work);
  const auto now = parts_.clock.monotonic();
  if (now - work.launched_at < kStartGrace) return;
  const auto& id = work.accepted.order.order_id;
  // The lock is free: nobody works on it any more, and there is no result.
  if (const auto lock = io::FileLock::acquire(parts_.paths.order_lock(id)); !lock.ok()) return;
  if (book_.has_result(id)) return;
  log::warning("run_process_gone", {{"order", id}, {"launches", work.launches}});
  work.phase = Work::Phase::queued;
  work.not_before = now + kRelaunchPause;
}

void OrderDesk::give_up(Work& work) {
  const auto& id = work.accepted.order.order_id;
  wire::OrderResult result;
  result.order_id = id;
  result.outcome = wire::OrderOutcome::failed;
  result.started_at = work.accepted.accepted_at;
  result.finished_at = parts_.clock.now();
  result.problems.push_back({fleet::Reason::other, "",
                             "the order was started " + std::to_string(work.launches) +
                                 " times and its process ended each time without a result",
                             "see the agent's log on the node", false});
  result.standard_error = result.problems.front().detail + "\n";
  const auto journal = RunJournal(parts_.files, parts_.paths, id).load();
  if (journal.ok() && *journal) {
    auto state = std::move(**journal);
    const bool untouched = state.course == patchrun::Course::untouched;
    if (!state.outcome) state.outcome = untouched ? patchrun::Outcome::refused : patchrun::Outcome::inconsistent;
    state.state = patchrun::State::finished;
    result.run = patchrun::report(state);
  }
  say_once(work, "result_lost", book_.write_result(id, result));
}

// What fails at every tick, on a full disk, is said when it begins, when it fails otherwise, and when it is over.
void OrderDesk::say_once(Work& work, std::string_view event, const Status& status) {
  const auto& id = work.accepted.order.order_id;
  const auto known = work.said.find(event);
  if (status.ok()) {
    if (known == work.said.end()) return;
    log::info("works_again", {{"order", id}, {"what", event}});
    work.said.erase(known);
    return;
  }
  // The words name temporary files, another one each time.
  auto why = std::string(name(status.error().code())) + " " + std::string(status.error().reason());
  if (known != work.said.end() && known->second == why) return;
  log::error(event, {{"order", id}, {"why", status.error()}});
  work.said.insert_or_assign(std::string(event), std::move(why));
}

bool OrderDesk::collect(Work& work) {
  const auto& id = work.accepted.order.order_id;
  auto collected = take_refresh(work);
  if (collected.ok()) collected = collect_report(work);
  if (collected.ok()) collected = collect_result(work);
  if (collected.ok()) collected = book_.archive(id);
  say_once(work, "result_not_collected", collected);
  if (!collected.ok()) return false;
  parts_.outbox_filled();
  return true;
}

Status OrderDesk::collect_report(const Work& work) {
  const auto& id = work.accepted.order.order_id;
  BELAY_TRY_ASSIGN(auto report, book_.report(id));
  if (!report) return {};
  if (clock_skew_ > kClockDisagreementMax || clock_skew_ < -kClockDisagreementMax)
    report->problems.push_back({fleet::Reason::clock_wrong, "",
                                "this node's clock is " +
                                    humanize(clock_skew_ < Duration::zero() ? -clock_skew_ : clock_skew_) +
                                    (clock_skew_ < Duration::zero() ? " ahead of" : " behind") + " the server's",
                                "set the clock (chrony, timesyncd)", true});
  BELAY_TRY(parts_.outbox.put(wire::pack(message_id("scan", id), *report), Outbox::Keep::always));
  const LastScan last{report->package_set_hash, report->observed_at};
  return parts_.files.write_durable(parts_.paths.root() + "/last-scan.json", json::encode_text(last), 0600);
}

Status OrderDesk::collect_result(const Work& work) {
  const bool own_association = work.accepted.local && work.accepted.order.due;
  if (work.accepted.local && !own_association) return collect_own_run(work);
  const auto& id = work.accepted.order.order_id;
  auto result = book_.result(id);
  if (!result.ok()) {
    // Never silence: what cannot be read is told as such.
    wire::OrderResult unreadable;
    unreadable.order_id = id;
    unreadable.finished_at = parts_.clock.now();
    unreadable.problems.push_back(problem_of(result.error()));
    result = std::optional(std::move(unreadable));
  }
  if (!*result) return {};
  if (own_association) (*result)->due = work.accepted.order.due;
  return parts_.outbox.put(wire::pack(message_id("result", id), **result), Outbox::Keep::always);
}

// What was done here by hand belongs into the server's history as well.
Status OrderDesk::collect_own_run(const Work& work) {
  const auto& [order, accepted_at, local, undoes] = work.accepted;
  if (order.kind != wire::OrderKind::patch) return {};
  BELAY_TRY_ASSIGN(const auto result, book_.result(order.order_id));
  if (!result || !result->run) return {};
  const wire::OwnRun own{order.order_id,      undoes,      result->started_at, result->finished_at,
                         order.patch->reboot, *result->run};
  return parts_.outbox.put(wire::pack(message_id("own-run", order.order_id), own), Outbox::Keep::always);
}

wire::OrderUpdate OrderDesk::update_of(Work& work, wire::OrderState state, std::string step, std::string detail) {
  const auto now = parts_.clock.now();
  // Grows through restarts of the agent as well.
  work.sequence = std::max(work.sequence + 1, static_cast<std::uint64_t>(std::max<std::int64_t>(to_unix_ms(now), 0)));
  return {work.accepted.order.order_id, work.sequence, state, std::move(step), std::move(detail), now};
}

void OrderDesk::tell_progress(Work& work) {
  if (work.accepted.local || work.accepted.order.kind != wire::OrderKind::patch) return;
  const auto& id = work.accepted.order.order_id;
  const auto info = parts_.files.info(parts_.paths.journal(id));
  if (!info.ok() || info->modified == work.journal_seen) return;
  work.journal_seen = info->modified;
  const auto run = RunJournal(parts_.files, parts_.paths, id).load();
  if (!run.ok() || !*run) return;
  const bool reboots = (*run)->state == patchrun::State::rebooting || (*run)->state == patchrun::State::falling_back ||
                       (*run)->state == patchrun::State::rollback_rebooting;
  const auto detail = (*run)->steps.size() < 2 ? std::string() : (*run)->steps[(*run)->steps.size() - 2].detail;
  work.step = boost::describe::enum_to_string((*run)->state, "?");
  work.state = reboots ? wire::OrderState::rebooting : wire::OrderState::running;
  parts_.tell(update_of(work, work.state, work.step, detail));
}

void OrderDesk::tell_output(Work& work) {
  const auto now = parts_.clock.monotonic();
  if (work.accepted.local || now - work.output_told_at < kOutputTellEvery) return;
  const auto path = parts_.paths.output(work.accepted.order.order_id);
  const auto info = parts_.files.info(path);
  if (!info.ok() || info->bytes == work.output_seen) return;
  work.output_seen = info->bytes;
  work.output_told_at = now;
  const auto text = parts_.files.read(path, 4 << 20);
  if (!text.ok()) return;
  const auto whole = trim(*text);
  const auto line = whole.substr(whole.rfind('\n') == std::string_view::npos ? 0 : whole.rfind('\n') + 1);
  parts_.tell(update_of(work, work.state, work.step, sanitize(line, kOutputLineBytesMax)));
}

std::string OrderDesk::package_set_hash() const {
  const auto last = read_last_scan(parts_.files, parts_.paths);
  return last ? last->package_set_hash : "";
}

std::optional<Instant> OrderDesk::scanned_at() const {
  const auto last = read_last_scan(parts_.files, parts_.paths);
  return last ? std::optional(last->observed_at) : std::nullopt;
}

}  // namespace belay::agent
