#include "agent/runner/agent.hpp"

#include <malloc.h>

#include <algorithm>

#include "agent/runner/agent_update.hpp"
#include "agent/runner/backup_work.hpp"
#include "agent/runner/enrolment.hpp"
#include "base/bytes.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "io/crypto.hpp"
#include "wire/codec.hpp"

namespace belay::agent {
namespace {

constexpr std::size_t kInFlightMax = 32;
constexpr Duration kRenewalRetry{std::chrono::hours(1)};
constexpr Duration kTimerMax{std::chrono::hours(24)};
constexpr Duration kLookAfter{2'000};
constexpr Duration kWatchEvery{60'000};
constexpr Duration kWatchesLook{300'000};     // for the first plan of a node, where no directory can be watched
constexpr Duration kWatchTellEvery{300'000};  // where nothing changed
constexpr Duration kOwnRunsPause{1'000};
constexpr Duration kOwnRunsLook{std::chrono::hours(1)};  // a clock may be set, a machine may sleep
constexpr Duration kRescanEvery{std::chrono::minutes(10)};

// By minutes, so that it is told again only where it changes by as much.
std::optional<backup::Finding> clock_finding(Duration skew) {
  const auto off = std::chrono::duration_cast<std::chrono::minutes>(skew < Duration::zero() ? -skew : skew);
  if (off < backup::kClockTolerance) return std::nullopt;
  return backup::Finding{"clock-wrong", "this node's clock is " + humanize(off) +
                                            (skew > Duration::zero() ? " behind" : " ahead of") +
                                            " the server's; points and restores to a moment go by it: set it right"};
}

std::string new_id() { return make_uuid(io::random_bytes(kIdRandomBytes)); }

}  // namespace

Result<std::unique_ptr<Agent>> Agent::make(AgentParts parts) {
  BELAY_TRY_ASSIGN(auto identity, load_identity(parts.files, parts.paths));
  auto lock = io::FileLock::acquire(parts.paths.agent_lock());
  if (!lock.ok()) return lock.error().within("another agent runs on " + parts.paths.root());
  BELAY_TRY_ASSIGN(auto outbox, Outbox::open(parts.files, parts.paths));
  BELAY_TRY(parts.files.make_directories(parts.paths.orders(), 0700));
  BELAY_TRY(parts.files.make_directories(parts.paths.watches(), 0700));
  return std::unique_ptr<Agent>(new Agent(std::move(parts), std::move(identity), std::move(outbox), std::move(*lock)));
}

Agent::Agent(AgentParts parts, Identity identity, Outbox outbox, io::FileLock lock)
    : parts_(std::move(parts)),
      identity_(std::move(identity)),
      outbox_(std::move(outbox)),
      lock_(std::move(lock)),
      verifier_(parts_.files, parts_.paths, identity_.node_id, from_base64(identity_.order_public_key).value()),
      sets_(parts_.files, parts_.paths),
      nonce_(new_id()) {
  DeskParts desk{parts_.files, parts_.clock, parts_.paths, verifier_, outbox_, parts_.launcher, {}, {}, {}};
  desk.run_blocking = [this, alive = alive_](std::function<void()> work, std::function<void()> done) {
    const bool taken = parts_.workers.submit([&loop = parts_.loop, alive, work, done] {
      work();
      loop.post([alive, done] {
        if (*alive) done();
      });
    });
    if (!taken) later(Duration(1'000), [work, done] { work(), done(); });
  };
  desk.tell = [this](const wire::OrderUpdate& update) {
    if (!link_->send(wire::pack(new_id(), update)))
      static_cast<void>(outbox_.put(wire::pack(new_id(), update), Outbox::Keep::while_room));
  };
  desk.outbox_filled = [this] { pump(); };
  desk_ = std::make_unique<OrderDesk>(std::move(desk));

  LinkEvents events;
  events.hello = [this] {
    const auto& own = desk_->own_runs();
    return wire::Hello{BELAY_VERSION, facts_.boot_id, nonce_,        desk_->package_set_hash(),
                       facts_,        own.hash(),     own.taken_up()};
  };
  events.welcomed = [this](const wire::Welcome& words) { welcomed(words); };
  events.received = [this](const wire::Envelope& message) { received(message); };
  events.lost = [this](std::string_view) {
    in_flight_.clear();
    pumped_ = 0;
    plan_own_runs();
  };
  link_ = std::make_unique<Link>(parts_.loop, parts_.workers, parts_.link, identity_, std::move(events));
}

void Agent::start() {
  log::info("agent_started", {{"node", identity_.node_id},
                              {"server", identity_.server},
                              {"version", BELAY_VERSION},
                              {"waiting_messages", outbox_.size()}});
  watch_orders();
  gather_facts([this] {
    link_->start();
    wake_desk();
    plan_renewal();
    plan_own_runs();  // until the server answers, it is out of reach
    if (parts_.watch_backups) await_backups();
  });
}

void Agent::stop() {
  *alive_ = false;
  link_->stop();
}

void Agent::later(Duration delay, std::function<void()> task) {
  parts_.loop.run_after(delay, [alive = alive_, task = std::move(task)] {
    if (*alive) task();
  });
}

void Agent::gather_facts(std::function<void()> then) {
  const auto facts = std::make_shared<fleet::NodeFacts>();
  // What runs on a worker holds nothing of this: it may end later.
  const bool taken =
      parts_.workers.submit([this, &loop = parts_.loop, collect = parts_.collect_facts, alive = alive_, facts, then] {
        *facts = collect();
        loop.post([this, alive, facts, then] {
          if (!*alive) return;
          facts_ = std::move(*facts);
          ::malloc_trim(0);  // reading the machine takes megabytes that are not needed again for long
          then();
        });
      });
  if (!taken) later(Duration(1'000), [this, then] { gather_facts(then); });
}

void Agent::welcomed(const wire::Welcome& words) {
  clock_skew_ = words.server_time - parts_.clock.now();
  desk_->set_clock_skew(clock_skew_);
  if (words.order_public_key != identity_.order_public_key)
    log::error("order_key_differs",
               {{"what", "the server names another key for orders than at enrolment; it is not believed"}});
  if (!welcome_noted_)
    welcome_noted_ =
        parts_.files
            .write_durable(parts_.paths.welcomed(), json::encode_text(WelcomedAgent{BELAY_VERSION, nonce_}), 0600)
            .ok();
  in_flight_.clear();
  pumped_ = 0;
  ++own_runs_plan_;
  if (const auto kept = desk_->own_runs().reached(); !kept.ok())
    log::warning("own_runs_not_kept", {{"why", kept.error()}});
  pump();
  if (words.renew_certificate) renew_certificate(true);
  desk_->adopt();
  wake_desk();
  plan_scan(words.scan_every);
}

void Agent::received(const wire::Envelope& message) {
  if (message.type == wire::type_name<wire::Ack>()) {
    const auto ack = wire::unpack<wire::Ack>(message);
    if (!ack.ok()) return log::warning("message_refused", {{"type", message.type}, {"why", ack.error()}});
    for (const auto& id : ack->ids) {
      outbox_.acknowledge(id);
      in_flight_.erase(id);
    }
    return pump();
  }
  if (message.type == wire::type_name<wire::Refused>()) {
    const auto refused = wire::unpack<wire::Refused>(message);
    if (refused.ok()) take_refusal(*refused);
    return;
  }
  const auto done = act_on(message);
  if (done.ok()) return acknowledge(message.id);
  log::warning("message_refused", {{"type", message.type}, {"id", message.id}, {"why", done.error()}});
  static_cast<void>(link_->send(
      wire::pack(new_id(), wire::Refused{message.id, std::string(name(done.error().code())), done.error().chain()})));
}

// An acknowledgement that is lost only makes the server send again.
void Agent::acknowledge(const std::string& id) {
  static_cast<void>(link_->send(wire::pack(new_id(), wire::Ack{{id}})));
}

Status Agent::act_on(const wire::Envelope& message) {
  if (message.type == wire::type_name<wire::SignedOrder>()) {
    BELAY_TRY_ASSIGN(const auto order, wire::unpack<wire::SignedOrder>(message));
    BELAY_TRY(desk_->receive(order, clock_skew_));
    wake_desk();
    return {};
  }
  if (message.type == wire::type_name<wire::CancelOrder>()) {
    BELAY_TRY_ASSIGN(const auto cancel, wire::unpack<wire::CancelOrder>(message));
    return desk_->cancel(cancel.order_id);
  }
  if (message.type == wire::type_name<wire::NeedSets>()) {
    BELAY_TRY_ASSIGN(const auto wanted, wire::unpack<wire::NeedSets>(message));
    return upload(wanted);
  }
  return Error(Code::unsupported, "this agent does not know messages of type '" + message.type + "'");
}

Status Agent::upload(const wire::NeedSets& wanted) {
  bool lost = false;
  for (const auto& hash : wanted.package_set_hashes) {
    auto set = sets_.package_set(hash);
    if (!set.ok()) lost = true;
    else if (!link_->send(wire::pack(new_id(), wire::PackageSetUpload{hash, std::move(*set)})))
      return Error(Code::unavailable, "the connection is full");
  }
  for (const auto& hash : wanted.offer_set_hashes) {
    auto set = sets_.offer_set(hash);
    if (!set.ok()) lost = true;
    else if (!link_->send(wire::pack(new_id(), wire::OfferSetUpload{hash, std::move(*set)})))
      return Error(Code::unavailable, "the connection is full");
  }
  ::malloc_trim(0);
  const auto now = parts_.clock.monotonic();
  if (!lost || (rescanned_at_ && now - *rescanned_at_ < kRescanEvery)) return {};
  // A newer scan names sets that are here.
  rescanned_at_ = now;
  BELAY_TRY(desk_->scan_self(false));
  wake_desk();
  return {};
}

void Agent::pump() {
  while (in_flight_.size() < kInFlightMax) {
    auto item = outbox_.next(pumped_);
    if (!item || !link_->send(item->message)) return;
    pumped_ = item->sequence;
    in_flight_.insert(std::move(item->message.id));
  }
}

// Left by an update of the agent; runs under way are processes of their own and do not notice.
bool Agent::restart_wanted() {
  if (!parts_.restart || !parts_.files.info(parts_.paths.restart()).ok()) return false;
  if (const auto removed = parts_.files.remove(parts_.paths.restart()); !removed.ok()) {
    log::error("restart_refused", {{"why", removed.error()}});
    return false;
  }
  log::info("agent_restarts");
  parts_.restart();
  return true;
}

void Agent::wake_desk() {
  if (desk_awake_ || restart_wanted()) return;
  desk_awake_ = true;
  const bool was_idle = desk_->is_idle();
  const auto again = desk_->tick();
  if (!again) {
    desk_awake_ = false;
    // What an order did may show in the facts.
    if (!was_idle)
      gather_facts([this] {
        if (outbox_.put(wire::pack(new_id(), wire::FactsReport{facts_}), Outbox::Keep::newest_of_type).ok()) pump();
      });
    return;
  }
  later(*again, [this] {
    desk_awake_ = false;
    wake_desk();
  });
}

// `belay-agent rollback` lays an order from another process: it is taken up at once, so that its result is told as soon
// as there is one. The directory comes before the order in it, so the look comes a little later.
void Agent::watch_orders() {
  const auto watched = parts_.loop.watch_directory(parts_.paths.orders(), [this, alive = alive_] {
    if (!*alive || look_planned_) return;
    look_planned_ = true;
    later(kLookAfter, [this] {
      look_planned_ = false;
      desk_->adopt();
      wake_desk();
    });
  });
  if (!watched.ok()) log::warning("orders_not_watched", {{"why", watched.error()}});
}

void Agent::plan_renewal() {
  const auto due = renewal_due(identity_);
  if (!due.ok()) return log::error("certificate_unreadable", {{"why", due.error()}});
  const auto wait = std::clamp(Duration(*due - parts_.clock.now()), Duration::zero(), kTimerMax);
  later(wait, [this] {
    const auto now_due = renewal_due(identity_);
    if (now_due.ok() && parts_.clock.now() >= *now_due) renew_certificate(false);
    else plan_renewal();
  });
}

void Agent::renew_certificate(bool fresh_key) {
  if (renewing_) return;
  if (link_->is_refused()) return later(kRenewalRetry, [this] { plan_renewal(); });
  renewing_ = true;
  const auto renewed = std::make_shared<Result<Identity>>(Error(Code::unavailable, "too busy"));
  const bool taken = parts_.workers.submit([this, &loop = parts_.loop, &files = parts_.files, paths = parts_.paths,
                                            alive = alive_, renewed, fresh_key, identity = identity_] {
    *renewed = renew(files, paths, identity, fresh_key);
    loop.post([this, alive, renewed] {
      if (!*alive) return;
      renewing_ = false;
      if (!renewed->ok()) {
        log::warning("renewal_failed", {{"why", renewed->error()}});
        return later(kRenewalRetry, [this] { plan_renewal(); });
      }
      identity_ = std::move(**renewed);
      link_->use(identity_);
      log::info("certificate_renewed");
      plan_renewal();
    });
  });
  if (!taken) renewing_ = false;
}

void Agent::plan_scan(Duration every) {
  const auto plan = ++scan_plan_;
  if (every <= Duration::zero()) return;
  const auto due_in = [this, every] {
    const auto last = desk_->scanned_at();
    return last ? std::max(Duration(*last + every - parts_.clock.now()), Duration::zero()) : Duration::zero();
  };
  later(std::min({due_in(), every, kTimerMax}), [this, plan, every, due_in] {
    if (plan != scan_plan_) return;
    desk_->adopt();
    if (due_in() > Duration::zero()) return plan_scan(every);
    if (const auto begun = desk_->scan_self(true); !begun.ok())
      log::warning("scan_not_begun", {{"why", begun.error()}});
    wake_desk();
    later(every, [this, plan, every] {
      if (plan == scan_plan_) plan_scan(every);
    });
  });
}

// From now on, until the server answers, associations run by their own schedules.
void Agent::plan_own_runs() {
  auto& own = desk_->own_runs();
  if (const auto kept = own.cut_off(parts_.clock.now() + clock_skew_); !kept.ok())
    log::warning("own_runs_not_kept", {{"why", kept.error()}});
  const auto plan = ++own_runs_plan_;
  const auto again = desk_->run_own();
  wake_desk();
  if (!again) return;
  later(std::clamp(Duration(*again - parts_.clock.now()), kOwnRunsPause, kOwnRunsLook), [this, plan] {
    if (plan == own_runs_plan_) plan_own_runs();
  });
}

// A node without backups is not woken by this: its first job lays a file that begins it.
void Agent::await_backups() {
  const auto awaited = parts_.loop.watch_directory(parts_.paths.watches(), [this, alive = alive_] {
    if (!*alive || watch_planned_) return;
    watch_planned_ = true;
    later(kLookAfter, [this] { watch_backups(); });
  });
  awaits_backups_ = awaited.ok();
  if (!awaited.ok()) log::warning("backup_plans_not_awaited", {{"why", awaited.error()}});
  watch_planned_ = true;
  watch_backups();
}

// Every minute where there is something to watch.
void Agent::watch_backups() {
  const auto watches = kept_watches(parts_.files, parts_.paths, parts_.clock.now());
  watch_planned_ = !watches.empty() || !awaits_backups_;
  if (watch_planned_) later(watches.empty() ? kWatchesLook : kWatchEvery, [this] { watch_backups(); });
  if (watches.empty() || watching_) return;
  const auto reports = std::make_shared<std::vector<backup::WatchReport>>();
  watching_ = parts_.workers.submit(
      [this, &loop = parts_.loop, watch = parts_.watch_backups, alive = alive_, watches, reports] {
        *reports = watch(watches);
        loop.post([this, alive, reports] {
          if (!*alive) return;
          watching_ = false;
          tell_watched(*reports);
        });
      });
}

// At once where something changed, else now and then.
void Agent::tell_watched(std::vector<backup::WatchReport> reports) {
  const auto now = parts_.clock.monotonic();
  for (auto& report : reports) {
    if (auto wrong = clock_finding(clock_skew_)) report.findings.push_back(std::move(*wrong));
    auto& told = watched_[report.plan_id];
    const bool first = told.at == Duration::zero();
    if (!first && told.findings == report.findings && now - told.at < kWatchTellEvery) continue;
    told = {report.findings, now};
    const auto id = make_uuid(io::random_bytes(kIdRandomBytes));
    if (const auto put = outbox_.put(wire::pack(id, wire::BackupWatched{report}), Outbox::Keep::while_room); !put.ok())
      log::warning("backup_watch_not_told", {{"why", put.error()}});
  }
  pump();
}

void Agent::take_refusal(const wire::Refused& refused) {
  log::error("server_refused", {{"id", refused.id}, {"code", refused.code}, {"why", refused.message}});
  // What may be taken later stays and is sent over the next connection; the rest would be refused for ever. That the
  // node is not known is no fault of the message.
  const bool for_now = refused.code == name(Code::unauthenticated) || refused.code == name(Code::unavailable) ||
                       refused.code == name(Code::resource_exhausted) || refused.code == name(Code::internal) ||
                       refused.code == name(Code::timed_out);
  in_flight_.erase(refused.id);
  if (!for_now) outbox_.acknowledge(refused.id);
  pump();
}

}  // namespace belay::agent
