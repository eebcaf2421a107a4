#include "core/backup/agenda.hpp"

#include <algorithm>
#include <utility>

#include "core/backup/given_up.hpp"
#include "core/schedule/schedule.hpp"

namespace belay::backup {
namespace {

constexpr Duration kTick{1};
constexpr Duration kClockSlack{300'000};   // clocks of several servers differ by less
constexpr Duration kBetweenJobs{600'000};  // a pause that does not end a row of jobs
constexpr std::string_view kBackupTask = "backup ", kCopyTask = "copy ", kProveTask = "prove";

std::string_view word(BackupType type) {
  return type == BackupType::full ? "full" : type == BackupType::differential ? "differential" : "incremental";
}
std::string backup_task(BackupType type) { return std::string(kBackupTask) + std::string(word(type)); }

// FNV-1a: the same on every machine and for ever, which std::hash does not promise.
Duration jitter_of(std::string_view node_id, Duration whole) {
  if (whole <= Duration::zero()) return Duration::zero();
  std::uint64_t hash = 14695981039346656037u;
  for (const char c : node_id) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211u;
  hash ^= hash >> 32;  // ids differ in their ends, and FNV's low bits alone are poor
  return Duration(static_cast<std::int64_t>(hash % static_cast<std::uint64_t>(whole.count())));
}

std::optional<schedule::Schedule> schedule_of(const std::string& text, Instant since) {
  if (text.empty()) return std::nullopt;
  auto expression = schedule::parse_expression(text);
  if (!expression.ok()) return std::nullopt;  // read_plan() lets none of those through
  schedule::Schedule one;
  one.expression = std::move(*expression);
  one.since = since;
  return one;
}

// One schedule of the plan and how far it was dealt with.
struct Line {
  std::string what;  // "full backup", "copy to s3", "restore test"
  std::optional<schedule::Schedule> schedule;
  std::optional<Instant> seen;
  std::optional<Instant> due, missed, next;  // occurrences, without jitter; next with it
};

class Agenda {
 public:
  Agenda(const PlanSpec& plan, const schedule::ZoneRules& zone, Progress& progress, Instant since, Instant now)
      : plan_(plan),
        zone_(zone),
        progress_(progress),
        since_(since),
        now_(now),
        jitter_(jitter_of(progress.node_id, plan.schedule.jitter)) {}

  Next next() {
    if (!progress_.job_id.empty()) return {};
    heal_after_clock_jump();
    // Waiting for a retry is work, too: what it holds up must not be missed for it.
    if (progress_.retry_at && progress_.busy_until)
      progress_.busy_until = std::max(*progress_.busy_until, std::min(now_, *progress_.retry_at));
    look();
    if (auto found = missed()) return *found;
    if (auto found = backup()) return *found;
    if (auto found = retry()) return *found;
    if (progress_.retry_at) return nothing();  // what failed comes before what is lighter
    if (auto found = copy()) return *found;
    if (lines_[3].due) {
      progress_.prove_due_seen = lines_[3].due;
      return fresh({.act = Act::prove});
    }
    return nothing();
  }

 private:
  void heal_after_clock_jump() {
    const auto heal = [&](std::optional<Instant>& seen) {
      if (seen && *seen > now_ + kClockSlack) seen = now_;
    };
    heal(progress_.full_due_seen), heal(progress_.differential_due_seen), heal(progress_.incremental_due_seen);
    heal(progress_.prove_due_seen);
    for (auto& [vault, seen] : progress_.copies_due_seen)
      if (seen > now_ + kClockSlack) seen = now_;
    if (progress_.busy_until && *progress_.busy_until > now_ + kClockSlack)
      progress_.busy_since.reset(), progress_.busy_until.reset();
    if (progress_.retry_at && *progress_.retry_at > now_ + plan_.limits.retry_after + kClockSlack)
      progress_.retry_at = now_;
  }

  void look() {
    const auto add = [&](std::string what, const std::string& text, std::optional<Instant> seen) {
      lines_.push_back({std::move(what), schedule_of(text, since_), seen, {}, {}, {}});
      look_at(lines_.back());
    };
    add("full backup", plan_.schedule.full, progress_.full_due_seen);
    add("differential backup", plan_.schedule.differential, progress_.differential_due_seen);
    add("incremental backup", plan_.schedule.incremental, progress_.incremental_due_seen);
    add("restore test", plan_.prove.schedule, progress_.prove_due_seen);
    for (const auto& copy : plan_.copies) {
      const auto seen = progress_.copies_due_seen.find(copy.vault);
      add("copy to " + copy.vault, copy.schedule,
          seen == progress_.copies_due_seen.end() ? std::nullopt : std::optional(seen->second));
    }
  }

  // The newest occurrence is due or missed; of those before it the newest that had no more time is missed.
  void look_at(Line& line) const {
    if (!line.schedule) return;
    const auto unseen = [&](std::optional<Instant> at) { return at && (!line.seen || *at > *line.seen); };
    const auto shifted = now_ - jitter_;
    if (const auto next = schedule::next(*line.schedule, zone_, shifted)) line.next = *next + jitter_;
    const auto lost = schedule::previous(*line.schedule, zone_, lost_until());
    if (unseen(lost)) line.missed = lost;
    const auto newest = schedule::previous(*line.schedule, zone_, shifted);
    if (unseen(newest) && newest != lost) line.due = newest;
  }

  // Occurrences up to here had their time. While the plan's own jobs were under way the time did not run.
  Instant lost_until() const {
    const auto within = plan_.schedule.start_within;
    auto begin_by = now_ - within;
    if (progress_.busy_since && progress_.busy_until && *progress_.busy_until >= begin_by)
      begin_by = std::min(begin_by, *progress_.busy_since + (now_ - *progress_.busy_until) - within);
    return begin_by - kTick - jitter_;
  }

  std::optional<Instant>* seen_of(std::size_t line) {
    std::optional<Instant>* const all[] = {&progress_.full_due_seen, &progress_.differential_due_seen,
                                           &progress_.incremental_due_seen, &progress_.prove_due_seen};
    return line < 4 ? all[line] : nullptr;
  }
  void note(std::size_t line, Instant at) {
    if (auto* seen = seen_of(line)) *seen = at;
    else progress_.copies_due_seen[plan_.copies[line - 4].vault] = at;
  }

  std::string in_words(const Line& line) const {
    std::size_t count = 0;
    std::optional<Instant> first;
    auto after = std::max(line.seen.value_or(since_ - kTick), since_ - kTick);
    for (; count < schedule::kOccurrencesMax && after < *line.missed; ++count) {
      const auto next = schedule::next(*line.schedule, zone_, after);
      if (!next) break;
      if (!first) first = next;
      after = *next;
    }
    const auto text = [&](Instant at) { return schedule::to_local_iso8601(zone_, at + jitter_); };
    if (count < 2) return "the " + line.what + " that was due at " + text(*line.missed);
    return std::to_string(count) + (after < *line.missed ? " and more times" : " times") + " the " + line.what +
           ", due from " + text(*first) + " to " + text(*line.missed);
  }

  std::optional<Next> missed() {
    std::string why;
    bool is_backup = false;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (!lines_[i].missed) continue;
      is_backup = is_backup || i < 3;
      why += (why.empty() ? "" : "; ") + in_words(lines_[i]);
      note(i, *lines_[i].missed);
    }
    if (why.empty()) return std::nullopt;
    why += ": not begun within " + humanize(plan_.schedule.start_within);
    if (is_backup) progress_.backup_trouble = "missed: " + why, progress_.backup_trouble_at = now_;
    return Next{.act = Act::missed, .why = std::move(why), .look_at = now_};
  }

  std::optional<BackupType> waiting_type() const {
    for (const auto type : {BackupType::full, BackupType::differential, BackupType::incremental})
      if (progress_.retry_at && progress_.retry_task == backup_task(type)) return type;
    return std::nullopt;
  }

  std::optional<Next> backup() {
    std::optional<BackupType> heaviest;
    for (std::size_t i = 3; i-- > 0;)
      if (lines_[i].due) heaviest = static_cast<BackupType>(i);
    const auto waits = waiting_type();
    const bool is_fresh = heaviest.has_value();
    if (!is_fresh && !(waits && *progress_.retry_at <= now_)) return std::nullopt;
    auto type = heaviest ? *heaviest : *waits;
    if (waits) type = std::min(type, *waits);
    for (std::size_t i = 0; i < 3; ++i)
      if (lines_[i].due) note(i, *lines_[i].due);
    if (waits) progress_.retry_at.reset(), progress_.retry_task.clear();
    Next found{.act = Act::back_up, .type = progress_.has_full ? type : BackupType::full};
    return is_fresh ? fresh(std::move(found)) : again(std::move(found));
  }

  bool has_copy(std::string_view vault) const {
    return std::ranges::find(plan_.copies, vault, &CopySpec::vault) != plan_.copies.end();
  }

  // Of a copy or a restore test.
  std::optional<Next> retry() {
    if (!progress_.retry_at || *progress_.retry_at > now_) return std::nullopt;
    const auto task = std::exchange(progress_.retry_task, {});
    progress_.retry_at.reset();
    if (task == kProveTask) {
      if (lines_[3].due) note(3, *lines_[3].due);
      return again({.act = Act::prove});
    }
    if (!task.starts_with(kCopyTask)) return std::nullopt;
    const auto vault = task.substr(kCopyTask.size());
    if (!has_copy(vault)) return std::nullopt;  // the plan was changed since
    take_copy(vault);
    return again({.act = Act::copy, .vault = vault});
  }

  // It copies all that is not there yet, so whatever else asked for it is dealt with.
  void take_copy(const std::string& vault) {
    std::erase(progress_.copies_waiting, vault);
    for (std::size_t i = 4; i < lines_.size(); ++i)
      if (plan_.copies[i - 4].vault == vault && lines_[i].due) note(i, *lines_[i].due);
  }

  std::optional<Next> copy() {
    std::erase_if(progress_.copies_waiting, [&](const std::string& vault) { return !has_copy(vault); });
    std::string vault;
    if (!progress_.copies_waiting.empty()) vault = progress_.copies_waiting.front();
    for (std::size_t i = 4; i < lines_.size() && vault.empty(); ++i)
      if (lines_[i].due) vault = plan_.copies[i - 4].vault;
    if (vault.empty()) return std::nullopt;
    take_copy(vault);
    return fresh({.act = Act::copy, .vault = vault});
  }

  // What is due by itself begins to count anew; a retry that waits for another task keeps its count.
  Next fresh(Next found) {
    if (!progress_.retry_at) progress_.failures = 0;
    return again(std::move(found));
  }
  Next again(Next found) const {
    found.look_at = now_;
    return found;
  }

  Next nothing() const {
    Next found;
    const auto consider = [&](std::optional<Instant> at) {
      if (at && (!found.look_at || *at < *found.look_at)) found.look_at = at;
    };
    for (const auto& line : lines_) consider(line.next);
    consider(progress_.retry_at);
    return found;
  }

  const PlanSpec& plan_;
  const schedule::ZoneRules& zone_;
  Progress& progress_;
  Instant since_, now_;
  Duration jitter_;
  std::vector<Line> lines_;  // full, differential, incremental, restore test, then the copies
};

}  // namespace

std::string task_text(const Next& next) {
  switch (next.act) {
    case Act::back_up: return backup_task(next.type);
    case Act::copy: return std::string(kCopyTask) + next.vault;
    case Act::prove: return std::string(kProveTask);
    case Act::nothing:
    case Act::missed: break;
  }
  return {};
}

Next next_act(const PlanSpec& plan, const schedule::ZoneRules& zone, Progress& progress, Instant since, Instant now) {
  return Agenda(plan, zone, progress, since, now).next();
}

void job_begun(Progress& progress, std::string_view job_id, std::string_view task, Instant now) {
  progress.job_id = job_id;
  progress.job_task = task;
  if (!progress.busy_until || !progress.busy_since || now > *progress.busy_until + kBetweenJobs)
    progress.busy_since = now;
}

namespace {

void backup_was_good(const PlanSpec& plan, Progress& progress, std::string_view task, Instant now) {
  progress.last_ok_at = now;
  progress.backups_failed = 0;
  progress.backup_trouble.clear();
  progress.backup_trouble_at.reset();
  if (task == backup_task(BackupType::full)) progress.has_full = true;
  for (const auto& copy : plan.copies)
    if (copy.schedule.empty() &&
        std::ranges::find(progress.copies_waiting, copy.vault) == progress.copies_waiting.end())
      progress.copies_waiting.push_back(copy.vault);
}

}  // namespace

void job_was_good_after_all(const PlanSpec& plan, Progress& progress, std::string_view task, Instant now) {
  if (task.starts_with(kBackupTask)) backup_was_good(plan, progress, task, now);
  if (progress.retry_task != task) return;
  progress.retry_at.reset();
  progress.retry_task.clear();
  progress.failures = 0;
}

void job_ended(const PlanSpec& plan, Progress& progress, bool ok, Instant now, std::string_view why) {
  const auto task = std::exchange(progress.job_task, {});
  progress.job_id.clear();
  progress.busy_until = now;
  const bool is_backup = task.starts_with(kBackupTask);
  if (task == kProveTask) ++progress.proofs;
  if (ok) {
    if (!progress.retry_at) progress.failures = 0;
    if (is_backup) backup_was_good(plan, progress, task, now);
    return;
  }
  const bool is_known = is_backup || task == kProveTask || task.starts_with(kCopyTask);
  if (!is_known) return;  // a restore, a check: whoever asked for it asks again
  if (is_backup && ++progress.backups_failed > plan.limits.retries) {
    progress.backup_trouble = "the newest backup failed" + (why.empty() ? "" : ": " + std::string(why));
    progress.backup_trouble_at = now;
  }
  const bool other_waits = progress.retry_at.has_value();
  if (other_waits && !is_backup) return;  // a backup that waits for its retry is worth more
  if (other_waits) progress.failures = 0;
  ++progress.failures;
  progress.retry_at.reset();
  progress.retry_task.clear();
  if (progress.failures > plan.limits.retries) return;
  progress.retry_at = now + plan.limits.retry_after;
  progress.retry_task = task;
}

namespace {

// All schedules of a plan's backups as one.
struct Union {
  const schedule::ZoneRules& zone;
  std::vector<schedule::Schedule> all;

  std::optional<Instant> next(Instant after) const {
    std::optional<Instant> first;
    for (const auto& one : all)
      if (const auto at = schedule::next(one, zone, after); at && (!first || *at < *first)) first = at;
    return first;
  }
  std::optional<Instant> previous(Instant at) const {
    std::optional<Instant> last;
    for (const auto& one : all)
      if (const auto before = schedule::previous(one, zone, at); before && (!last || *before > *last)) last = before;
    return last;
  }
  // The longest gap above `least` that begins before `until`. Where something is due within the longest gap so far, one
  // look backwards passes over everything in between.
  std::optional<Duration> longest_above(Duration least, Instant begin, Instant until) const {
    std::optional<Duration> longest;
    for (auto at = begin; at < until;) {
      const auto step = longest.value_or(least);
      if (const auto jump = previous(at + step); jump && *jump > at) {
        at = *jump;
        continue;
      }
      const auto following = next(at);
      if (!following) break;
      longest = *following - at;
      at = *following;
    }
    return longest;
  }
};

}  // namespace

std::optional<Duration> longest_interval(const PlanSchedule& plan, const schedule::ZoneRules& zone, Instant from) {
  using std::chrono::days;
  Union backups{zone, {}};
  for (const auto* text : {&plan.full, &plan.differential, &plan.incremental})
    if (auto one = schedule_of(*text, from)) backups.all.push_back(std::move(*one));
  const auto begin = backups.next(from - kTick);
  if (!begin || !backups.next(*begin)) return std::nullopt;
  // A year and its changes of the clock; then what is denser, which a shorter time shows as well.
  for (const auto& [least, span] : {std::pair{Duration(days(1)), days(400)}, std::pair{Duration(3'600'000), days(400)},
                                    std::pair{Duration(60'000), days(8)}})
    if (const auto longest = backups.longest_above(least, *begin, *begin + span)) return longest;
  return std::nullopt;
}

}  // namespace belay::backup
