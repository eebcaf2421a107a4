#include "server/engine/engine.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "server/engine/metrics_text.hpp"
#include "store/associations.hpp"
#include "store/automations.hpp"
#include "store/backups.hpp"
#include "store/contents.hpp"
#include "store/idempotency.hpp"
#include "store/inbox.hpp"
#include "store/orders.hpp"
#include "store/pool.hpp"
#include "store/principals.hpp"
#include "store/window_history.hpp"

namespace belay::server {
namespace {
using store::Sql;

constexpr std::uint32_t kEventsAtOnce = 500;
constexpr Duration kDay{24LL * 3600 * 1000};
constexpr Duration kHouseEvery{60'000};
constexpr Duration kKeepStoppedUploads{3'600'000};
constexpr std::uint32_t kPoolChunksAtOnce = 256;
constexpr std::uint32_t kForgottenAtOnce = 2'000;
constexpr Duration kKeepMessages = 45 * kDay;     // longer than any agent holds one back
constexpr Duration kKeepBackupJobs = 400 * kDay;  // an audit looks a year back
constexpr Duration kKeepExecutions = 30 * kDay;   // the commands themselves stay
constexpr Duration kKeepResults = 30 * kDay;      // of orders: the raw reports
constexpr Duration kKeepUnusedSets = kDay;        // a scan that names one may still be on its way
constexpr std::uint32_t kSetsLookedAt = 500;      // of each kind in one round
constexpr std::uint32_t kResultsAtOnce = 100;     // they may be large

}  // namespace

Engine::Engine(store::Store& store, const Clock& clock, EngineSettings settings)
    : store_(store), clock_(clock), settings_(std::move(settings)) {}

Engine::~Engine() { stop(); }

void Engine::add(std::unique_ptr<ExecutionKind> kind) { kinds_.push_back(std::move(kind)); }

ExecutionKind* Engine::kind_named(std::string_view name) const {
  const auto at = std::ranges::find_if(kinds_, [&](const auto& kind) { return kind->name() == name; });
  return at == kinds_.end() ? nullptr : at->get();
}

Result<std::size_t> Engine::run_once() {
  BELAY_TRY_ASSIGN(const auto due, store_.write([&](Sql& sql) {
    return store::executions::claim_due(sql, settings_.owner, clock_.now(), settings_.lease, settings_.rows_at_once);
  }));
  std::size_t advanced = 0;
  for (const auto& execution : due) {
    count(execution.kind, &Counts::due);
    const Status status = advance(execution);
    count(execution.kind, status.ok() ? &Counts::advanced : &Counts::failed);
    if (status.ok()) {
      ++advanced;
      if (on_progress) on_progress();
      continue;
    }
    log::error("execution-not-advanced",
               {{"kind", execution.kind}, {"id", execution.execution_id}, {"error", status.error()}});
    const Status released = store_.write([&](Sql& sql) {
      return store::executions::release(sql, execution, settings_.owner, clock_.now() + kRetryAfter);
    });
    if (!released.ok())
      log::warning("lease-not-released", {{"id", execution.execution_id}, {"error", released.error()}});
  }
  return advanced;
}

// Of kinds that this server knows, so that they are few.
void Engine::count(const std::string& kind, std::uint64_t Counts::* what) {
  const std::scoped_lock lock(counts_mutex_);
  ++(counts_[kind_named(kind) ? kind : "unknown"].*what);
}

std::string Engine::metrics() const {
  MetricsText out;
  const std::scoped_lock lock(counts_mutex_);
  for (const auto& [name, what] : {std::pair{"belay_executions_due_total", &Counts::due},
                                   {"belay_executions_advanced_total", &Counts::advanced},
                                   {"belay_executions_failed_total", &Counts::failed}}) {
    out.family(name, "counter");
    for (const auto& [kind, counts] : counts_) out.sample(name, {{"kind", kind}}, counts.*what);
  }
  return out.take();
}

Status Engine::advance(const store::executions::Execution& execution) {
  ExecutionKind* kind = kind_named(execution.kind);
  if (!kind)
    return Error(Code::unsupported, "this server does not know executions of the kind '" + execution.kind + "'");
  return store_
      .write([&](Sql& sql) -> Status {
        const Instant now = clock_.now();
        BELAY_TRY_ASSIGN(const auto events,
                         store::executions::events(sql, execution.kind, execution.execution_id, kEventsAtOnce));
        BELAY_TRY_ASSIGN(auto advance, kind->advance(sql, execution, events, now));
        if (!events.empty())
          BELAY_TRY(store::executions::taken(sql, execution.kind, execution.execution_id, events.back().sequence));
        auto next = execution;
        next.state = std::move(advance.state);
        next.finished = advance.finished;
        // A full batch: more may be waiting, so come back at once.
        next.wake_at = events.size() == kEventsAtOnce && !advance.finished ? std::optional(now) : advance.wake_at;
        const auto saved = store::executions::save(sql, next, now);
        return saved.ok() ? Status() : Status(saved.error());
      })
      .within(execution.kind + " " + execution.execution_id);
}

void Engine::start() {
  BELAY_ASSERT(!thread_.joinable());
  thread_ = std::thread([this] { loop(); });
}

void Engine::stop() {
  {
    const std::scoped_lock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Engine::poke() {
  {
    const std::scoped_lock lock(mutex_);
    poked_ = true;
  }
  changed_.notify_all();
}

void Engine::loop() {
  for (;;) {
    {
      const std::scoped_lock lock(mutex_);
      if (stopping_) return;
      poked_ = false;
    }
    const auto advanced = run_once();
    trouble_.note(advanced.ok() ? Status() : Status(advanced.error()), clock_.monotonic());
    keep_house();
    if (advanced.ok() && *advanced > 0) continue;
    const Duration sleep = advanced.ok() ? sleep_time() : settings_.poll;
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, sleep, [&] { return poked_ || stopping_; });
  }
}

Duration Engine::sleep_time() {
  const auto next = store_.read([](Sql& sql) { return store::executions::next_wake(sql); });
  if (!next.ok() || !*next) return settings_.poll;
  return std::clamp(std::chrono::duration_cast<Duration>(**next - clock_.now()), Duration(1), settings_.poll);
}

// Forgets what has served: seen messages, ended executions, expired tokens; ends orders nobody took.
void Engine::keep_house() {
  const Duration passed = clock_.monotonic();
  if (house_kept_at_ && passed - *house_kept_at_ < kHouseEvery) return;
  house_kept_at_ = passed;
  const Instant now = clock_.now();
  const Status status = store_.write([&](Sql& sql) -> Status {
    BELAY_TRY(store::inbox::forget(sql, now - kKeepMessages, kForgottenAtOnce));
    BELAY_TRY(store::executions::forget_finished(sql, now - kKeepExecutions, kForgottenAtOnce));
    BELAY_TRY(store::associations::forget(sql, now - kKeepExecutions, kForgottenAtOnce));
    BELAY_TRY(store::automations::forget(sql, now - kKeepExecutions, kForgottenAtOnce));
    BELAY_TRY(store::backups::forget_jobs(sql, now - kKeepBackupJobs, kForgottenAtOnce));
    BELAY_TRY(store::idempotency::forget_expired(sql, now, kForgottenAtOnce));
    BELAY_TRY(store::principals::forget_expired(sql, now));
    BELAY_TRY(store::orders::expire(sql, now, kForgottenAtOnce));
    BELAY_TRY(store::orders::forget_results(sql, now - kKeepResults, kResultsAtOnce));
    BELAY_TRY(store::window_history::forget(sql, now - kKeepExecutions, kForgottenAtOnce));
    return {};
  });
  if (!status.ok()) log::warning("housekeeping-failed", {{"error", status.error()}});
  forget_unused_sets(now);
  sweep_pool(now);
}

// A few files a round, likewise.
void Engine::sweep_pool(Instant now) {
  const auto swept = store_.write(
      [&](Sql& sql) { return store::pool::sweep(sql, now, now - kKeepStoppedUploads, kPoolChunksAtOnce); });
  if (!swept.ok()) return log::warning("housekeeping-failed", {{"error", swept.error()}});
  if (swept->packages + swept->abandoned > 0)
    log::info("pool-swept", {{"packages", swept->packages}, {"abandoned", swept->abandoned}, {"bytes", swept->bytes}});
}

// Some sets a round, round and round; a transaction of its own, so that nothing else waits long.
void Engine::forget_unused_sets(Instant now) {
  using store::contents::Kind;
  for (auto& [kind, seen] : {std::pair<Kind, std::string&>{Kind::package_set, package_sets_seen_},
                             std::pair<Kind, std::string&>{Kind::offer_set, offer_sets_seen_}}) {
    const auto forgotten = store_.write([&](Sql& sql) {
      return store::contents::forget_unused_sets(sql, kind, now - kKeepUnusedSets, seen, kSetsLookedAt);
    });
    if (forgotten.ok()) seen = forgotten->after;
    else log::warning("housekeeping-failed", {{"error", forgotten.error()}});
    if (forgotten.ok() && forgotten->count > 0)
      log::info("unused-sets-forgotten",
                {{"kind", boost::describe::enum_to_string(kind, "")}, {"count", forgotten->count}});
  }
}

}  // namespace belay::server
