#include "agent/backup/mariadb_points.hpp"

#include <algorithm>
#include <set>

#include "agent/backup/files_engine.hpp"
#include "base/text.hpp"

namespace belay::agent::backups::mariadb {
namespace {

char letter_of(backup::BackupType type) {
  return type == backup::BackupType::full ? 'F' : type == backup::BackupType::differential ? 'D' : 'I';
}

std::string with_digits(std::string_view iso, std::string_view drop) {
  std::string text;
  for (const char c : iso)
    if (drop.find(c) == std::string_view::npos) text += c;
  return text;
}

std::uint64_t number_tag(const Stored& stored, std::string_view name) {
  return to_number(tag_of(stored, name)).value_or(0);
}

Instant time_tag(const Stored& stored, std::string_view name) {
  return from_unix_ms(static_cast<std::int64_t>(number_tag(stored, name)));
}

}  // namespace

std::string label_of(Instant at, backup::BackupType type) {
  const auto whole = std::chrono::floor<std::chrono::seconds>(at);
  const auto ms = std::to_string(1000 + (at - Instant(whole)).count()).substr(1);
  auto text = with_digits(to_iso8601(Instant(whole)), "-:Z");
  std::ranges::replace(text, 'T', '-');
  return text + "." + ms + letter_of(type);
}

std::string tag_of(const Stored& stored, std::string_view name) {
  for (const std::string_view tag : stored.tags)
    if (tag.size() > name.size() && tag.starts_with(name) && tag[name.size()] == '=')
      return std::string(tag.substr(name.size() + 1));
  return {};
}

std::vector<std::string> split_labels(std::string_view text) {
  std::vector<std::string> labels;
  for (const auto& label : split(text, '+'))
    if (!label.empty()) labels.emplace_back(label);
  return labels;
}

const Stored* find_point(const std::vector<Stored>& all, std::string_view label) {
  const Stored* found = nullptr;
  for (const auto& stored : all)
    if (!label.empty() && tag_of(stored, "point") == label) found = &stored;
  return found;
}

bool is_point(const Stored& stored, backup::EngineName engine) {
  return !tag_of(stored, "point").empty() && tag_of(stored, "engine") == backup::text_of(engine);
}

backup::MadePoint point_of(const Stored& stored) {
  backup::MadePoint point;
  point.reference = tag_of(stored, "point");
  point.type = point.reference.ends_with('F')   ? backup::BackupType::full
               : point.reference.ends_with('D') ? backup::BackupType::differential
                                                : backup::BackupType::incremental;
  point.needs = split_labels(tag_of(stored, "needs"));
  point.begun_at = time_tag(stored, "begun");
  point.taken_at = time_tag(stored, "taken");
  point.bytes_source = number_tag(stored, "bytes");
  point.files = number_tag(stored, "files");
  point.position = tag_of(stored, "log");
  if (const auto lsn = tag_of(stored, "lsn"); !lsn.empty())
    point.position += (point.position.empty() ? "lsn " : " lsn ") + lsn;
  point.server_version = tag_of(stored, "server");
  point.engine_version = tag_of(stored, "tool");
  return point;
}

std::vector<LogRun> log_runs(const std::vector<Stored>& all, std::string_view epoch) {
  std::vector<LogRun> runs;
  for (const auto& stored : all) {
    const auto first = log_number(tag_of(stored, "first")), last = log_number(tag_of(stored, "last"));
    if (!first || !last || first->first != last->first) continue;
    LogRun run{stored.snapshot_id, first->first, tag_of(stored, "epoch"),
               first->second,      last->second, time_tag(stored, "until")};
    if (epoch.empty() || run.epoch == epoch) runs.push_back(std::move(run));
  }
  std::ranges::sort(
      runs, [](const LogRun& a, const LogRun& b) { return std::tie(a.until, a.last) < std::tie(b.until, b.last); });
  return runs;
}

std::string log_name(std::string_view base, std::uint64_t number) {
  auto digits = std::to_string(number);
  if (digits.size() < 6) digits.insert(0, 6 - digits.size(), '0');
  return std::string(base) + "." + digits;
}

Result<std::vector<std::string>> ids_of(const std::vector<Stored>& all, const std::vector<backup::MadePoint>& points) {
  std::set<std::string> ids;
  std::set<std::pair<std::string, std::uint64_t>> begins;
  for (const auto& point : points) {
    auto labels = point.needs;
    labels.push_back(point.reference);
    for (const auto& label : labels) {
      const auto* stored = find_point(all, label);
      if (!stored)
        return Error(Code::not_found,
                     "point " + label + " is not in the repository, and " + point.reference + " needs it",
                     "chain-broken");
      ids.insert(stored->snapshot_id);
      if (const auto log = log_number(read_position(tag_of(*stored, "log")).file); log)
        begins.emplace(tag_of(*stored, "epoch"), log->second);
    }
  }
  for (const auto& run : log_runs(all, {}))
    for (const auto& [epoch, number] : begins)
      if (run.epoch == epoch && run.last >= number) ids.insert(run.snapshot_id);
  return std::vector<std::string>(ids.begin(), ids.end());
}

Result<OpenRepository> OpenRepository::open(const BackupHost& host, const backup::Job& job,
                                            const backup::VaultSpec& vault, const Secrets& secrets,
                                            std::string_view prefix, bool make, Repository* like) {
  OpenRepository opened;
  BELAY_TRY_ASSIGN(auto access, VaultAccess::open(host, job, vault, secrets, prefix));
  opened.access_ = std::make_unique<VaultAccess>(std::move(access));
  const auto key = secrets.find(std::string(prefix) + "repository.key");
  if (key == secrets.end())
    return Error(Code::invalid_argument, "no key came with the job for vault " + vault.name, "wrong-key");
  opened.repository_ = std::make_unique<Repository>(host, job, *opened.access_, key->second, !job.offsite);
  BELAY_TRY(opened.repository_->open(make, like));
  return opened;
}

void OpenRepository::note(const BackupHost& host, const backup::Job& job) const { note_for_watch(host, job, *access_); }

void OpenRepository::measure(backup::JobReport& report) const {
  if (const auto bytes = repository_->bytes(); bytes.ok()) report.repository_bytes = *bytes;
  if (const auto space = access_->space(); space.ok()) report.repository_bytes_free = space->bytes_free;
}

backup::JobReport list_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets,
                              backup::EngineName engine) {
  backup::JobReport report;
  report.task = backup::Task::list;
  const auto opened = OpenRepository::open(host, job, job.vault, secrets, {}, false);
  if (!opened.ok()) return failed(report.task, opened.error());
  const auto all = (*opened)->snapshots();
  if (!all.ok()) return failed(report.task, all.error());
  for (const auto& stored : *all)
    if (is_point(stored, engine)) report.points.push_back(point_of(stored));
  opened->measure(report);
  report.outcome = backup::JobOutcome::ok;
  return report;
}

namespace {

Status copy_into(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report) {
  if (!job.copy_to) return Error(Code::invalid_argument, "the job does not say into which vault to copy");
  BELAY_TRY_ASSIGN(const auto from, OpenRepository::open(host, job, job.vault, secrets, {}, false));
  BELAY_TRY_ASSIGN(const auto all, from->snapshots());
  BELAY_TRY_ASSIGN(const auto ids, ids_of(all, job.points));
  BELAY_TRY_ASSIGN(const auto to, OpenRepository::open(host, job, *job.copy_to, secrets, "copy.", true, &*from));
  BELAY_TRY_ASSIGN(const auto copied, to->copy_from(*from, ids));
  BELAY_TRY_ASSIGN(const auto there, to->snapshots());
  for (const auto& point : job.points) {
    if (!find_point(there, point.reference))
      return Error(Code::internal,
                   "point " + point.reference + " is not in vault " + job.copy_to->name + " after it was copied");
    report.points.push_back(point);
  }
  pass(report, backup::ProofLevel::P0, "copied", std::to_string(copied.size()) + " snapshots, logs included");
  to.measure(report);
  return {};
}

// Ids of what may go, once these labels are gone; logs that no point needs with them.
Result<std::vector<std::string>> ids_to_forget(const std::vector<Stored>& all,
                                               const std::vector<backup::MadePoint>& points) {
  std::set<std::string> going, ids;
  for (const auto& point : points) going.insert(point.reference);
  std::map<std::string, std::uint64_t> oldest;  // number of the first log that is needed, by sequence
  for (const auto& stored : all) {
    const auto label = tag_of(stored, "point");
    if (label.empty()) continue;
    if (going.contains(label)) {
      ids.insert(stored.snapshot_id);
      continue;
    }
    for (const auto& need : split_labels(tag_of(stored, "needs")))
      if (going.contains(need))
        return Error(Code::conflict, "point " + need + " cannot be deleted: " + label + " needs it", "point-needed");
    if (const auto log = log_number(read_position(tag_of(stored, "log")).file); log) {
      const auto [known, is_new] = oldest.try_emplace(tag_of(stored, "epoch"), log->second);
      known->second = std::min(known->second, log->second);
    }
  }
  for (const auto& run : log_runs(all, {})) {
    const auto needed = oldest.find(run.epoch);
    if (needed == oldest.end() || run.last < needed->second) ids.insert(run.snapshot_id);
  }
  return std::vector<std::string>(ids.begin(), ids.end());
}

Status forget_from(const BackupHost& host, const backup::Job& job, const Secrets& secrets, backup::JobReport& report) {
  BELAY_TRY_ASSIGN(const auto opened, OpenRepository::open(host, job, job.vault, secrets, {}, false));
  BELAY_TRY_ASSIGN(const auto all, opened->snapshots());
  BELAY_TRY_ASSIGN(const auto ids, ids_to_forget(all, job.points));
  if (!ids.empty()) BELAY_TRY(opened->forget(ids));
  BELAY_TRY_ASSIGN(const auto left, opened->snapshots());
  for (const auto& point : job.points) {
    if (find_point(left, point.reference))
      return Error(Code::internal, "point " + point.reference + " is still there after it was deleted");
    report.forgotten.push_back(point.reference);
  }
  if (job.compact) BELAY_TRY(opened->prune());
  opened.measure(report);
  return {};
}

}  // namespace

backup::JobReport copy_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets) {
  backup::JobReport report;
  report.task = backup::Task::copy;
  if (const auto done = copy_into(host, job, secrets, report); !done.ok()) return failed(report.task, done.error());
  report.outcome = backup::JobOutcome::ok;
  return report;
}

backup::JobReport forget_points(const BackupHost& host, const backup::Job& job, const Secrets& secrets) {
  backup::JobReport report;
  report.task = backup::Task::forget;
  if (const auto done = forget_from(host, job, secrets, report); !done.ok()) {
    auto said = failed(report.task, done.error());
    said.forgotten = std::move(report.forgotten);
    return said;
  }
  report.outcome = backup::JobOutcome::ok;
  return report;
}

}  // namespace belay::agent::backups::mariadb
