#include "server/engine/backup_run.hpp"

#include <algorithm>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/text.hpp"
#include "core/rollout/spec.hpp"
#include "core/schedule/tzif.hpp"
#include "io/crypto.hpp"
#include "server/engine/audit.hpp"
#include "server/engine/change_calendars.hpp"
#include "server/engine/commands.hpp"
#include "server/engine/mail.hpp"
#include "server/engine/order_desk.hpp"
#include "server/engine/webhooks.hpp"
#include "store/orders.hpp"

namespace belay::server {
namespace {
using backup::Task;
using store::Sql;
namespace backups = store::backups;

constexpr Duration kDelivery{24LL * 3600 * 1000};  // of what a person asked for
constexpr Duration kSlack{3'600'000};              // beyond a job's own time-out, for reports on their way
constexpr Duration kBusyLook{60'000};

struct State {
  std::optional<Instant> members_at;  // the newest sweep
  std::int64_t version = 0;           // of the plan then
};
BOOST_DESCRIBE_STRUCT(State, (), (members_at, version))

// What somebody wants looked at, as it is posted.
struct LookEvent {
  std::string look;  // a node's id, "" all
};
BOOST_DESCRIBE_STRUCT(LookEvent, (), (look))
constexpr std::string_view kLookKey = "look ";

class BackupKind : public ExecutionKind {
 public:
  explicit BackupKind(BackupParts parts) : parts_(std::move(parts)) {}
  std::string_view name() const override { return kBackupKind; }
  Result<Advance> advance(Sql& sql, const store::executions::Execution& execution,
                          const std::vector<store::executions::Event>& events, Instant now) override {
    return BackupRun(sql, parts_, now).advance(execution, events);
  }

 private:
  const BackupParts parts_;
};

Result<std::vector<std::string>> nodes_of(Sql& sql, const backup::PlanSpec& plan) {
  std::vector<Target> targets;
  for (const auto& text : plan.targets) {
    BELAY_TRY_ASSIGN(const auto target, rollout::parse_target(text));
    targets.push_back({target.key, target.values});
  }
  return resolve_targets(sql, {}, targets);
}

// Ended by this server, which had no word of the node.
bool was_given_up(const backups::Job& job) {
  return !job.report && !job.order_id.empty() && (job.state == "Expired" || job.state == "Failed");
}

bool is_sent(const backups::Job& job) { return job.state == "Sent" || job.state == "Running"; }

// The drives, or "" where the vault has none, on which points of the job's repository are known.
Result<std::vector<std::string>> known_in(Sql& sql, const backup::Job& job, const std::string& vault) {
  BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql, job.plan_id, job.source_node_id, vault));
  std::set<std::string> drives;
  for (const auto& point : points)
    if (point.state != backup::PointState::expiring) drives.insert(point.made.drive);
  return std::vector<std::string>(drives.begin(), drives.end());
}

}  // namespace

std::unique_ptr<ExecutionKind> make_backup_kind(BackupParts parts) {
  return std::make_unique<BackupKind>(std::move(parts));
}

// As the agenda calls it; "" of what it does not plan.
std::string agenda_task(const backup::Job& job) {
  backup::Next next;
  next.type = job.type;
  if (job.task == Task::backup) next.act = backup::Act::back_up;
  if (job.task == Task::prove) next.act = backup::Act::prove;
  if (job.task == Task::copy && job.copy_to) next.act = backup::Act::copy, next.vault = job.copy_to->name;
  return backup::task_text(next);
}

bool is_over(const backups::Job& job) { return job.finished_at.has_value(); }

Status wake_backup_plan(Sql& sql, std::string_view plan_id, std::string_view node_id, Instant now) {
  store::executions::Event event;
  event.key = std::string(kLookKey) + make_uuid(io::random_bytes(kIdRandomBytes));
  event.body = json::encode_text(LookEvent{std::string(node_id)});
  event.at = now;
  return store::executions::post(sql, kBackupKind, plan_id, event);
}

Result<std::string> want_job(Sql& sql, backup::Job job, std::string_view requested_by, std::string_view reason,
                             Instant now) {
  if (job.job_id.empty()) job.job_id = make_id("bj", io::random_bytes(kIdRandomBytes));
  BELAY_TRY_ASSIGN(job.known_in, known_in(sql, job, job.vault.name));
  if (job.copy_to) {
    BELAY_TRY_ASSIGN(job.copy_known_in, known_in(sql, job, job.copy_to->name));
  }
  backups::Job kept;
  kept.requested_by = requested_by;
  kept.reason = reason;
  kept.created_at = now;
  kept.job = std::move(job);
  BELAY_TRY(backups::create_job(sql, kept));
  BELAY_TRY(wake_backup_plan(sql, kept.job.plan_id, kept.job.node_id, now));
  return kept.job.job_id;
}

Result<backup::Job> job_for(Sql& sql, const backups::Plan& plan, std::string_view node_id, Task task) {
  backup::Job job;
  job.task = task;
  job.plan_id = plan.plan_id;
  job.plan_name = plan.name;
  job.node_id = job.source_node_id = node_id;
  job.source = plan.spec.source;
  job.rpo = plan.spec.objectives.rpo;
  job.limits = plan.spec.limits;
  job.scratch = plan.spec.prove.scratch;
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql, plan.spec.vault));
  job.vault = vault.spec;
  return job;
}

Status with_point(Sql& sql, backup::Job& job, const backup::RecoveryPoint& point) {
  BELAY_TRY_ASSIGN(const auto whole, backups::get_point(sql, point.point_id));
  BELAY_TRY_ASSIGN(const auto vault, backups::get_vault(sql, point.vault));
  job.vault = vault.spec;
  job.source_node_id = point.node_id;
  job.points = {whole.made};
  job.chain.clear();
  BELAY_TRY_ASSIGN(const auto all, backups::points_of(sql, point.plan_id, point.node_id, point.vault));
  for (const auto& reference : whole.made.needs) {
    const auto needed = std::ranges::find_if(all, [&](const auto& one) { return one.made.reference == reference; });
    if (needed == all.end())
      return Error(Code::invalid_argument,
                   "the recovery point " + point.point_id + " needs " + reference + ", which is not there any more",
                   "ValidationException");
    job.chain.push_back(needed->made);
  }
  return {};
}

Status refresh_members(Sql& sql, const backups::Plan& plan, bool all, Instant now) {
  std::set<std::string> wanted;
  if (plan.state != "Retired") {
    BELAY_TRY_ASSIGN(const auto ids, nodes_of(sql, plan.spec));
    wanted.insert(ids.begin(), ids.end());
  }
  BELAY_TRY_ASSIGN(auto known, backups::members_of(sql, plan.plan_id));
  std::vector<backups::Member> changed;
  for (auto& member : known) {
    const bool covered = wanted.erase(member.node_id) > 0;
    if (covered == !member.left_at && !all) continue;
    if (covered && member.left_at) member.left_at.reset(), member.joined_at = now;
    else if (!covered && !member.left_at) member.left_at = now;
    member.look_at = now;
    changed.push_back(member);
  }
  for (const auto& node_id : wanted) {
    backups::Member member;
    member.plan_id = plan.plan_id;
    member.node_id = member.progress.node_id = node_id;
    member.joined_at = now;
    member.look_at = now;
    changed.push_back(std::move(member));
  }
  return backups::put_members(sql, changed);
}

Result<ExecutionKind::Advance> BackupRun::advance(const store::executions::Execution& execution,
                                                  const std::vector<store::executions::Event>& events) {
  BELAY_TRY_ASSIGN(auto state, json::decode_text<State>(execution.state));
  BELAY_TRY_ASSIGN(plan_, backups::get_plan(sql_, execution.execution_id));
  BELAY_TRY_ASSIGN(zone_, schedule::zone_of(plan_.spec.schedule.timezone, parts_.read_zone));
  for (const auto& event : events) BELAY_TRY(translate(event));
  const bool active = plan_.state == "Active";
  if (!state.members_at || state.version != plan_.version || (active && now_ - *state.members_at >= kMembersEvery)) {
    BELAY_TRY(refresh_members(sql_, plan_, state.version != plan_.version, now_));
    state.members_at = now_;
    state.version = plan_.version;
  }
  BELAY_TRY_ASSIGN(const auto due, backups::members_due(sql_, plan_.plan_id, now_, kMembersAtOnce));
  for (const auto& member : due) to_look_.insert(member.node_id);
  for (const auto& node_id : to_look_) {
    const auto member = backups::get_member(sql_, plan_.plan_id, node_id);
    if (member.ok()) BELAY_TRY(look(*member));
    else if (member.error().code() == Code::not_found) BELAY_TRY(look_at_guest(node_id));
    else return member.error();
  }
  BELAY_TRY_ASSIGN(auto wake_at, backups::next_look(sql_, plan_.plan_id));
  if (active) wake_at = std::min(wake_at.value_or(Instant::max()), now_ + kMembersEvery);
  return ExecutionKind::Advance{json::encode_text(state), wake_at, false};
}

Status BackupRun::translate(const store::executions::Event& event) {
  if (event.key.starts_with(kWebhookEventKey) || event.key.starts_with(kMailEventKey))
    return {};  // told or not: the posture says the same
  if (event.key.starts_with(kLookKey)) {
    BELAY_TRY_ASSIGN(const auto wanted, json::decode_text<LookEvent>(event.body));
    if (!wanted.look.empty()) {
      to_look_.insert(wanted.look);
      return {};
    }
    BELAY_TRY_ASSIGN(const auto members, backups::members_of(sql_, plan_.plan_id));
    for (const auto& member : members) to_look_.insert(member.node_id);
    return {};
  }
  BELAY_TRY_ASSIGN(const auto told, json::decode_text<NodeEvent>(event.body));
  BELAY_TRY_ASSIGN(auto job, backups::job_of_order(sql_, told.order_id));
  if (!job) return {};
  if (is_over(*job)) return was_given_up(*job) ? take_late_result(*job, told) : Status();
  to_look_.insert(job->job.node_id);
  if (told.kind == NodeEventKind::order_taken) {
    job->state = "Running";
    if (!job->begun_at) job->begun_at = now_;
    return backups::update_job(sql_, *job);
  }
  if (told.kind == NodeEventKind::node_removed) return end(*job, "Failed", "the node was removed from the fleet");
  if (told.kind != NodeEventKind::order_ended) return {};
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, told.order_id));
  if (result) return take_result(*job, *result);
  return end(*job, "Expired", "the node did not take the order in time: is its agent running? see `belay nodes`");
}

// What was given up while the node worked on it, or while this server was away, and went on all the same: what came of
// it is there, whatever was thought of it. What a list saw is not: it is of a time that is over.
Status BackupRun::take_late_result(Job& job, const NodeEvent& told) {
  if (told.kind != NodeEventKind::order_ended || job.job.task == Task::list) return {};
  BELAY_TRY_ASSIGN(const auto result, result_of(sql_, told.order_id));
  if (!result || !result->backup) return {};
  late_.emplace(job.state, job.why, *job.finished_at);
  const auto taken = take_result(job, *result);
  late_.reset();
  return taken;
}

// A node that the plan does not cover, and that restores or tests one of its points: like one that has left.
Status BackupRun::look_at_guest(const std::string& node_id) {
  BELAY_TRY_ASSIGN(const auto open, backups::open_jobs(sql_, plan_.plan_id, node_id));
  if (open.empty()) return {};
  Member guest;
  guest.plan_id = plan_.plan_id;
  guest.node_id = guest.progress.node_id = node_id;
  guest.joined_at = now_;
  guest.left_at = guest.look_at = now_;
  BELAY_TRY(backups::put_members(sql_, std::span(&guest, 1)));
  return look(guest);
}

Status BackupRun::look(Member member) {
  BELAY_TRY_ASSIGN(auto open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
  const auto sent = std::ranges::find_if(open, is_sent);
  if (sent != open.end()) {
    member.progress.job_id = sent->job.job_id;
    BELAY_TRY(watch_deadline(*sent));
    BELAY_TRY_ASSIGN(open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
  }
  if (std::ranges::none_of(open, is_sent)) {
    // An end may have changed what the member remembers.
    BELAY_TRY_ASSIGN(member, backups::get_member(sql_, plan_.plan_id, member.node_id));
    settle(member);
    BELAY_TRY(begin_due(member, open));
  }
  BELAY_TRY(judge(member));
  plan_next_look(member, open);
  return backups::put_members(sql_, std::span(&member, 1));
}

// What somebody stopped neither succeeded nor failed. Where no node had it yet it ended without us, and remembered as
// under way nothing would be due ever again.
void BackupRun::settle(Member& member) {
  auto& progress = member.progress;
  if (progress.job_id.empty()) return;
  if (!progress.job_task.empty()) progress.busy_until = now_;
  progress.job_id.clear();
  progress.job_task.clear();
}

void BackupRun::plan_next_look(Member& member, const std::vector<Job>& open) {
  const bool busy = std::ranges::any_of(open, is_sent) || !member.progress.job_id.empty();
  if (plan_.state == "Retired" && open.empty() && !busy) {
    member.look_at.reset();
    return;
  }
  Instant at = now_ + (busy ? kBusyLook : kPostureEvery);
  if (member.look_at && *member.look_at > now_) at = std::min(at, *member.look_at);
  member.look_at = std::max(at, now_ + Duration(1'000));
}

Status BackupRun::watch_deadline(Job& job) {
  BELAY_TRY_ASSIGN(const auto order, store::orders::get(sql_, job.order_id));
  using OrderState = store::orders::State;
  const bool untaken = order.state == OrderState::queued || order.state == OrderState::delivered;
  if (untaken && now_ >= order.expires_at) {
    BELAY_TRY_ASSIGN(const auto cancelled, store::orders::cancel(sql_, job.order_id, now_));
    BELAY_TRY(end(job, "Expired",
                  "the node did not take the order by " + to_iso8601(order.expires_at) +
                      (cancelled.state == OrderState::delivered ? "; it may have begun it" : "")));
  } else if (!untaken && job.begun_at && now_ >= *job.begun_at + job.job.limits.timeout + kSlack &&
             now_ >= parts_.started_at + kSlack) {  // what the node did while this server was away it has yet to say
    BELAY_TRY_ASSIGN(const auto asked, store::orders::cancel(sql_, job.order_id, now_));
    (void)asked;
    BELAY_TRY(end(job, "Failed",
                  "nothing was heard of it for " + humanize(job.job.limits.timeout + kSlack) +
                      "; look at the node's agent, and at `belay-agent` there"));
  }
  return {};
}

// A person who waits for data comes first; then in the order they were wanted.
Result<std::size_t> BackupRun::first_ready(const std::vector<Job>& open) {
  for (const auto wanted : {true, false})
    for (std::size_t i = 0; i < open.size(); ++i) {
      if (open[i].state != "Pending" || (open[i].job.task == Task::restore) != wanted) continue;
      if (open[i].job.task != Task::forget) return i;
      BELAY_TRY_ASSIGN(const bool waits, must_wait(open[i]));
      if (!waits) return i;
    }
  return open.size();
}

Status BackupRun::begin_due(Member& member, std::vector<Job>& open) {
  const bool acts = plan_.state == "Active" && !member.left_at;
  BELAY_TRY_ASSIGN(auto first, first_ready(open));
  if (first == open.size() && acts) {
    const auto closed = held_by_calendars(sql_, parts_.read_zone, plan_.spec.schedule.calendars, now_);
    if (!closed.ok()) return closed.error();
    if (closed->empty()) BELAY_TRY(ask_agenda(member));
    BELAY_TRY_ASSIGN(open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
    BELAY_TRY_ASSIGN(first, first_ready(open));
    if (first == open.size()) {
      BELAY_TRY(ask_list(member));
      BELAY_TRY_ASSIGN(open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
      BELAY_TRY_ASSIGN(first, first_ready(open));
    }
  }
  while (first < open.size()) {
    BELAY_TRY(send(open[first], member));
    if (is_sent(open[first])) return {};
    // It ended unsent, and it is the next one's turn.
    BELAY_TRY_ASSIGN(open, backups::open_jobs(sql_, plan_.plan_id, member.node_id));
    BELAY_TRY_ASSIGN(first, first_ready(open));
  }
  return {};
}

Status BackupRun::ask_agenda(Member& member) {
  // What was missed is told, and then asked again; an act is a job, and no more is asked while there is one.
  for (int turn = 0; turn < 8; ++turn) {
    const auto next = backup::next_act(plan_.spec, zone_, member.progress, member.joined_at, now_);
    if (next.look_at) member.look_at = *next.look_at;
    switch (next.act) {
      case backup::Act::nothing: return {};
      case backup::Act::missed: BELAY_TRY(alarm(member, "start", next.why)); break;
      case backup::Act::back_up: return want_backup(member, next.type, "schedule");
      case backup::Act::copy: return want_copy(member, next.vault);
      case backup::Act::prove: return want_proof(member, "schedule");
    }
  }
  return {};
}

Status BackupRun::want(backup::Job job, std::string_view reason) {
  BELAY_TRY_ASSIGN(const auto id, want_job(sql_, std::move(job), "belayd", reason, now_));
  (void)id;
  return {};
}

Status BackupRun::want_backup(Member& member, backup::BackupType type, std::string_view reason) {
  BELAY_TRY_ASSIGN(auto job, job_for(sql_, plan_, member.node_id, Task::backup));
  job.type = member.progress.has_full ? type : backup::BackupType::full;
  BELAY_TRY_ASSIGN(const auto points, backups::points_of(sql_, plan_.plan_id, member.node_id, plan_.spec.vault));
  for (const auto& point : points)  // what an increment builds on: the node may have lost what it remembered
    if (job.chain.size() < 64 && point.state == backup::PointState::available) job.chain.push_back(point.made);
  std::ranges::reverse(job.chain);
  return want(std::move(job), reason);
}

Status BackupRun::want_proof(Member& member, std::string_view reason) {
  BELAY_TRY_ASSIGN(const auto known, known_of(sql_, plan_, member.node_id));
  const auto random = io::random_bytes(8);
  std::uint64_t number = 0;
  for (const char byte : random) number = number << 8 | static_cast<unsigned char>(byte);
  backup::Pick picked{};
  const auto* point = backup::pick_point(known, member.progress.proofs, number, &picked);
  if (!point) return alarm(member, "proof", "there is no whole recovery point to prove");
  BELAY_TRY_ASSIGN(auto job, job_for(sql_, plan_, member.node_id, Task::prove));
  BELAY_TRY(with_point(sql_, job, *point));
  job.level = plan_.spec.prove.level;
  job.checks = plan_.spec.prove.checks;
  job.offsite = picked == backup::Pick::offsite;
  return want(std::move(job), reason);
}

Status BackupRun::end_unsent(Job& job, Member& member, std::string state, std::string why) {
  BELAY_TRY(backups::put_members(sql_, std::span(&member, 1)));
  BELAY_TRY(end(job, std::move(state), std::move(why)));
  BELAY_TRY_ASSIGN(member, backups::get_member(sql_, plan_.plan_id, member.node_id));
  return {};
}

Status BackupRun::send(Job& job, Member& member) {
  if (job.job.task == Task::forget) {
    BELAY_TRY(judge_again(job));
    if (job.job.points.empty()) {
      BELAY_TRY(end_unsent(job, member, "Cancelled", "all of it is wanted after all: nothing is deleted"));
      return follow_up(member);  // what came to an end while this one waited
    }
  }
  wire::Order order;
  order.kind = wire::OrderKind::backup;
  order.order_id = order_id_for(kBackupKind, plan_.plan_id, job.job.node_id, job.job.job_id);
  order.node_id = job.job.node_id;
  order.issued_at = now_;
  const bool scheduled = job.reason == "schedule" && job.job.task == Task::backup;
  order.expires_at = now_ + (scheduled ? plan_.spec.schedule.start_within : kDelivery);
  order.document = "belay:backup";
  order.requested_by = job.requested_by;
  order.backup = job.job;
  const auto queued = queue_order(sql_, parts_.authority, std::move(order), {std::string(kBackupKind), plan_.plan_id});
  if (!queued.ok()) {
    if (queued.error().code() != Code::not_found && queued.error().code() != Code::permission_denied)
      return queued.error();
    return end_unsent(job, member, "Failed", queued.error().chain());
  }
  job.order_id = order_id_for(kBackupKind, plan_.plan_id, job.job.node_id, job.job.job_id);
  job.state = "Sent";
  const auto task = agenda_task(job.job);
  if (task.empty()) member.progress.job_id = job.job.job_id;
  else backup::job_begun(member.progress, job.job.job_id, task, now_);
  return backups::update_job(sql_, job);
}

}  // namespace belay::server
